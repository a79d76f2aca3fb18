"""From hits to colours: normals, textures, one key light with soft shadows, ambient light with contact shadows.

As in `fgbgnet.synth.geometry`, every operation per pixel is rounded exactly, so that bits do not depend on the batch.
Light is added up linearly; pictures are encoded with gamma 2 (a square root, close to sRGB).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fgbgnet.synth.geometry import BOX, CYLINDER, Array, Cameras, Solids
from fgbgnet.synth.layout import LIGHT_WIDTH
from fgbgnet.synth.materials import WIDTH
from fgbgnet.synth.textures import TextureBank

ROOM = 4
"""Kind of a box that is seen from inside."""

_O, _D, _M, _HALF, _LENGTH, _FLAT, _TUBE, _MATERIAL = 0, 3, 12, 21, 24, 25, 26, 27
SOLID_WIDTH = _MATERIAL + WIDTH
_CAMERA, _RAYS, _FOCAL, _LIGHT = 0, 3, 12, 13
SCENE_WIDTH = _LIGHT + LIGHT_WIDTH

Vector = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Columns:
    """A table whose columns are looked up by row, one contiguous tensor per column."""

    table: Tensor
    """(columns, rows)."""
    rows: Tensor | None
    """Row of every pixel; without it the table is broadcast: row b to the pixels of picture b."""

    def __getitem__(self, column: int) -> Tensor:
        values = self.table[column]
        if self.rows is None:
            return values[:, None]
        return values.index_select(0, self.rows.reshape(-1)).view(self.rows.shape)  # six times as fast as indexing

    def vector(self, column: int) -> Vector:
        """Three columns."""
        return self[column], self[column + 1], self[column + 2]


class Hits(NamedTuple):
    """What is known about each pixel that is shaded."""

    solid: Columns
    scene: Columns
    x: Tensor
    """Position in pixels."""
    y: Tensor
    depth: Tensor


def solid_table(solids: Solids, cameras: Cameras, half: Array, materials: Array) -> Array:
    """All numbers that shading needs of each solid, (N, `SOLID_WIDTH`)."""
    count = len(solids.kind)
    local = solids.local_rays(cameras).reshape(count, 12)
    # Flat: 1 for a box, -1 for a room, whose normals point inwards, 0 for what is round.
    flat = (solids.kind == BOX) * 1.0 - (solids.kind == ROOM)
    shape = np.stack([solids.length, flat, solids.kind == CYLINDER], axis=1)
    return np.concatenate([local, solids.to_local.reshape(count, 9), half, shape, materials], axis=1)


def scene_table(cameras: Cameras, lights: Array) -> Array:
    """All numbers that shading needs of each scene, (B, `SCENE_WIDTH`)."""
    return np.concatenate([cameras.position, cameras.rays().reshape(-1, 9), cameras.focal[:, None], lights], axis=1)


def dot(a: Vector, b: Vector) -> Tensor:
    """Scalar product with a fixed order of additions."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


class Surface(NamedTuple):
    """Colours at hits, before any light is blocked."""

    above: Vector
    """Ambient part, which contact shadows darken."""
    key: Vector
    """Part of the key light, which shadows take away."""
    glow: Vector
    """Emission, which nothing darkens."""
    position: Vector
    """World position in metres."""


def _ray(columns: Columns, at: int, x: Tensor, y: Tensor, component: int) -> Tensor:
    return columns[at + component] + x * columns[at + 3 + component] + y * columns[at + 6 + component]


