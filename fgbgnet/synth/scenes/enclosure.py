"""The box around a scene, its light and its camera: rooms, and streets under a sky."""

import math
from dataclasses import dataclass

import numpy as np

from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.geometry import Array
from fgbgnet.synth.scenes.materials import DRAWS, WIDTH, Finish, draw_materials, finish, finish_table

FLOOR = 2
"""Face of the box that is the ground; faces are low and high x, low and high y, low and high z."""

LIGHT_WIDTH = 15
"""Numbers of a light: position (3) and colour (3) of the key light, its angular softness, the squared distance at which
it has its nominal strength, ambient light from above (3) and below (3), blur of the lens, in half of the scenes."""

_WALLS = tuple(
    finish("clouds", "cloth", "lattice", "leaves", texels=texels, contrast=contrast, gloss=0.0)
    for texels, contrast in ((90.0, 0.2), (100.0, 0.5), (120.0, 1.0))
)
_FLOORS = (finish("lattice", "lattice", "clouds", "leaves", "cloth", texels=110.0), finish("lattice", texels=80.0))
_CEILING = finish("clouds", contrast=0.15, gloss=0.0, base=(0.9, 0.89, 0.86), spread=(0.6, 1.05))
_GROUNDS = (
    finish("clouds", "leaves", texels=60.0, contrast=0.6, base=(0.42, 0.42, 0.43), spread=(0.5, 1.4)),  # asphalt
    finish("clouds", "leaves", texels=40.0, contrast=0.85, base=(0.36, 0.47, 0.22), spread=(0.5, 1.4)),  # grass
    finish("lattice", "clouds", texels=50.0, contrast=0.8),  # paving
)
_SKIES = tuple(
    Finish(("clouds",), 1.0, contrast, 0.0, base, spread, 0.0)
    for base, spread, contrast in (
        ((0.93, 0.94, 0.95), (0.75, 1.0), 0.12),  # overcast
        ((0.5, 0.68, 0.93), (0.7, 1.1), 0.45),  # blue with clouds
        ((0.78, 0.84, 0.92), (0.7, 1.1), 0.2),  # haze
        ((0.85, 0.65, 0.5), (0.5, 1.0), 0.35),  # evening
        ((0.12, 0.14, 0.22), (0.4, 1.5), 0.12),  # night
    )
)
_SKY_GLOW = 0.7
_SKY_WEIGHTS = (0.3, 0.34, 0.2, 0.08, 0.08)
_FINISHES = finish_table([*_WALLS, *_FLOORS, _CEILING, *_GROUNDS, *_SKIES])
_AT = dict(zip(("wall", "floor", "ceiling", "ground", "sky"), (0, 3, 5, 6, 9), strict=True))


@dataclass(frozen=True)
class Enclosures:
    """Boxes, cameras and lights of B scenes; metres, world coordinates, float64.

    Args:
        outdoors: (B,) whether all faces but the ground are sky, which has no depth.
        low: (B, 3) lower corner.
        high: (B, 3) upper corner.
        faces: (B, 6, `WIDTH`) materials of the faces.
        street: (B,) half width of the street; of the room indoors.
        camera: (B, 3) position.
        axes: (B, 3, 3) rows right, down, forward.
        focal: (B,) focal length as a fraction of the shorter side.
        light: (B, `LIGHT_WIDTH`).
    """

    outdoors: Array
    low: Array
    high: Array
    faces: Array
    street: Array
    camera: Array
    axes: Array
    focal: Array
    light: Array


def draw_enclosures(draws: Draws) -> Enclosures:
    """Boxes, cameras and lights from the next numbers of streams."""
    count = len(draws)
    outdoors = draws.chance(0.5)
    street = np.where(outdoors, draws.uniform(2.5, 10), draws.uniform(1.4, 4))
    half = np.where(outdoors, draws.uniform(24, 38), street)
    height = np.where(outdoors, 45.0, draws.uniform(2.3, 3.4))
    length = np.where(outdoors, draws.log_uniform(12, 50), draws.uniform(3.0, 8.5))
    low = np.stack([-half, np.zeros(count), np.where(outdoors, -4.0, -0.8)], 1)
    high = np.stack([half, height, length], 1)
    eye = np.where(draws.chance(0.5), draws.uniform(0.7, 1.8), draws.uniform(1.5, 2.3))
    outside = np.where(draws.chance(0.55), draws.uniform(1.1, 2.0), draws.uniform(1.8, 6.5))
    eye = np.where(outdoors, outside, np.minimum(eye, height - 0.3))
    camera = np.stack([draws.uniform(-0.35, 0.35) * street, eye, np.zeros(count)], 1)
    axes, focal = _draw_cameras(draws, outdoors, eye)
    faces = _draw_faces(draws, outdoors)
    return Enclosures(outdoors, low, high, faces, street, camera, axes, focal, draw_lights(draws, outdoors, low, high))


