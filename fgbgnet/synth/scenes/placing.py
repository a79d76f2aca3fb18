"""Things in scenes: which, where, how large, in which materials; and the solids that this makes."""

from dataclasses import dataclass, fields

import numpy as np

from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.geometry import Array, Solids
from fgbgnet.synth.scenes.materials import DRAWS, draw_materials
from fgbgnet.synth.scenes.props import Props

_SLOTS = 64
"""Most things of one scene, and most finishes of one thing."""


@dataclass(frozen=True)
class Placed:
    """M things in the scenes of a batch.

    Args:
        scene: (M,) index of the scene in the batch.
        thing: (M,) index in `Props`.
        position: (M, 3) of the thing's origin in the world, metres.
        rotation: (M, 3, 3) from the thing's coordinates to the world.
        stretch: (M, 3) factors along the thing's own axes, before it is turned.
        key: (M,) number of the thing's random stream for materials.
        apparent: (M,) texels per metre at which a texel is about as wide as a pixel of a picture of 128.
        casts: (M,) whether it casts shadows.
    """

    scene: Array
    thing: Array
    position: Array
    rotation: Array
    stretch: Array
    key: Array
    apparent: Array
    casts: Array

    def where(self, chosen: Array) -> "Placed":
        """Those at which a mask is true."""
        return Placed(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class Assembly:
    """The solids of placed things.

    Args:
        solids: N solids.
        half: (N, 3) half sizes in metres along the solids' own axes, for textures.
        owner: (N,) which placed thing a solid belongs to.
        row: (N,) row of the solid's material in ``materials``.
        materials: (R, `fgbgnet.synth.scenes.materials.WIDTH`).
        thing: (R,) which placed thing a material belongs to.
        casts: (N,) whether a solid casts a shadow.
        thing_scene: (M,) scene of each placed thing.
    """

    solids: Solids
    half: Array
    owner: Array
    row: Array
    materials: Array
    thing: Array
    casts: Array
    thing_scene: Array

    def part(self, first: int, last: int) -> "Assembly":
        """The solids of scenes ``first`` to ``last`` (exclusive), which are counted from 0 again."""
        low, high = np.searchsorted(self.solids.scene, (first, last))
        solids = Solids(*(getattr(self.solids, field.name)[low:high] for field in fields(Solids)))
        solids.scene = solids.scene - first
        return Assembly(
            solids, self.half[low:high], self.owner[low:high], self.row[low:high], self.materials, self.thing,
            self.casts[low:high], self.thing_scene - first,
        )  # fmt: skip


def joined(*parts: Placed) -> Placed:
    """Several tables of things as one, ordered by scene."""
    order = np.argsort(np.concatenate([part.scene for part in parts]), kind="stable")
    return Placed(*(np.concatenate([getattr(p, f.name) for p in parts])[order] for f in fields(Placed)))


def tumbled(quaternion: Array) -> Array:
    """Rotations from quaternions of any length, (..., 4) -> (..., 3, 3)."""
    q = quaternion / np.sqrt((quaternion * quaternion).sum(-1, keepdims=True) + 1e-12)
    w, x, y, z = (q[..., k] for k in range(4))
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, -1) for row in rows], -2)


def keys(numbers: Array, first_slot: int, slots: int) -> Array:
    """Numbers of the streams of the materials of ``slots`` things per scene, (B, slots)."""
    slot = np.arange(first_slot, first_slot + slots, dtype=np.int64)
    with np.errstate(over="ignore"):  # numbers are keys of a hash: they may wrap around
        return (numbers[:, None] * np.int64(_SLOTS) + slot) * np.int64(_SLOTS)


def _runs(first: Array, which: Array) -> tuple[Array, Array]:
    """Members of runs: (index of the run, position in the joined table) for the runs chosen."""
    count = first[which + 1] - first[which]
    owner = np.repeat(np.arange(len(which)), count)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return owner, first[which][owner] + rank


def assemble(placed: Placed, store: Props, seed: int, stream: str) -> Assembly:
    """The solids and materials of placed things.

    Args:
        placed: Things.
        store: What they are.
        seed: Seed of the materials.
        stream: Name of the streams of the materials.
    """
    owner, item = _runs(store.first, placed.thing)
    part, finish = _runs(store.first_finish, placed.thing)
    start = np.zeros(len(placed.thing) + 1, dtype=np.int64)
    np.cumsum(store.first_finish[placed.thing + 1] - store.first_finish[placed.thing], out=start[1:])
    own = finish - store.first_finish[placed.thing][part]
    u = Draws(seed, stream, placed.key[part] + own).uniform(0, 1, (DRAWS,))
    materials = draw_materials(store.finishes[finish], u, placed.apparent[part])
    axes, half = store.axes[item], store.half[item]
    stretch, rotation = placed.stretch[owner], placed.rotation[owner]
    # world = rotation @ (stretch * (centre + axes @ (half * unit))) + position
    turn = rotation * stretch[:, None, :]
    to_world = (turn @ axes) * half[:, None, :]
    centre = (turn @ store.centre[item][..., None])[..., 0] + placed.position[owner]
    back = (rotation / stretch[:, None, :]).transpose(0, 2, 1)
    to_local = (axes.transpose(0, 2, 1) @ back) / half[:, :, None]
    offset = -(to_local @ centre[..., None])[..., 0]
    solids = Solids(placed.scene[owner], store.kind[item], to_local, offset, store.length[item], to_world, centre)
    size = np.sqrt((to_world * to_world).sum(1))
    casts = store.casts[item] & placed.casts[owner]
    return Assembly(solids, size, owner, start[owner] + store.finish[item], materials, part, casts, placed.scene)


__all__ = ["Assembly", "Placed", "assemble", "joined", "keys", "tumbled"]
