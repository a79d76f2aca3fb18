"""From hits to colours: normals, textures, one key light, ambient light from above and below.

As in `fgbgnet.synth.scenes.geometry`, every operation per pixel is rounded exactly, so that bits do not depend on
the batch. Light is added up linearly; pictures are encoded with gamma 2 (a square root, close to sRGB).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fgbgnet.synth.scenes.enclosure import LIGHT_WIDTH
from fgbgnet.synth.scenes.geometry import BOX, CYLINDER, Array, Cameras, Solids
from fgbgnet.synth.scenes.materials import WIDTH
from fgbgnet.synth.scenes.textures import TextureBank

_M, _OFFSET, _HALF, _LENGTH, _FLAT, _TUBE, _MATERIAL = 0, 9, 12, 15, 16, 17, 18
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
    """Of `solid_table`."""
    scene: Columns
    """Of `scene_table`."""
    view: Vector
    """Direction of the ray in the world, scaled to a camera z of 1."""
    depth: Tensor


def rays(scene: Columns, x: Tensor, y: Tensor) -> Vector:
    """Directions of the rays through positions in pixels, as `Hits.view`."""
    parts = (scene.vector(_RAYS + 3 * k) for k in range(3))
    constant, across, down = parts
    return tuple((x * across[k]).add_(constant[k]).add_(y * down[k]) for k in range(3))  # type: ignore[return-value]


def solid_table(solids: Solids, half: Array, materials: Array) -> Array:
    """All numbers that shading needs of each solid, (N, `SOLID_WIDTH`)."""
    shape = np.stack([solids.length, solids.kind == BOX, solids.kind == CYLINDER], axis=1)
    return np.concatenate([solids.to_local.reshape(-1, 9), solids.offset, half, shape, materials], axis=1)


def scene_table(cameras: Cameras, lights: Array) -> Array:
    """All numbers that shading needs of each scene, (B, `SCENE_WIDTH`)."""
    return np.concatenate([cameras.position, cameras.rays().reshape(-1, 9), cameras.focal[:, None], lights], axis=1)


def dot(a: Vector, b: Vector) -> Tensor:
    """Scalar product with a fixed order of additions."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


class Surface(NamedTuple):
    """What light meets at hits; tensors of one shape, the scene's light not yet multiplied in."""

    albedo: Vector
    """Linear colour."""
    up: Tensor
    """Share of the ambient light that comes from above."""
    lit: Tensor
    """Share of the key light that is reflected."""
    shine: Tensor
    """Highlight of the key light, in its own colour."""
    glow: Tensor
    """Emission in multiples of the albedo, which nothing darkens."""
    position: Vector
    """World position in metres."""


def colours(surface: Surface, scene: Columns, key: Tensor | float = 1.0, around: Tensor | float = 1.0) -> Vector:
    """Linear colours.

    Args:
        surface: What is lit.
        scene: Columns of `scene_table`.
        key: Visibility of the key light.
        around: Visibility of the surroundings, which give the ambient light.
    """
    lit, shine = surface.lit * key, surface.shine * key
    planes = []
    for k in range(3):
        below = scene[_LIGHT + 11 + k]
        ambient = (surface.up * (scene[_LIGHT + 8 + k] - below)).add_(below).mul_(around)
        strength = scene[_LIGHT + 3 + k]
        light = ambient.add_(lit * strength).add_(surface.glow)
        planes.append(light.mul_(surface.albedo[k]).add_(shine * strength))
    return planes[0], planes[1], planes[2]


def strengths(scene: Columns, position: Vector) -> tuple[Vector, Tensor, Tensor]:
    """Way to the key light, its length, and the strength of the light there relative to its nominal one."""
    light = scene.vector(_LIGHT)
    towards = (light[0] - position[0], light[1] - position[1], light[2] - position[2])
    square = dot(towards, towards)
    return towards, square.sqrt(), (scene[_LIGHT + 7] / square.add_(0.3)).clamp_(max=3)


