"""How good masks and depth maps are: sums that add up, figures from the sums, and torchmetrics modules around both.

The functions need torch alone; `MaskMetrics` and `DepthMetrics` import torchmetrics (extra ``train``) when first used.
"""

from typing import TYPE_CHECKING, Any

from fgbgnet.contours import contour_band
from fgbgnet.metrics.alignment import DepthAlignment, align_depth
from fgbgnet.metrics.boundary import boundary_width, inner_boundary
from fgbgnet.metrics.depth import (
    DEPTH_METRICS,
    DEPTH_REGIONS,
    DEPTH_STATISTICS,
    DepthAggregation,
    compute_depth_metrics,
    depth_statistics,
)
from fgbgnet.metrics.mask import (
    MASK_METRICS,
    MASK_STATISTICS,
    compute_mask_metrics,
    mask_statistics,
    mask_threshold_statistics,
)
from fgbgnet.metrics.protocol import DepthProtocol, depth_protocol

if TYPE_CHECKING:
    from fgbgnet.metrics.modules import DepthMetrics, MaskMetrics


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class
    if name in ("DepthMetrics", "MaskMetrics"):
        from fgbgnet.metrics import modules

        return getattr(modules, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "DEPTH_METRICS",
    "DEPTH_REGIONS",
    "DEPTH_STATISTICS",
    "MASK_METRICS",
    "MASK_STATISTICS",
    "DepthAggregation",
    "DepthAlignment",
    "DepthMetrics",
    "DepthProtocol",
    "MaskMetrics",
    "align_depth",
    "boundary_width",
    "compute_depth_metrics",
    "compute_mask_metrics",
    "contour_band",
    "depth_protocol",
    "depth_statistics",
    "inner_boundary",
    "mask_statistics",
    "mask_threshold_statistics",
]