def _normals(hits: Hits) -> tuple[Vector, Vector, Tensor, Tensor]:
    """World normals, metric local coordinates, and whether the texture is projected along x, along y (1 or 0).

    Choices are made by multiplying with 0 and 1: on a CPU that is several times as fast as torch.where.
    """
    solid = hits.solid
    px, py, pz = (solid[_O + k] + hits.depth * _ray(solid, _D, hits.x, hits.y, k) for k in range(3))
    length, flat, tube = solid[_LENGTH], solid[_FLAT], solid[_TUBE]
    side_x, side_y = _largest(px.abs(), py.abs(), pz.abs())
    bent = 1 - flat.abs()
    # A cylinder's lid is hit where the height is beyond the distance from the axis.
    lid = tube * (py * py > px * px + pz * pz)
    wall = bent * (1 - lid)
    nx = px * (flat * side_x + wall)
    ny = py * (flat * side_y + lid) + (py - torch.minimum(torch.maximum(py, -length), length)) * (bent - tube)
    nz = pz * (flat * (1 - side_x - side_y) + wall)
    m = [solid[_M + k] for k in range(9)]
    normal = [nx * m[j] + ny * m[3 + j] + nz * m[6 + j] for j in range(3)]
    size = (normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]).clamp_(min=1e-20).sqrt_()
    hx, hy, hz = solid.vector(_HALF)
    along_x, along_y = _largest((nx / hx).abs_(), (ny / hy).abs_(), (nz / hz).abs_())
    return (normal[0] / size, normal[1] / size, normal[2] / size), (px * hx, py * hy, pz * hz), along_x, along_y


