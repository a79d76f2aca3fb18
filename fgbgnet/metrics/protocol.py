"""How depth is scored unless somebody says otherwise; in training and evaluation alike."""

from typing import TypedDict, get_args

from fgbgnet.errors import UnknownNameError
from fgbgnet.metrics.alignment import DepthAlignment
from fgbgnet.types import DepthUnit


class DepthProtocol(TypedDict):
    """Options of `depth_statistics` and `DepthMetrics`."""

    alignment: DepthAlignment
    min_depth: float


def depth_protocol(unit: DepthUnit, model_unit: DepthUnit | None = None) -> DepthProtocol:
    """The options under which depth of a unit is scored.

    Metres are compared as they are. Relative depth has neither scale nor origin, so each picture is aligned first; so
    it is where model and truth differ in their unit. Truth below ``min_depth`` does not count: a ratio to zero says
    nothing, and 8-bit relative maps are noise at their first two steps.

    Args:
        unit: Unit of the truth.
        model_unit: Unit of the prediction; that of the truth by default.

    Raises:
        UnknownNameError: There is no such unit.

    Example:
        >>> depth_protocol("metres")
        {'alignment': 'none', 'min_depth': 0.001}
        >>> depth_protocol("relative")["alignment"], depth_protocol("metres", "relative")["alignment"]
        ('scale_shift', 'scale_shift')
    """
    for name in (unit, model_unit or unit):
        if name not in get_args(DepthUnit):
            raise UnknownNameError("depth_unit", str(name), get_args(DepthUnit))
    metric = unit == "metres" and model_unit in ("metres", None)
    return {"alignment": "none" if metric else "scale_shift", "min_depth": 1e-3 if unit == "metres" else 2 / 255}


__all__ = ["DepthProtocol", "depth_protocol"]