def _draw_cameras(draws: Draws, outdoors: Array, eye: Array) -> tuple[Array, Array]:
    """Axes (B, 3, 3) and focal lengths in shorter sides: 40 to 85 degrees, mostly looking down a little."""
    turn = draws.normal(0, np.where(outdoors, 0.25, 0.35))
    # Who stands high looks down.
    pitch = draws.normal(np.where(outdoors, 0.02 + 0.05 * (eye - 1.5), 0.12), np.where(outdoors, 0.08, 0.12))
    roll = draws.normal(0, 0.02)
    zero = np.zeros(len(turn))
    forward = np.stack([np.sin(turn) * np.cos(pitch), -np.sin(pitch), np.cos(turn) * np.cos(pitch)], 1)
    right = np.stack([np.cos(turn), zero, -np.sin(turn)], 1)
    down = np.cross(forward, right)
    down *= np.where(down[:, 1:2] > 0, -1, 1)
    c, s = np.cos(roll)[:, None], np.sin(roll)[:, None]
    axes = np.stack([c * right + s * down, c * down - s * right, forward], 1)
    return axes, 0.5 / np.tan(draws.uniform(0.35, 0.74))


def _draw_faces(draws: Draws, outdoors: Array) -> Array:
    """Materials of the six faces, (B, 6, `WIDTH`)."""
    count = len(draws)
    u = draws.uniform(0, 1, (6, DRAWS))
    wall = draws.pick((0.35, 0.35, 0.3))
    kind = np.stack([wall] * 6, 1)
    alone = draws.chance(0.4)  # the far wall has a colour of its own
    kind[:, 5] = np.where(alone, draws.pick((0.2, 0.4, 0.4)), wall)
    for face in (1, 4):
        u[:, face] = u[:, 0]
    u[:, 5] = np.where(alone[:, None], u[:, 5], u[:, 0])
    kind[:, FLOOR] = _AT["floor"] + draws.pick((0.75, 0.25))
    kind[:, 3] = _AT["ceiling"]
    sky = _AT["sky"] + draws.pick(_SKY_WEIGHTS)
    kind = np.where(outdoors[:, None], sky[:, None], kind)
    for face in (1, 3, 4, 5):
        u[:, face] = np.where(outdoors[:, None], u[:, 0], u[:, face])
    kind[:, FLOOR] = np.where(outdoors, _AT["ground"] + draws.pick((0.5, 0.25, 0.25)), kind[:, FLOOR])
    faces = draw_materials(_FINISHES[kind.ravel()], u.reshape(-1, DRAWS)).reshape(count, 6, WIDTH)
    # Large surfaces are duller than things.
    base = faces[:, :, 4:7]
    dull = 0.35 * (base.mean(axis=2, keepdims=True) - base)
    is_sky = outdoors[:, None] & (np.arange(6) != FLOOR)
    faces[:, :, 4:7] = np.where(is_sky[..., None], base, base + dull)
    faces[:, :, 10:14] *= ~is_sky[..., None]
    faces[:, :, 14] = np.where(is_sky, _SKY_GLOW, faces[:, :, 14])
    return faces


def draw_lights(draws: Draws, outdoors: Array, low: Array, high: Array) -> Array:
    """A key light that throws shadows, light from above and below, and what the camera makes of it.

    Returns:
        (B, `LIGHT_WIDTH`).
    """
    count = len(draws)
    target = np.where(outdoors[:, None], np.array([0.0, 1.0, 8.0]), (low + high) / 2)
    sunny = outdoors | draws.chance(0.4)  # in a room the sun comes through a window that is not in the picture
    angle, up = draws.uniform(0, 2 * math.pi), draws.uniform(0.3, 1.3)
    towards = np.stack([np.cos(angle) * np.cos(up), np.sin(up), np.sin(angle) * np.cos(up)], 1)
    inside = np.stack([draws.uniform(0.1, 0.9), draws.uniform(0.75, 0.97), draws.uniform(0.1, 0.9)], 1)
    position = np.where(sunny[:, None], target + 200 * towards, low + (high - low) * inside)
    softness = np.where(sunny, np.array([0.02, 0.05, 0.3])[draws.pick((1, 1, 1))], draws.uniform(0.05, 0.4))
    key, above, below = draws.uniform(0.2, 1.9), draws.uniform(0.15, 0.7), draws.uniform(0.06, 0.35)
    key = np.where(outdoors & draws.chance(0.35), 0.15 * key, key)  # overcast: hardly any shadow
    exposure = 0.95 * np.exp(draws.normal(0, 0.22)) / (0.5 * key + 0.5 * above + 0.3 * below)
    warmth = draws.normal(0, 0.12)
    zero = np.zeros(count)
    tint = np.exp(np.stack([warmth, zero, -warmth], 1))
    cool = np.exp(np.stack([-0.4 * warmth, zero, 0.4 * warmth], 1))
    distance = ((position - target) ** 2).sum(1) + 0.5
    e = exposure[:, None]
    return np.concatenate(
        [
            position,
            e * key[:, None] * tint,
            softness[:, None],
            distance[:, None],
            e * above[:, None] * cool,
            e * below[:, None] * tint * draws.uniform(0.8, 1.2, (3,)),
            np.maximum(0, draws.uniform(-0.2, 0.2))[:, None],
        ],
        axis=1,
    )


__all__ = ["FLOOR", "LIGHT_WIDTH", "Enclosures", "draw_enclosures", "draw_lights"]