def _normals(solid: Columns, position: Vector) -> tuple[Vector, Vector, Tensor, Tensor]:
    """World normals, metric local coordinates, and whether the texture is projected along x, along y (1 or 0).

    Choices are made by multiplying with 0 and 1: on a CPU that is several times as fast as torch.where.
    """
    m = [solid[_M + k] for k in range(9)]
    x, y, z = position
    px, py, pz = (
        (x * m[3 * k]).add_(y * m[3 * k + 1]).add_(z * m[3 * k + 2]).add_(solid[_OFFSET + k]) for k in range(3)
    )
    length, flat, tube = solid[_LENGTH], solid[_FLAT], solid[_TUBE]
    side_x, side_y = _largest(px.abs(), py.abs(), pz.abs())
    bent = 1 - flat
    # A cylinder's lid is hit where the height is beyond the distance from the axis.
    lid = tube * (py * py > px * px + pz * pz)
    wall = bent * (1 - lid)
    nx = px * (flat * side_x + wall)
    ny = py * (flat * side_y + lid) + (py - torch.minimum(torch.maximum(py, -length), length)) * (bent - tube)
    nz = pz * (flat * (1 - side_x - side_y) + wall)
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
    """What light meets at hits on solids.

    Args:
        hits: Pixels; their tensors have one shape that the scene's columns broadcast against.
        bank: Textures.
    """
    solid, scene, view = hits.solid, hits.scene, hits.view
    camera = scene.vector(_CAMERA)
    x, y, z = ((hits.depth * view[k]).add_(camera[k]) for k in range(3))
    position = x, y, z
    normal, local, along_x, along_y = _normals(solid, position)
    length = dot(view, view).sqrt_()
    facing = -dot(normal, view) / length
    albedo = _albedo(hits, bank, local, along_x, along_y, facing)

    towards, distance, strength = strengths(scene, position)
    cosine = dot(normal, towards).div_(distance)
    # Mirror direction of the view against the light, to the 16th power by squaring.
    mirror = (2 * facing * cosine).add_(dot(view, towards).div_(length * distance)).clamp_(min=0)
    for _ in range(4):
        mirror.mul_(mirror)
    shine = mirror.mul_(solid[_MATERIAL + 13]).mul_(strength).mul_(cosine > 0)
    lit = cosine.clamp_(min=0).mul_(strength)
    return Surface(albedo, 0.5 + 0.5 * normal[1], lit, shine, solid[_MATERIAL + 14], position)


def _albedo(hits: Hits, bank: TextureBank, local: Vector, along_x: Tensor, along_y: Tensor, facing: Tensor) -> Vector:
    u, v = local[0] + along_x * (local[2] - local[0]), along_y * (local[2] + local[1]) - local[1]
    metres = hits.depth / (hits.scene[_FOCAL] * facing.clamp(min=0.1).sqrt_())
    return painted([hits.solid[_MATERIAL + k] for k in range(13)], bank, u, v, metres)


def painted(material: Sequence[Tensor], bank: TextureBank, u: Tensor, v: Tensor, metres: Tensor) -> Vector:
    """Linear colours of a material at places.

    Args:
        material: Its first 13 numbers, each broadcastable against the places.
        bank: Textures.
        u: Place across, in metres.
        v: Place down.
        metres: Size of a pixel there.
    """
    m = material
    picture = bank.smooth(m[0], u * m[1] + m[2], v * m[1] + m[3], metres * m[1])
    fine = bank.detail(m[10], u * m[11], v * m[11], metres * m[11])
    detail = fine.mul_(2).sub_(1).mul_(m[12]).add_(1)
    encoded = [picture[k].sub_(0.45).mul_(m[7 + k]).add_(m[4 + k]).mul_(detail).clamp_(0.03, 1) for k in range(3)]
    return encoded[0].mul_(encoded[0]), encoded[1].mul_(encoded[1]), encoded[2].mul_(encoded[2])


__all__ = [
    "SCENE_WIDTH",
    "SOLID_WIDTH",
    "Columns",
    "Hits",
    "Surface",
    "colours",
    "dot",
    "painted",
    "rays",
    "scene_table",
    "solid_table",
    "strengths",
    "surface",
]
