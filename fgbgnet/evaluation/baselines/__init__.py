"""The floors: methods without learning that stand anywhere a model can."""

from fgbgnet.evaluation.baselines.depth import BackgroundMeanDepth, GlobalMeanDepth
from fgbgnet.evaluation.baselines.mask import CompensatedDifference, Difference

__all__ = ["BackgroundMeanDepth", "CompensatedDifference", "Difference", "GlobalMeanDepth"]
