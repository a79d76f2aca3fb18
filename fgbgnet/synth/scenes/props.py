"""The store of things: every figure and piece of furniture of a seed, designed once, placed in many scenes.

To design one takes about a millisecond of Python, to place it in a scene a few array operations for a whole batch. A
thing looks different wherever it stands: it is turned, stretched, and painted anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fgbgnet.synth.scenes.figures import FIGURES
from fgbgnet.synth.scenes.fittings import FITTINGS
from fgbgnet.synth.scenes.furniture import INDOORS, OUTDOORS, Maker
from fgbgnet.synth.scenes.geometry import Array
from fgbgnet.synth.scenes.materials import Finish, finish_table
from fgbgnet.synth.scenes.parts import Group
from fgbgnet.synth.streams import stream

Kinds = Sequence[tuple[Maker, float, int]]


@dataclass(frozen=True)
class Props:
    """All things of a seed as arrays: P things, of N solids and Q finishes.

    Args:
        first: (P + 1,) first solid of each thing.
        first_finish: (P + 1,) first finish of each thing.
        finishes: (Q, 13) of `finish_table`.
        kind: (N,) kinds of the solids.
        finish: (N,) which finish of its thing a solid has.
        casts: (N,) whether it casts a shadow.
        length: (N,) half length of a capsule's segment in radii.
        half: (N, 3) half sizes.
        centre: (N, 3) in the thing's own coordinates: metres, y up, standing on y = 0.
        axes: (N, 3, 3) columns are the solid's axes.
        size: (P, 2) height, and largest horizontal radius.
        range: First and last thing and the weight of each kind, by the name of a shelf.
    """

    first: Array
    first_finish: Array
    finishes: Array
    kind: Array
    finish: Array
    casts: Array
    length: Array
    half: Array
    centre: Array
    axes: Array
    size: Array
    range: dict[str, Array]

    def choose(self, shelf: str, u: Array) -> Array:
        """Things of a shelf for uniform numbers in [0, 1), int64 of the same shape; kinds come by their weights."""
        first, count, weight = self.range[shelf].T
        edge = np.cumsum(weight) / weight.sum()
        kind = np.searchsorted(edge, u, side="right").clip(max=len(edge) - 1)
        start = np.concatenate([[0.0], edge])[kind]
        inside = ((u - start) / (edge[kind] - start)).clip(0, 1 - 1e-9)
        return np.asarray(first[kind] + np.floor(inside * count[kind]), dtype=np.int64)


SHELVES: dict[str, Kinds] = {
    "figures": FIGURES,
    "furniture": INDOORS,
    **OUTDOORS,
    **FITTINGS,
}


@lru_cache(maxsize=4)
def props(seed: int) -> Props:
    """The store of a seed: a function of the seed alone."""
    groups: list[Group] = []
    ranges: dict[str, Array] = {}
    for shelf, kinds in SHELVES.items():
        rows = []
        for maker, weight, count in kinds:
            rows.append([len(groups), count, weight])
            name = f"{shelf} {maker.__name__}"
            groups += [maker(stream(seed, name, k)) for k in range(count)]
        ranges[shelf] = np.array(rows)
    return _compiled(groups, ranges)


def _compiled(groups: Sequence[Group], ranges: dict[str, Array]) -> Props:
    finishes: list[Finish] = []
    first_finish, local = [0], []
    for group in groups:
        own = {id(item): item for item in group.materials}
        numbers = {key: k for k, key in enumerate(own)}
        local += [numbers[id(item)] for item in group.materials]
        finishes += own.values()
        first_finish.append(len(finishes))
    joined = Group()
    for group in groups:
        joined.extend(group)
    return Props(
        first=np.cumsum([0] + [len(group.kinds) for group in groups]),
        first_finish=np.array(first_finish),
        finishes=finish_table(finishes),
        kind=np.array(joined.kinds),
        finish=np.array(local),
        casts=np.array(joined.casts),
        length=np.array(joined.lengths),
        half=np.array(joined.halves),
        centre=np.array(joined.centres),
        axes=np.array(joined.axes),
        size=np.array([group.extent() for group in groups]),
        range=ranges,
    )


__all__ = ["SHELVES", "Props", "props"]
