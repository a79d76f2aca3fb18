"""Analytic ray casting of boxes, ellipsoids, cylinders and capsules, batched over scenes.

A scene has many solids, each of which covers few pixels; therefore every solid is cast only in the 8 x 8 tiles that its
bounding box touches.

The per-pixel work uses only +, -, *, /, sqrt and comparisons, which IEEE 754 rounds exactly: a pixel's bits do not
depend on the batch, its order, the vector width, or the number of threads.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fgbgnet.synth.scenes.geometry import BOX, CAPSULE, CYLINDER, ELLIPSOID, NEAR, TILE, Array, Cameras, Solids

_CENTRES = tuple((x + 0.5, y + 0.5) for y in range(TILE) for x in range(TILE))
_CORNERS = tuple((float(x), float(y)) for y in range(TILE + 1) for x in range(TILE + 1))
"""Positions inside a tile at which rays are cast."""

_NOTHING = 0x7F800000 << 32
"""Infinite depth, row 0."""


def _positive_root(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Entry of ``a t^2 + 2 b t + c <= 0`` and the discriminant (negative = miss)."""
    discriminant = b * b - a * c
    return (-b - discriminant.clamp(min=0).sqrt_()) / a, discriminant


def intersect(kind: int, o: tuple[Tensor, ...], d: tuple[Tensor, ...], length: Tensor) -> Tensor:
    """First hit of rays from outside with one kind of unit shape.

    Args:
        kind: BOX, ELLIPSOID, CYLINDER or CAPSULE.
        o: Origins x, y, z, broadcastable against the directions.
        d: Directions x, y, z, of any length and shape. A ray along an axis, with a component of exactly 0, misses what
            is bounded across that axis; a random camera never casts one.
        length: Half length of the capsules' segment.

    Returns:
        Ray parameter of the entry, ``inf`` where the ray misses; in the shape of the directions.

    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> intersect(ELLIPSOID, (zero, zero, -5 * one), (zero, zero, one), zero)
    tensor([4.])
    """
    if kind == ELLIPSOID:
        t, miss = _positive_root(*_quadratic(o, d, (0, 1, 2)))
        hit = miss >= 0
    elif kind == BOX:
        t, leave = _slab(o[0], d[0])
        for k in (1, 2):
            enter, out = _slab(o[k], d[k])
            t, leave = torch.maximum(t, enter, out=enter), torch.minimum(leave, out, out=out)
        hit = t < leave
    elif kind == CYLINDER:
        a, b, c = _quadratic(o, d, (0, 2))
        root = (b * b - a * c).clamp(min=0).sqrt_()
        enter, leave = _slab(o[1], d[1])
        t = torch.maximum((-b - root) / a, enter)
        hit = (t < torch.minimum((root - b) / a, leave)) & (b * b >= a * c)
    else:
        t, miss = _positive_root(*_quadratic(o, d, (0, 2)))
        y = o[1] + t * d[1]
        cap = torch.minimum(torch.maximum(y, -length), length)
        ball, outside = _positive_root(*_quadratic((o[0], o[1] - cap, o[2]), d, (0, 1, 2)))
        inside = y == cap
        t = torch.where(inside, t, ball)
        hit = (miss >= 0) & (inside | (outside >= 0))
    return torch.where(hit & (t > NEAR), t, torch.inf)


