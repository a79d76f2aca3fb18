"""Cut-outs on photographs."""

from fgbgnet.synth.composites.compose import compose
from fgbgnet.synth.composites.dataset import ComposedDataset
from fgbgnet.synth.composites.style import CompositeStyle

__all__ = ["ComposedDataset", "CompositeStyle", "compose"]