def _largest(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """1 where x, and 1 where y, is the largest of three; 0 elsewhere."""
    first = (x >= torch.maximum(y, z)).to(x.dtype)
    return first, (y >= z).to(x.dtype).mul_(1 - first)


def surface(hits: Hits, bank: TextureBank) -> Surface:
    """Shades hits.

    Args:
        hits: Pixels; their tensors have one shape that the scene's columns broadcast against.
        bank: Textures.
    """
    normal, local, along_x, along_y = _normals(hits)
    solid, scene = hits.solid, hits.scene
    view = tuple(_ray(scene, _RAYS, hits.x, hits.y, k) for k in range(3))
    position = tuple(scene[_CAMERA + k] + hits.depth * view[k] for k in range(3))
    length = dot(view, view).sqrt_()  # type: ignore[arg-type]
    facing = -dot(normal, view) / length  # type: ignore[arg-type]
    albedo = _albedo(hits, bank, local, along_x, along_y, facing)

    light = scene.vector(_LIGHT)
    towards = (light[0] - position[0], light[1] - position[1], light[2] - position[2])
    square = dot(towards, towards)
    cosine = dot(normal, towards) / square.sqrt()
    strength = (scene[_LIGHT + 7] / (square + 0.3)).clamp_(max=3)
    lit = cosine.clamp(min=0) * strength
    # Mirror direction of the view against the light, to the 16th power by squaring.
    mirror = (2 * facing * cosine + dot(view, towards) / (length * square.sqrt())).clamp_(min=0)  # type: ignore[arg-type]
    for _ in range(4):
        mirror = mirror * mirror
    shine = solid[_MATERIAL + 13] * mirror * strength * (cosine > 0)
    up = 0.5 + 0.5 * normal[1]
    emission = solid[_MATERIAL + 14]
    above, key, glow = [], [], []
    for k in range(3):
        ambient = scene[_LIGHT + 11 + k] + up * (scene[_LIGHT + 8 + k] - scene[_LIGHT + 11 + k])
        above.append(albedo[k] * ambient)
        key.append((albedo[k] * lit + shine) * scene[_LIGHT + 3 + k])
        glow.append(albedo[k] * emission)
    return Surface(tuple(above), tuple(key), tuple(glow), position)  # type: ignore[arg-type]


def _albedo(
    hits: Hits, bank: TextureBank, local: Vector, along_x: Tensor, along_y: Tensor, facing: Tensor
) -> list[Tensor]:
    solid = hits.solid
    m = [solid[_MATERIAL + k] for k in range(13)]
    u, v = local[0] + along_x * (local[2] - local[0]), along_y * (local[2] + local[1]) - local[1]
    metres = hits.depth / (hits.scene[_FOCAL] * facing.clamp(min=0.1).sqrt_())
    picture = bank.smooth(m[0], u * m[1] + m[2], v * m[1] + m[3], metres * m[1])
    fine = bank.nearest(m[10], u * m[11], v * m[11], metres * m[11])
    detail = 1 + m[12] * (fine * 2 - 1)
    encoded = [((m[4 + k] + m[7 + k] * (picture[k] - 0.45)) * detail).clamp_(0.03, 1) for k in range(3)]
    return [value * value for value in encoded]


def occlusion(occluders: Sequence[Array], lights: Array, position: Vector) -> tuple[Tensor, Tensor]:
    """How much of the key light and of the ambient light reaches points, past ellipsoids that stand in the way.

    The closest approach of the ray towards the light to the ellipsoid, in the coordinates in which that is a ball of
    radius 1, gives the shadow; a penumbra grows with the distance between the point and the ellipsoid.

    Args:
        occluders: Per scene (n, 12): to_local (9) and offset (3) of its ellipsoids.
        lights: (B, `LIGHT_WIDTH`).
        position: World positions, three tensors (B, P).

    Returns:
        Visibility of the key light and of the surroundings, (B, P) each, 1 = not blocked.
    """
    key, around = torch.ones_like(position[0]), torch.ones_like(position[0])
    counts = np.array([len(item) for item in occluders])
    for k in range(int(counts.max(initial=0))):
        scenes = np.flatnonzero(counts > k)
        everyone = len(scenes) == len(counts)
        at = torch.from_numpy(scenes).to(key.device)
        m = np.array([occluders[b][k] for b in scenes.tolist()], dtype=np.float64)
        target = np.einsum("nij,nj->ni", m[:, :9].reshape(-1, 3, 3), lights[scenes, :3]) + m[:, 9:]
        # With q a point and T the light in the ball's coordinates, all that is needed are q.q and q.T.
        along = np.einsum("nij,ni->nj", m[:, :9].reshape(-1, 3, 3), target)
        numbers = [
            m,
            along,
            (m[:, 9:] * target).sum(1)[:, None],
            (target * target).sum(1)[:, None],
            lights[scenes, 6:7],
        ]
        c = torch.from_numpy(np.concatenate(numbers, axis=1).astype(np.float32)).to(key.device).T[:, :, None]
        x, y, z = position if everyone else (p.index_select(0, at) for p in position)
        square = torch.zeros_like(x)
        for i in range(3):
            q = (x * c[3 * i]).add_(y * c[3 * i + 1]).add_(z * c[3 * i + 2]).add_(c[9 + i])
            square.add_(q.mul_(q))
        towards = (x * c[12]).add_(y * c[13]).add_(z * c[14]).add_(c[15])
        # The ray to the light: |T - q|^2, where on it the ball is closest, how far that is from its centre.
        span = (square - towards).sub_(towards).add_(c[16])
        back = square - towards
        t = (back / span).clamp_(0, 1)
        closest = (square - t * back).clamp_(min=0).sqrt_()
        width = t.mul_(span.sqrt_()).mul_(c[17]).clamp_(0.03, 0.95)
        shade = closest.sub_(1).add_(width).div_(width).mul_(0.5).clamp_(0, 1)
        touch = square.sqrt_().sub_(1).mul_(0.66).clamp_(0, 0.6).add_(0.4)
        if everyone:
            key, around = torch.minimum(key, shade), torch.minimum(around, touch)
        else:
            key[at], around[at] = torch.minimum(key[at], shade), torch.minimum(around[at], touch)
    return key * key * (3 - 2 * key), around


__all__ = [
    "ROOM",
    "SCENE_WIDTH",
    "SOLID_WIDTH",
    "Columns",
    "Hits",
    "Surface",
    "occlusion",
    "scene_table",
    "solid_table",
    "surface",
]
