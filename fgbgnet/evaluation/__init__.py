"""Measuring models beside their floors, and telling the result."""

from fgbgnet.evaluation.baselines import BackgroundMeanDepth, CompensatedDifference, Difference, GlobalMeanDepth
from fgbgnet.evaluation.charts import line_chart
from fgbgnet.evaluation.evaluate import Evaluation, evaluate
from fgbgnet.evaluation.report import write_report

__all__ = [
    "BackgroundMeanDepth",
    "CompensatedDifference",
    "Difference",
    "Evaluation",
    "GlobalMeanDepth",
    "evaluate",
    "line_chart",
    "write_report",
]
