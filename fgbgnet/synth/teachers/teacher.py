"""A teacher: whatever guesses depth from a single picture, with what its values mean."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.types import DepthDirection, DepthUnit

Estimate: TypeAlias = Callable[[Tensor], Tensor | npt.NDArray[Any]]
"""uint8 (B, 3, H, W) -> (B, h, w) or (B, 1, h, w)."""

UNITS: tuple[DepthUnit, DepthUnit] = ("metres", "relative")
DIRECTIONS: tuple[DepthDirection, DepthDirection] = ("near_small", "near_large")


class Teacher:
    """Guesses depth from single pictures; made by `load_teacher`.

    Args:
        estimate: uint8 pictures (B, 3, H, W), RGB, on ``device`` -> depth (B, h, w) or (B, 1, h, w).
        name: How progress, errors and records call it.
        fingerprint: What distinguishes it from every other teacher: a folder of maps goes on with the same alone.
        unit: ``"metres"`` or ``"relative"``.
        direction: ``"near_small"`` (distance) or ``"near_large"`` (inverse depth; relative only).
        device: Where the pictures are brought.

    Raises:
        UnknownNameError: If there is no such unit or direction.
        InvalidArgumentError: If the unit is metres and near is large.

    >>> teacher = Teacher(lambda x: 255.0 - x.float().mean(1), "dark is far", "1", "relative", "near_small")
    >>> teacher(torch.zeros(2, 3, 4, 6, dtype=torch.uint8)).shape
    torch.Size([2, 4, 6])
    """

    def __init__(
        self,
        estimate: Estimate,
        name: str,
        fingerprint: str,
        unit: DepthUnit,
        direction: DepthDirection,
        device: torch.device | str = "cpu",
    ) -> None:
        check_meaning(unit, direction)
        self._estimate = estimate
        self.name, self.fingerprint = name, fingerprint
        self.unit, self.direction = unit, direction
        self.device = torch.device(device)

    def __repr__(self) -> str:
        return f"Teacher({self.name!r}, {self.unit}, {self.direction}, on {self.device})"

    def __call__(self, pictures: Tensor) -> Tensor:
        """Depth of pictures, at their own size.

        Args:
            pictures: uint8 (B, 3, H, W), RGB.

        Returns:
            float32 (B, H, W) on the CPU, in `unit` and `direction`. An estimate of another size is resized bilinearly
            (models of Hugging Face resize their own).

        Raises:
            InvalidArgumentError: If ``pictures`` is something else, or the estimate has another shape, or holds NaN or
                infinity.
        """
        if (
            not isinstance(pictures, Tensor)
            or pictures.dtype != torch.uint8
            or pictures.ndim != 4
            or pictures.shape[1] != 3
            or 0 in pictures.shape
        ):
            raise InvalidArgumentError(f"pictures is {_describe(pictures)}; expected a uint8 tensor (B, 3, H, W), RGB")
        with torch.inference_mode():
            estimate = self._checked(self._estimate(pictures.to(self.device)), len(pictures))
            if estimate.shape[1:] != pictures.shape[2:]:
                size = (pictures.shape[2], pictures.shape[3])
                estimate = F.interpolate(estimate[:, None], size, mode="bilinear", align_corners=False)[:, 0]
        return estimate.clone()  # outside the block: a tensor that belongs to it could never be a training target

    def _checked(self, estimate: object, count: int) -> Tensor:
        """The estimate as float32 (B, h, w) on the CPU."""
        if isinstance(estimate, np.ndarray) and estimate.dtype.kind in "biuf":
            estimate = torch.from_numpy(np.ascontiguousarray(estimate))
        if not isinstance(estimate, Tensor) or estimate.is_complex():
            raise self._wrong(_describe(estimate), count)
        depth = estimate[:, 0] if estimate.ndim == 4 and estimate.shape[1] == 1 else estimate
        if depth.ndim != 3 or len(depth) != count or 0 in depth.shape:
            raise self._wrong(_describe(estimate), count)
        depth = depth.to("cpu", torch.float32)
        bad = ~depth.isfinite().flatten(1).all(1)
        if bad.any():
            raise self._wrong(f"NaN or infinity in picture {int(bad.nonzero()[0])} of the batch", count)
        return depth

    def _wrong(self, what: str, count: int) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"the teacher {self.name!r} returned {what}; expected finite numbers ({count}, H, W) or ({count}, 1, H, W)"
        )


def from_callable(
    function: Estimate,
    device: torch.device | str,
    unit: DepthUnit | None,
    direction: DepthDirection | None,
    name: str | None,
) -> Teacher:
    """A function as a teacher; what its values mean has to be said."""
    target = function.func if isinstance(function, functools.partial) else function
    known = target if hasattr(target, "__qualname__") else type(target)
    qualified = f"{known.__module__}.{known.__qualname__}"
    if unit is None:
        raise InvalidArgumentError(
            f"unit is not given, and a function such as {name or qualified} does not say it; give unit='metres', or "
            "unit='relative' with direction='near_small' (distance) or 'near_large' (inverse depth)"
        )
    if direction is None:
        if unit == "relative":
            raise InvalidArgumentError(
                "direction is not given, and relative depth does not say it; give direction='near_small' (distance) or "
                "'near_large' (inverse depth)"
            )
        direction = "near_small"
    fingerprint = qualified if name is None else f"{qualified} {name}"
    return Teacher(function, name or qualified, fingerprint, unit, direction, device)


def check_meaning(unit: str, direction: str) -> None:
    """Refuses units and directions that there are not, and inverse metres, which nothing here reads."""
    if unit not in UNITS:
        raise UnknownNameError("unit", str(unit), UNITS)
    if direction not in DIRECTIONS:
        raise UnknownNameError("direction", str(direction), DIRECTIONS)
    if unit == "metres" and direction == "near_large":
        raise InvalidArgumentError(
            "unit='metres' with direction='near_large' came: inverse metric depth is not supported; return the "
            "distance itself, or declare unit='relative'"
        )


def _describe(value: object) -> str:
    if isinstance(value, Tensor | np.ndarray):
        kind = "a tensor" if isinstance(value, Tensor) else "an array"
        return f"{kind} of shape {tuple(value.shape)} and type {value.dtype}"
    return f"a {type(value).__name__}"


__all__ = ["DIRECTIONS", "UNITS", "Estimate", "Teacher", "check_meaning", "from_callable"]
