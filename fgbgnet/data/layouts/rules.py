"""Rules by which a frame finds its background: arithmetic on the number in its name, and explicit orders.

A rule is a function of the values of a frame's placeholders. Those of this module take numbers or whole columns of
them; a function of one's own is asked frame by frame.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field as dataclass_field
from typing import Any, ClassVar, TypeAlias

import numpy as np

from fgbgnet.data.layouts.values import Value
from fgbgnet.errors import InvalidArgumentError, ManifestError

Fields: TypeAlias = dict[str, Value]
"""What the placeholders of a pattern stand for in one path; digits are numbers."""
BackgroundRule: TypeAlias = Callable[[Fields], Value]

POSITION = "position"
"""Name under which rules find the place of a frame, from 0, in the natural order of all frames."""


@dataclass(frozen=True)
class Blocks:
    """Background rule of numbered frames: ``size`` consecutive numbers share a background.

    The background of frame ``n`` is ``first + (n - base) // size``, or, where backgrounds come round again after
    ``count`` of them, ``first + (n - base) // size % count``; with ``size=1`` the background varies fastest.

    Args:
        size: Frames per background.
        first: Number of the first background.
        base: Number of the first frame.
        field: Placeholder of the frame's number; by default the only one, or ``n``. ``"position"`` is the place of
            the frame, from 0, in natural order.
        count: Backgrounds per round; None: they do not come round again.

    >>> Blocks(4000)({"n": 26682}), Blocks(20, first=0, base=0, count=100)({"n": 2045})
    (7, 2)
    """

    size: int = 4000
    first: int = 1
    base: int = 1
    field: str | None = None
    count: int | None = None
    vectorised: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidArgumentError(f"size is {self.size}; expected at least 1 frame per background")
        if self.count is not None and self.count < 1:
            raise InvalidArgumentError(f"count is {self.count}; expected at least 1 background per round")

    def __call__(self, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a number, or a column of them
        """Number of the background of a frame."""
        block = (_number(fields, self.field, self.base, "Blocks") - self.base) // self.size
        return self.first + (block if self.count is None else block % self.count)


@dataclass(frozen=True)
class Parts:
    """Background rule of data that were made in parts of ``size`` consecutive frames, some by another rule.

    Args:
        size: Frames per part.
        rule: `Blocks` within a part; its ``base`` counts from 0, the first frame of the part.
        exceptions: Other rules by the number of the part, from 1.
        base: Number of the first frame.
        field: Placeholder of the frame's number, as for `Blocks`.

    >>> rule = Parts(80_000, Blocks(800, base=0), {2: Blocks(40, base=0, count=100)})
    >>> rule({"n": 801}), rule({"n": 80_000}), rule({"n": 80_041}), rule({"n": 160_001})
    (2, 100, 2, 1)
    """

    size: int
    rule: Blocks
    exceptions: Mapping[int, Blocks] = dataclass_field(default_factory=dict)
    base: int = 1
    field: str | None = None
    vectorised: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidArgumentError(f"size is {self.size}; expected at least 1 frame per part")

    def __call__(self, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a number, or a column of them
        """Number of the background of a frame."""
        number = _number(fields, self.field, self.base, "Parts")
        part, within = (number - self.base) // self.size + 1, (number - self.base) % self.size
        # All rules see all frames: they are arithmetic, and cheap.
        background = self.rule({"n": within})
        for index, rule in self.exceptions.items():
            background = np.where(part == index, rule({"n": within}), background)
        return background if np.ndim(number) else int(background)


@dataclass(frozen=True)
class InOrder:
    """Background rule that counts backgrounds instead of reading the numbers in their names.

    Args:
        rule: Gives the place of a frame's background, from 0: a name of a placeholder that holds it, `Blocks`, `Parts`
            or a function.
        order: What is counted. None: the backgrounds in natural order. Names of files, with or without suffix. Or
            the path of a file that holds one per line, below the root; it may be a pattern. A file with several
            columns is split at its delimiter; the column counts that holds names of backgrounds.

    >>> InOrder(Blocks(4000, first=0, base=0, field="position")).place({"position": 8001})
    2
    """

    rule: str | BackgroundRule
    order: str | Sequence[str] | None = None

    def place(self, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a number, or a column of them
        """Place of the background of a frame, from 0."""
        if isinstance(self.rule, str):
            return _number(fields, self.rule, 0, "InOrder")
        return self.rule(dict(fields))

    @property
    def vectorised(self) -> bool:
        """Whether the rule takes whole columns."""
        return isinstance(self.rule, str) or takes_columns(self.rule)


@dataclass(frozen=True)
class AtLeast:
    """Rule for what is mirrored: a placeholder holds at least some number.

    >>> AtLeast(21)({"n": 20}), AtLeast(21)({"n": 21})
    (False, True)
    """

    first: int
    field: str | None = None
    vectorised: ClassVar[bool] = True

    def __call__(self, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a truth value, or a column of them
        """Whether a frame is one of those."""
        return _number(fields, self.field, 0, "AtLeast") >= self.first


def takes_columns(rule: object) -> bool:
    """Whether a rule may be asked for all frames at once."""
    return bool(getattr(rule, "vectorised", False))


def _number(fields: Mapping[str, Any], field: str | None, base: int, rule: str) -> Any:  # noqa: ANN401
    """The number of a frame, or the column of them."""
    own = [name for name in fields if name != POSITION]
    name = field or (own[0] if len(own) == 1 else "n")
    number = fields.get(name)
    if not (isinstance(number, int) or (isinstance(number, np.ndarray) and number.dtype.kind == "i")):
        known = ", ".join(f"{{{key}}} = {_sample(fields[key])!r}" for key in own)
        fix = "InOrder('...')" if rule == "InOrder" else f"{rule}(field=...)"
        raise ManifestError(
            f"{rule} needs the number of a frame in {{{name}}}, but the name gives {known or 'nothing'}; name the "
            f"placeholder with {fix}"
        )
    if np.size(number) and np.min(number) < base:
        raise ManifestError(f"frame {np.min(number)} lies before the first one, {base}; set {rule}(base=...)")
    return number


def _sample(value: Any) -> Any:  # noqa: ANN401 - a value, or a column of them
    """The first value of a column, text before numbers."""
    if not isinstance(value, np.ndarray):
        return value
    values = value[:1000].tolist()
    return next((v for v in values if not str(v).isdigit()), values[0] if values else "")


__all__ = ["POSITION", "AtLeast", "BackgroundRule", "Blocks", "Fields", "InOrder", "Parts", "takes_columns"]