def _quadratic(o: tuple[Tensor, ...], d: tuple[Tensor, ...], axes: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    a, b, c = d[axes[0]] * d[axes[0]], o[axes[0]] * d[axes[0]], o[axes[0]] * o[axes[0]]
    for k in axes[1:]:
        a, b, c = a + d[k] * d[k], b + o[k] * d[k], c + o[k] * o[k]
    return a, b, c - 1


def _slab(o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    # The centre of the slab is passed at -o / d, its sides 1 / |d| before and after; a division costs four products.
    inverse = d.reciprocal()
    middle, half = inverse * -o, inverse.abs_()
    return middle - half, middle.add_(half)


def cast_room(
    low: Tensor, high: Tensor, origin: Tensor, rays: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Depth and face of axis-parallel rooms seen from inside, at the pixel centres.

    Args:
        low: (B, 3) lower corner, metres.
        high: (B, 3) upper corner.
        origin: (B, 3) camera position, strictly inside.
        rays: (B, 3, 3) of `Cameras.rays`.
        size: Height and width in pixels.

    Returns:
        Depth (B, H, W); face (B, H, W): 0 and 1 for low and high x, 2 and 3 for y, 4 and 5 for z; and the directions
        x, y, z of the rays in the world, scaled to a camera z of 1, (B, H, W) each.
    """
    x = torch.arange(size[1], dtype=rays.dtype, device=rays.device) + 0.5
    y = (torch.arange(size[0], dtype=rays.dtype, device=rays.device) + 0.5)[:, None]
    depth = face = torch.empty(0)
    directions = []
    for k in range(3):
        d = rays[:, 0, k, None, None] + x * rays[:, 1, k, None, None] + y * rays[:, 2, k, None, None]
        up, down = (high - origin)[:, k, None, None], (origin - low)[:, k, None, None]
        rising = d > 0
        t, side = torch.where(rising, up, down).div_(d.abs()), rising.int() + 2 * k
        depth, face = (t, side) if k == 0 else (torch.minimum(t, depth), torch.where(t < depth, side, face))
        directions.append(d)
    return depth, face, tuple(directions)


def cast_solids(solids: Solids, cameras: Cameras, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Depth and index of the nearest solid at the pixel centres.

    Args:
        solids: Solids of all scenes of the batch.
        cameras: One camera per scene.
        device: Where to compute.

    Returns:
        Depth (B, H, W) float32, ``inf`` where nothing is hit, and row of the solid (B, H, W) int64, -1 there.
    """
    height, width = cameras.size
    batch, rows, columns = len(cameras.focal), -(-height // TILE), -(-width // TILE)
    numbers = np.arange(batch * rows * columns)
    planes = _nearest(solids, cameras, solids.bounds(cameras), _CENTRES, numbers, device)
    shape = (batch, rows, columns, TILE, TILE)
    depth, index = (x.view(shape).transpose(2, 3).reshape(batch, rows * TILE, columns * TILE) for x in planes)
    return depth[:, :height, :width], index[:, :height, :width]


class Coverage(NamedTuple):
    """What is hit in the tiles that solids may touch, at the centres and the corners of the pixels.

    A tile has TILE x TILE centres and (TILE + 1) x (TILE + 1) corners, so that no pixel needs its neighbours' tile.
    """

    tile: Tensor
    """(T, 3) scene, and row and column of the tile's first pixel, int64."""
    centre: tuple[Tensor, Tensor]
    """Depth (``inf`` where nothing is hit) and row of the solid (-1), (T, TILE, TILE)."""
    corner: tuple[Tensor, Tensor]
    """The same, (T, TILE + 1, TILE + 1)."""


def cast_tiles(solids: Solids, cameras: Cameras, device: torch.device | str = "cpu") -> Coverage:
    """As `cast_solids`, but at centres and corners, and only where there may be something."""
    height, width = cameras.size
    rows, columns = -(-height // TILE), -(-width // TILE)
    bounds = solids.bounds(cameras)
    solid, tx, ty = _tiles(bounds, np.arange(len(bounds)))
    numbers = np.unique((solids.scene[solid] * rows + ty) * columns + tx)
    depth, index = _nearest(solids, cameras, bounds, _CENTRES + _CORNERS, numbers, device)
    tile = np.stack([numbers // (rows * columns), numbers // columns % rows * TILE, numbers % columns * TILE], 1)
    count = TILE * TILE
    return Coverage(
        torch.from_numpy(tile).to(device),
        (depth[:, :count].view(-1, TILE, TILE), index[:, :count].view(-1, TILE, TILE)),
        (depth[:, count:].view(-1, TILE + 1, TILE + 1), index[:, count:].view(-1, TILE + 1, TILE + 1)),
    )


def _nearest(
    solids: Solids,
    cameras: Cameras,
    bounds: Array,
    samples: Sequence[tuple[float, float]],
    numbers: Array,
    device: torch.device | str,
) -> tuple[Tensor, Tensor]:
    """Depth and row of the nearest solid, (T, S), at S positions of the T tiles with these numbers, which ascend."""
    height, width = cameras.size
    rows, columns, count = -(-height // TILE), -(-width // TILE), len(samples)
    # Depth and row in one integer: the bits of a positive float32 ascend with it, and the nearest is the smallest.
    packed = torch.full((len(numbers) * count,), _NOTHING, dtype=torch.int64, device=device)
    local = solids.local_rays(cameras)
    px, py = torch.tensor(samples, dtype=torch.float32, device=device).T.contiguous()
    position = torch.arange(count, device=device)
    for kind in (BOX, ELLIPSOID, CYLINDER, CAPSULE):
        solid, tx, ty = _tiles(bounds, np.flatnonzero(solids.kind == kind))
        if len(solid) == 0:
            continue
        row = torch.from_numpy(local[solid].astype(np.float32)).to(device)
        x0, y0 = (torch.from_numpy(t * TILE).to(device, torch.float32)[:, None] for t in (tx, ty))
        base = row[:, 1] + x0 * row[:, 2] + y0 * row[:, 3]
        d = tuple((px * row[:, 2, k, None]).add_(base[:, k, None]).add_(py * row[:, 3, k, None]) for k in range(3))
        o = tuple(row[:, 0, k, None] for k in range(3))
        t = intersect(kind, o, d, torch.from_numpy(solids.length[solid].astype(np.float32)).to(device)[:, None])
        slot = np.searchsorted(numbers, (solids.scene[solid] * rows + ty) * columns + tx)
        at = torch.from_numpy(slot * count).to(device)[:, None] + position
        bits = t.view(torch.int32).to(torch.int64).bitwise_left_shift_(32)
        bits.bitwise_or_(torch.from_numpy(solid).to(device)[:, None])
        packed.scatter_reduce_(0, at.flatten(), bits.flatten(), "amin")
    depth = packed.bitwise_right_shift(32).to(torch.int32).view(torch.float32)
    index = packed.bitwise_and_(0xFFFFFFFF).masked_fill_(depth == torch.inf, -1)
    return depth.view(-1, count), index.view(-1, count)


def _tiles(bounds: Array, chosen: Array) -> tuple[Array, Array, Array]:
    """Pairs (solid, tile column, tile row) for the solids chosen."""
    box = bounds[chosen]
    first, last = box[:, :2] // TILE, -(-box[:, 2:] // TILE)
    extent = np.where(np.all(box[:, 2:] > box[:, :2], axis=1, keepdims=True), last - first, 0)
    number = extent[:, 0] * extent[:, 1]
    which = np.repeat(np.arange(len(chosen)), number)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(number) - number, number)
    across = np.maximum(extent[which, 0], 1)
    return chosen[which], first[which, 0] + rank % across, first[which, 1] + rank // across


__all__ = ["Coverage", "cast_room", "cast_solids", "cast_tiles", "intersect"]
