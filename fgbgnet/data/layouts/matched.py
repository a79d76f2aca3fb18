"""Frames and their partners, and what is said of those that have none."""

import logging
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fgbgnet.data.layouts.patterns import Found, fill
from fgbgnet.data.layouts.values import Indices, Values
from fgbgnet.types import PathInput

Missing: TypeAlias = Literal["error", "drop"]
"""What becomes of frames without a partner."""

_FIRST = 5
_log = logging.getLogger("fgbgnet")


@dataclass(frozen=True)
class Matched:
    """Frames and their partners, before missing ones are an error.

    Attributes:
        found: Files by layer.
        partners: For every layer but ``fg_bg`` the position of every frame's partner, -1 where it is missing.
        wanted: For messages: by layer, the values that the partner of a frame must have.
    """

    found: dict[str, Found]
    partners: dict[str, Indices]
    wanted: dict[str, dict[str, Values]]

    @property
    def complete(self) -> Values:
        """Which frames have all partners, bool."""
        whole = np.ones(len(self.found["fg_bg"]), dtype=bool)
        for positions in self.partners.values():
            whole &= positions >= 0
        return whole


def missing_message(matched: Matched, root: PathInput) -> str:
    """The error about missing partners: how many, and the first few with the files that were expected."""
    frames, lines = matched.found["fg_bg"], []
    gaps = {layer: np.flatnonzero(positions < 0) for layer, positions in matched.partners.items()}
    for i in sorted({int(i) for rows in gaps.values() for i in rows[:_FIRST]})[:_FIRST]:
        for layer, positions in matched.partners.items():
            if positions[i] < 0:
                values = {name: str(column[i]) for name, column in matched.wanted[layer].items()}
                named = fill(matched.found[layer].pattern, values)
                if named == matched.found[layer].pattern and values:
                    named += ", " + ", ".join(f"{name} {value}" for name, value in values.items())
                lines.append(f"{layer} of {frames.paths[i]} ({named})")
    total = sum(map(len, gaps.values()))
    more = f", and {total - _FIRST} more" if total > _FIRST else ""
    return (
        f"{total} partners are missing below {root}: {', '.join(lines[:_FIRST])}{more}; complete the files, correct "
        'the patterns or the background rule, or leave such frames out with missing="drop"'
    )


def log_unused(matched: Matched) -> None:
    """Logs how many files belong to no frame."""
    for layer, positions in matched.partners.items():
        used = np.zeros(len(matched.found[layer]), dtype=bool)
        used[positions[positions >= 0]] = True
        unused = np.flatnonzero(~used)
        if len(unused):
            first = sorted(matched.found[layer].paths[unused[:1000]].tolist())[0]
            _log.info("%d files of %s belong to no frame, such as %s", len(unused), layer, first)


__all__ = ["Matched", "Missing", "log_unused", "missing_message"]
