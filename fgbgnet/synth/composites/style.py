"""How composites look: what is drawn at random for each, and from which ranges."""

import math
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from fgbgnet.errors import InvalidArgumentError, UnknownNameError

Chance: TypeAlias = float | tuple[float, float, float]
"""A probability, or (probability, least, most) of what is drawn then."""

_RANGES = {
    "erode": (0.3, 1.2, 0.0, 4.0),
    "feather": (0.4, 1.5, 0.0, 16.0),
    "blur": (0.2, 1.0, 0.0, 1.0),
    "colour_match": (0.1, 0.5, 0.0, 1.0),
    "shadow": (0.4, 0.85, 0.0, 1.0),
}
"""Least and most that is drawn by default, and that is allowed."""


@dataclass(frozen=True, kw_only=True)
class CompositeStyle:
    """What `compose` and `ComposedDataset` draw for every composite.

    Things stand on the ground. Where the ground meets the sky, at the ``horizon``, they would be infinitely small:
    with the camera at height ``c``, a thing of height ``t`` whose foot is in row ``y`` is ``(y - horizon) t / c`` high,
    rows as shares of the picture's height (a level pinhole camera over a plane). So the sizes in a picture agree.

    A `Chance` is the probability of something; ``(probability, least, most)`` also gives the range it is drawn from,
    uniformly.

    Raises:
        InvalidArgumentError: If a value is out of its range.

    >>> CompositeStyle(horizon=0.5, shadow=(1.0, 0.25, 0.75)).drawn("shadow", 0.3, 0.5)
    0.5
    >>> CompositeStyle(scale=(0.5, 0.1))
    Traceback (most recent call last):
        ...
    fgbgnet.errors.InvalidArgumentError: scale is (0.5, 0.1); expected two rising numbers above 0 and up to 2
    """

    horizon: float | tuple[float, float] | None = (0.45, 0.6)
    """Row of the horizon as a share of the height; a range is drawn from once for each background. The default holds
    for cameras that look about level. None: every size at every place on the lower two fifths."""
    scale: tuple[float, float] = (0.35, 0.8)
    """Height of the cut-outs relative to the picture's, drawn log-uniformly; with a horizon, that of a thing at the
    bottom edge, further away it is smaller. Wide things are reduced until they fit into the width."""
    anywhere: bool = False
    """Also in the air, at any size; the horizon is not used then."""
    max_cutouts: int = 1
    """From one to so many cut-outs are pasted, the farthest first; the further ones are any of the cut-outs."""
    erode: Chance = 0.3
    """The contour moves inwards, by so many pixels."""
    feather: Chance = 0.3
    """The contour fades inwards, with so many pixels of standard deviation."""
    blur: Chance = 0.5
    """How much of a 3 x 3 binomial blur the cut-out gets, 0 to 1."""
    colour_match: Chance = 0.5
    """How far the mean and standard deviation of each channel of sRGB move towards those of the background around, 0 to
    1 (after Reinhard et al., Color Transfer between Images, 2001, with a gain in place of the shift)."""
    shadow: Chance = 0.7
    """How much light the shadow on the ground takes, 0 to 1: one where the thing touches the ground, and a cast one."""

    def __post_init__(self) -> None:
        low, high = _pair("scale", self.scale)
        if not 0 < low <= high <= 2:
            raise InvalidArgumentError(f"scale is {self.scale}; expected two rising numbers above 0 and up to 2")
        if self.horizon is not None:
            low, high = self.horizons
            if not -1 <= low <= high <= 0.9:
                raise InvalidArgumentError(
                    f"horizon is {self.horizon}; expected a share of the height from -1 (above the picture) to 0.9, "
                    "two rising ones, or None"
                )
        whole = isinstance(self.max_cutouts, int) and not isinstance(self.max_cutouts, bool)
        if not whole or not 1 <= self.max_cutouts <= 32:
            raise InvalidArgumentError(f"max_cutouts is {self.max_cutouts!r}; expected an integer from 1 to 32")
        for name in _RANGES:
            self._check_chance(name)

    @classmethod
    def of(cls, options: dict[str, Any]) -> "CompositeStyle":
        """The style of keyword arguments; an unknown one is named with the nearest that exist."""
        names = [field.name for field in fields(cls)]
        for name in options:
            if name not in names:
                raise UnknownNameError("argument", name, names)
        return cls(**options)

    @property
    def horizons(self) -> tuple[float, float]:
        """The range of the horizon; only where there is one."""
        assert self.horizon is not None
        return _pair("horizon", (self.horizon, self.horizon) if _is_number(self.horizon) else self.horizon)

    def drawn(self, name: str, happens: float, where: float) -> float:
        """What two uniform numbers draw for a `Chance`: 0 where it does not happen."""
        chance: Any = getattr(self, name)
        probability, low, high = (chance, *_RANGES[name][:2]) if _is_number(chance) else chance
        return float(low + where * (high - low)) if happens < probability else 0.0

    def _check_chance(self, name: str) -> None:
        chance, (_, _, least, most) = getattr(self, name), _RANGES[name]
        numbers: Any = (chance,) if _is_number(chance) else chance
        good = isinstance(numbers, tuple | list) and len(numbers) in (1, 3) and all(map(_is_number, numbers))
        if not good or not 0 <= numbers[0] <= 1:
            raise InvalidArgumentError(
                f"{name} is {chance!r}; expected a probability from 0 to 1, or (probability, least, most)"
            )
        if len(numbers) == 3 and not least <= numbers[1] <= numbers[2] <= most:
            raise InvalidArgumentError(f"{name} is {chance!r}; expected a rising range from {least:g} to {most:g}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _pair(name: str, value: Any) -> tuple[float, float]:  # noqa: ANN401 - what a caller gave
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(map(_is_number, value)):
        raise InvalidArgumentError(f"{name} is {value!r}; expected two rising numbers")
    return float(value[0]), float(value[1])


__all__ = ["Chance", "CompositeStyle"]
