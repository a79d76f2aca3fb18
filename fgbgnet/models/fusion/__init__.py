"""How the two pictures meet."""

from fgbgnet.models.fusion.first_layer import (
    FUSION_INITS,
    FUSIONS,
    Fusion,
    FusionInit,
    fused_channels,
    init_first_convolution,
)
from fgbgnet.models.fusion.merging import MERGES, Merge, exchange_channels, local_correlation, merge_level
from fgbgnet.models.fusion.streams import EarlyFusion, SiameseFusion, SingleStream, halves, joined

__all__ = [
    "FUSIONS",
    "FUSION_INITS",
    "MERGES",
    "EarlyFusion",
    "Fusion",
    "FusionInit",
    "Merge",
    "SiameseFusion",
    "SingleStream",
    "exchange_channels",
    "fused_channels",
    "halves",
    "init_first_convolution",
    "joined",
    "local_correlation",
    "merge_level",
]
