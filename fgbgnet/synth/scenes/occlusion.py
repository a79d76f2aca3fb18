"""Shadows: how much of the key light and of the ambient light reaches a point, past ellipsoids in the way.

As in `fgbgnet.synth.scenes.geometry`, every operation per point is rounded exactly, so that bits do not depend on
the batch.
"""

import numpy as np
import torch
from torch import Tensor

from fgbgnet.synth.scenes.geometry import Array
from fgbgnet.synth.scenes.placing import Assembly

Vector = tuple[Tensor, Tensor, Tensor]

REACH = 2.0
"""Beyond so many radii of an ellipsoid nothing is darkened: neither by its penumbra nor by contact."""

_AT_ONCE = 8
_FAR = 1e4


def occluders(assembly: Assembly, shrink: float) -> tuple[Array, Array]:
    """The ellipsoids that stand for the solids when they cast shadows.

    Returns:
        (N, 12): to_local (9) and offset (3) of each, and their scenes (N,).
    """
    chosen = np.flatnonzero(assembly.casts)
    solids, half = assembly.solids, assembly.half[chosen]
    stretched = np.stack([np.ones(len(chosen)), 1 + solids.length[chosen], np.ones(len(chosen))], 1)
    ratio = half / np.maximum(half * stretched * shrink, 0.02)
    matrix = solids.to_local[chosen] * ratio[:, :, None]
    return np.concatenate([matrix.reshape(-1, 9), solids.offset[chosen] * ratio], axis=1), solids.scene[chosen]


def bounding_balls(assembly: Assembly, scene_of_thing: Array) -> tuple[Array, Array]:
    """One ball around everything that a thing can darken by touching or penumbra, as `occluders` are given."""
    things = len(scene_of_thing)
    chosen = np.flatnonzero(assembly.casts)
    owner, centre = assembly.owner[chosen], assembly.solids.centre[chosen]
    number = np.bincount(owner, minlength=things)
    middle = np.stack([np.bincount(owner, centre[:, k], things) for k in range(3)], 1) / np.maximum(number, 1)[:, None]
    half = np.maximum(assembly.half[chosen] * (1 + assembly.solids.length[chosen])[:, None], 0.02)
    away = np.sqrt(((centre - middle[owner]) ** 2).sum(1)) + REACH * half.max(1, initial=0.02)
    radius = np.zeros(things)
    np.maximum.at(radius, owner, away)
    some = number > 0
    scale = 1 / radius[some]
    matrix = np.eye(3).reshape(1, 9) * scale[:, None]
    return np.concatenate([matrix, -middle[some] * scale[:, None]], axis=1), scene_of_thing[some]


def padded(table: Array, scenes: Array, lights: Array, device: torch.device) -> Tensor:
    """Occluders with what the light adds, as one constant per occluder and scene: float32 (18, B, n, 1).

    Args:
        table: (N, 12) of `occluders`.
        scenes: (N,), ascending.
        lights: (B, `fgbgnet.synth.scenes.enclosure.LIGHT_WIDTH`).
        device: Where to.
    """
    count = np.bincount(scenes, minlength=len(lights))
    rank = np.arange(len(scenes)) - np.repeat(np.cumsum(count) - count, count)
    most = max(1, int(count.max(initial=0)))
    full = np.zeros((len(lights), most, 12))
    full[:, :, 9] = _FAR  # those that are missing are far away, and so is their light
    full[scenes, rank] = table
    missing = np.arange(most) >= count[:, None]
    matrix = full[..., :9].reshape(len(lights), most, 3, 3)
    # With q a point and T the light in the ball's coordinates, all that is needed are q.q and q.T.
    target = (matrix @ lights[:, None, :3, None])[..., 0] + full[..., 9:]
    along = (target[..., None, :] @ matrix)[..., 0, :]
    towards = np.where(missing, 0, (full[..., 9:] * target).sum(-1))
    square = np.where(missing, _FAR**2, (target * target).sum(-1))
    softness = np.broadcast_to(lights[:, None, 6], missing.shape)
    constants = np.concatenate([full, along, np.stack([towards, square, softness], -1)], axis=-1)
    return torch.from_numpy(np.ascontiguousarray(constants.transpose(2, 0, 1)[..., None], dtype=np.float32)).to(device)


def _approach(c: Tensor, position: Vector) -> tuple[Tensor, Tensor, Tensor]:
    """Distance from a ball's centre, of the ray to the light from it, and length of the ray to the closest point."""
    x, y, z = (p[:, None] for p in position)
    square = torch.zeros(1, device=c.device)
    for i in range(3):
        q = (x * c[3 * i]).add_(y * c[3 * i + 1]).add_(z * c[3 * i + 2]).add_(c[9 + i])
        square = q.mul_(q).add_(square)
    towards = (x * c[12]).add_(y * c[13]).add_(z * c[14]).add_(c[15])
    # The ray to the light: |T - q|^2, where on it the ball is closest, how far that is from its centre.
    span = (square - towards).sub_(towards).add_(c[16]).clamp_(min=1e-6)
    back = square - towards
    t = (back / span).clamp_(0, 1)
    # In full: the lamp may be nearer than the ball (t = 1), or even inside of it.
    closest = (t * span).sub_(back).sub_(back).mul_(t).add_(square).clamp_(min=0).sqrt_()
    return square.sqrt_(), closest, t.mul_(span.sqrt_())


def near(constants: Tensor, position: Vector) -> Tensor:
    """Whether the way from points to the light passes any of these balls; bool (B, P)."""
    _, closest, _ = _approach(constants, position)
    return closest.amin(1) < 1


def occlusion(constants: Tensor, position: Vector) -> tuple[Tensor, Tensor]:
    """How much of the key light and of the ambient light reaches points.

    The closest approach of the ray towards the light to an ellipsoid, in the coordinates in which that is a ball of
    radius 1, gives the shadow; a penumbra grows with the distance between the point and the ellipsoid.

    Args:
        constants: Of `padded`.
        position: World positions, three tensors (B, P).

    Returns:
        Visibility of the key light and of the surroundings, (B, P) each, 1 = not blocked.
    """
    key, around = torch.ones_like(position[0]), torch.ones_like(position[0])
    for first in range(0, constants.shape[2], _AT_ONCE):  # a few at a time stay in the cache of a CPU
        c = constants[:, :, first : first + _AT_ONCE]
        distance, closest, length = _approach(c, position)
        width = length.mul_(c[17]).clamp_(0.03, 0.95)
        shade = closest.sub_(1).add_(width).div_(width).mul_(0.5).clamp_(0, 1)
        touch = distance.sub_(1).mul_(0.66).clamp_(0, 0.6).add_(0.4)
        key, around = torch.minimum(key, shade.amin(1)), torch.minimum(around, touch.amin(1))
    return key * key * (3 - 2 * key), around


__all__ = ["REACH", "bounding_balls", "near", "occluders", "occlusion", "padded"]
