"""The faces of the box around a scene: floor, walls and ceiling, or ground and sky.

Most pixels show one of them, and their normals are the axes: a path of its own is several times as fast as that of
solids.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fgbgnet.synth.scenes.casting import cast_room
from fgbgnet.synth.scenes.enclosure import FLOOR, Enclosures
from fgbgnet.synth.scenes.geometry import Array, Cameras
from fgbgnet.synth.scenes.materials import WIDTH
from fgbgnet.synth.scenes.shading import Columns, Surface, dot, painted, strengths
from fgbgnet.synth.scenes.textures import TextureBank

_SIGN, _UP, _LIT, FACE_WIDTH = WIDTH, WIDTH + 1, WIDTH + 2, WIDTH + 3
_FACE_UP = (0.5, 0.5, 1.0, 0.0, 0.5, 0.5)
_SKY_SCALE = 30.0


class Walls(NamedTuple):
    """The box as the camera sees it, without what stands in it; (B, H, W) each."""

    depth: Tensor
    face: Tensor
    directions: tuple[Tensor, ...]


def face_table(scenes: Enclosures) -> Array:
    """All numbers that shading needs of each face, (B * 6, `FACE_WIDTH`)."""
    count = len(scenes.outdoors)
    sky = scenes.outdoors[:, None] & (np.arange(6) != FLOOR)
    sign = np.broadcast_to(np.array([1.0, -1.0] * 3), (count, 6))  # normals point inwards
    up = np.where(sky, 0.5, np.array(_FACE_UP))  # what the sky is painted with must not show where its faces meet
    return np.concatenate([scenes.faces, np.stack([sign, up, ~sky], -1)], axis=-1).reshape(-1, FACE_WIDTH)


def cast_walls(scenes: Enclosures, cameras: Cameras, device: torch.device) -> Walls:
    """Casts the rays of all pixels against the boxes."""
    low, high, origin, rays = (
        torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).to(device)
        for x in (scenes.low, scenes.high, cameras.position, cameras.rays())
    )
    return Walls(*cast_room(low, high, origin, rays, cameras.size))


def wall_surface(
    walls: Walls, faces: Tensor, scene: Columns, camera: Tensor, focal: Tensor, outdoors: Tensor, bank: TextureBank
) -> Surface:
    """What light meets on the faces.

    Args:
        walls: Of `cast_walls`.
        faces: (`FACE_WIDTH`, B * 6) of `face_table`, transposed.
        scene: Columns of `fgbgnet.synth.scenes.shading.scene_table`, one per picture.
        camera: (B, 3) positions.
        focal: (B,) in pixels.
        outdoors: bool (B,).
        bank: Textures.

    Returns:
        Tensors (B, H * W).
    """
    count = len(camera)
    depth, face = walls.depth.flatten(1), walls.face.flatten(1)
    d = tuple(direction.flatten(1) for direction in walls.directions)
    rows = Columns(faces, face + 6 * torch.arange(count, device=face.device, dtype=face.dtype)[:, None])
    position = tuple((depth * d[k]).add_(camera[:, k, None]) for k in range(3))
    is_x, is_y = face < 2, (face == 2) | (face == 3)

    def normal_part(v: tuple[Tensor, ...]) -> Tensor:
        return torch.where(is_x, v[0], torch.where(is_y, v[1], v[2]))

    length = dot(d, d).sqrt_()  # type: ignore[arg-type]
    facing = normal_part(d).abs_().div_(length)
    metres = depth / facing.clamp_(min=0.1).sqrt_().mul_(focal[:, None])
    u, v = torch.where(is_x, position[2], position[0]), torch.where(is_y, position[2], position[1])
    if outdoors.any():
        # The sky is a plane far above: its clouds do not break where two faces of the box meet.
        sky = outdoors[:, None] & (face != FLOOR)
        slope = _SKY_SCALE / (d[1].abs() + 0.12 * length)
        u, v = torch.where(sky, d[0] * slope, u), torch.where(sky, d[2] * slope, v)
        metres = torch.where(sky, slope * slope / (_SKY_SCALE * focal[:, None]), metres)
    albedo = painted([rows[k] for k in range(13)], bank, u, v, metres)
    towards, distance, strength = strengths(scene, position)  # type: ignore[arg-type]
    lit = normal_part(towards).mul_(rows[_SIGN]).div_(distance).clamp_(min=0).mul_(strength).mul_(rows[_LIT])
    return Surface(albedo, rows[_UP], lit, torch.zeros_like(lit), rows[WIDTH - 1], position)  # type: ignore[arg-type]


__all__ = ["FACE_WIDTH", "Walls", "cast_walls", "face_table", "wall_surface"]
