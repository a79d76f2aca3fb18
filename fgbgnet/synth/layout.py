"""What is where: the parameters of one scene, drawn from random streams alone, without a pixel.

A background is a function of (seed, background id), a foreground of (seed, background, scene id).
"""

import math
from dataclasses import dataclass

import numpy as np

from fgbgnet.synth.figures import FIGURES, dresser
from fgbgnet.synth.furniture import INDOORS, OUTDOORS
from fgbgnet.synth.geometry import Array
from fgbgnet.synth.materials import emitting, lookalike, material, plain
from fgbgnet.synth.parts import Group, vec, yaw
from fgbgnet.synth.streams import stream


@dataclass
class Background:
    """A scene without its foreground; metres, world coordinates.

    Args:
        outdoors: Whether the ceiling is the sky, which has no depth.
        low: (3,) lower corner of the enclosing box.
        high: (3,) upper corner.
        faces: Six materials of the enclosing box: low and high x, y, z.
        solids: Furniture.
        camera: (3,) position.
        axes: (3, 3) rows right, down, forward.
        focal: Focal length as a fraction of the shorter side.
        light: Numbers of `draw_light`.
    """

    outdoors: bool
    low: Array
    high: Array
    faces: list[Array]
    solids: Group
    camera: Array
    axes: Array
    focal: float
    light: Array


def draw_camera(rng: np.random.Generator) -> tuple[Array, float]:
    """Axes (3, 3) and focal length as a fraction of the shorter side: 44 to 85 degrees, some looking down."""
    turn, pitch, roll = rng.normal(0, 0.35), rng.normal(0.12, 0.14), rng.normal(0, 0.02)
    forward = np.array([math.sin(turn) * math.cos(pitch), -math.sin(pitch), math.cos(turn) * math.cos(pitch)])
    right = np.array([math.cos(turn), 0.0, -math.sin(turn)])
    down = np.cross(forward, right)
    if down[1] > 0:
        down = -down
    c, s = math.cos(roll), math.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward]), 1 / math.tan(rng.uniform(0.38, 0.74)) / 2


LIGHT_WIDTH = 15


def draw_light(rng: np.random.Generator, outdoors: bool, low: Array, high: Array) -> Array:
    """One key light that throws shadows, light from above and below, and what the camera makes of it.

    Returns:
        `LIGHT_WIDTH` numbers: position (3) and colour (3) of the key light, its angular softness, the squared distance
        at which it has its nominal strength, ambient light from above (3) and below (3), blur of the lens.
    """
    middle = (low + high) / 2
    if outdoors or rng.random() < 0.4:  # the sun, in a room through a window that is not in the picture
        angle, up = rng.uniform(0, 2 * math.pi), rng.uniform(0.35, 1.3)
        position = middle + 200 * np.array(
            [math.cos(angle) * math.cos(up), math.sin(up), math.sin(angle) * math.cos(up)]
        )
        softness = rng.choice([0.02, 0.05, 0.3])
    else:
        position = low + (high - low) * np.array(
            [rng.uniform(0.1, 0.9), rng.uniform(0.75, 0.97), rng.uniform(0.1, 0.9)]
        )
        softness = rng.uniform(0.05, 0.4)
    key, above, below = rng.uniform(0.3, 1.9), rng.uniform(0.15, 0.7), rng.uniform(0.06, 0.35)
    exposure = 1.05 * math.exp(rng.normal(0, 0.25)) / (0.5 * key + 0.5 * above + 0.3 * below)
    warmth = rng.normal(0, 0.12)
    tint = np.exp(np.array([warmth, 0.0, -warmth]))
    cool = np.exp(np.array([-0.4 * warmth, 0.0, 0.4 * warmth]))
    distance = float((position - middle) @ (position - middle)) + 0.5
    colours = exposure * np.concatenate([key * tint, above * cool, below * tint * rng.uniform(0.8, 1.2, 3)])
    return np.array([*position, *colours[:3], softness, distance, *colours[3:], rng.uniform(0, 0.22)])


def draw_background(seed: int, number: int) -> Background:
    """The background with this number."""
    rng = stream(seed, "background", number)
    outdoors = rng.random() < 0.35
    if outdoors:
        half, height, eye = (
            rng.uniform(8, 22),
            rng.uniform(5, 14),
            rng.choice([rng.uniform(1.1, 2.0), rng.uniform(2, 5)]),
        )
        low, high = np.array([-half, 0.0, -3.0]), np.array([half, height, rng.uniform(9, 32)])
        wall = material(rng, texels=rng.choice([12.0, 30.0]), gloss=0)
        faces = [wall, wall, material(rng, "lattice", "clouds", "leaves", texels=50),
                 emitting(rng, 0.7, "clouds", texels=4), wall, material(rng, texels=20, gloss=0)]  # fmt: skip
    else:
        half, height, eye = (
            rng.uniform(1.4, 4),
            rng.uniform(2.3, 3.3),
            rng.choice([rng.uniform(0.7, 1.8), rng.uniform(1.6, 2.2)]),
        )
        low, high = np.array([-half, 0.0, -0.8]), np.array([half, height, rng.uniform(3.0, 8.0)])
        wall = material(
            rng, "clouds", "cloth", "lattice", "leaves", texels=70, contrast=rng.choice([0.15, 0.4, 1.0]), gloss=0
        )
        other = wall if rng.random() < 0.6 else material(rng, texels=70, contrast=0.5)
        ceiling = material(rng, "clouds", contrast=0.15, gloss=0)
        ceiling[4:7] = 0.5 + 0.5 * ceiling[4:7]
        faces = [
            wall,
            wall,
            material(rng, "lattice", "lattice", "clouds", "leaves", "cloth", texels=90),
            ceiling,
            wall,
            other,
        ]
    for row in {id(row): row for row in faces}.values():  # large surfaces are duller than things
        row[4:7] += 0.5 * (row[4:7].mean() - row[4:7])
    camera = np.array([rng.uniform(-0.35, 0.35) * half, eye, 0.0])
    axes, focal = draw_camera(rng)
    solids = _furnish(rng, outdoors, low, high, camera)
    if not outdoors:
        _decorate(rng, solids, low, high)
    return Background(outdoors, low, high, faces, solids, camera, axes, focal, draw_light(rng, outdoors, low, high))


def _furnish(rng: np.random.Generator, outdoors: bool, low: Array, high: Array, camera: Array) -> Group:
    solids = Group()
    makers = OUTDOORS if outdoors else INDOORS
    share = np.cumsum([weight for _, weight in makers])
    for _ in range(int(rng.integers(3, 9))):
        maker = makers[int(np.searchsorted(share, rng.random() * share[-1]).clip(max=len(makers) - 1))][0]
        group = maker(rng)
        _, reach = group.extent()
        where = np.array([rng.uniform(low[0], high[0]), 0.0, rng.uniform(0.8, high[2])])
        side = int(rng.integers(4))
        if side < 2:  # along a side wall, facing the room
            where[0], turn = (low[0] + 0.7 * reach, -math.pi / 2) if side == 0 else (high[0] - 0.7 * reach, math.pi / 2)
        elif side == 2:
            where[2], turn = high[2] - 0.6 * reach, 0.0
        else:
            turn = rng.uniform(-math.pi, math.pi)
        where = np.clip(where, low + vec(0.5 * reach, 0, 0), np.maximum(high - vec(0.5 * reach, 0, 0.5 * reach), low))
        if float(np.hypot(*(where - camera)[[0, 2]])) < reach + (1.5 if outdoors else 0.7):
            continue
        solids.extend(group.place(where, yaw(turn + rng.normal(0, 0.08))))
    return solids


def _decorate(rng: np.random.Generator, solids: Group, low: Array, high: Array) -> None:
    """Pictures, windows, doors and a rug, as thin boxes on walls and floor."""
    for _ in range(int(rng.integers(1, 6))):
        wide, tall = rng.uniform(0.15, 0.7), rng.uniform(0.15, 0.6)
        kind = rng.random()
        if kind < 0.35:
            inner = emitting(rng, rng.uniform(0.3, 1.6))
        else:
            inner = material(rng, "leaves", "leaves", "clouds", "cloth", texels=rng.choice([150.0, 300.0]))
        middle = rng.uniform(1.2, max(1.3, high[1] - 0.7))
        if kind > 0.85:
            wide, tall, middle = 0.42, 1.0, 1.0
        frame = plain(rng)
        along = rng.uniform(0.1, 0.9)
        wall = int(rng.choice([0, 1, 2, 2]))
        if wall == 2:
            at = np.array([low[0] + (high[0] - low[0]) * along, middle, high[2]])
            turn = np.eye(3)
        else:
            at = np.array([(low, high)[wall][0], middle, low[2] + (high[2] - low[2]) * along])
            turn = yaw(math.pi / 2)
        for half, row in (((wide + 0.05, tall + 0.05, 0.02), frame), ((wide, tall, 0.03), inner)):
            solids.add(0, at, half, row, axes=turn, casts=False)
    if rng.random() < 0.4:
        where = np.array([rng.uniform(low[0], high[0]) / 2, 0.0, rng.uniform(1.5, high[2] - 0.5)])
        rug = material(rng, "leaves", "cloth", texels=100)
        solids.add(
            0,
            where,
            (rng.uniform(0.5, 1.3), 0.012, rng.uniform(0.4, 1)),
            rug,
            axes=yaw(rng.normal(0, 0.3)),
            casts=False,
        )


def draw_foreground(seed: int, background: Background, number: int, aspect: float) -> Group:
    """One to three figures for a background.

    Args:
        seed: Seed of the generator.
        background: Where they go.
        number: Id of the scene.
        aspect: Width of the picture divided by its height.
    """
    rng = stream(seed, "foreground", number)
    figures = Group()
    camouflage = rng.random() < 0.12
    for _ in range(1 + int(rng.choice(3, p=[0.66, 0.24, 0.1]))):
        name = str(rng.choice(list(FIGURES), p=[weight for _, weight in FIGURES.values()]))
        if name == "vehicle" and not background.outdoors and rng.random() < 0.7:
            name = "thing"  # cars are rare in rooms
        group = FIGURES[name][0](rng, dresser(rng))
        if camouflage:
            model = background.faces[int(rng.choice([0, 2, 5]))]
            group.materials = [lookalike(rng, model) for _ in group.materials]
        figures.extend(_place(rng, group, background, aspect, grounded=rng.random() < 0.86))
    return figures


def _place(rng: np.random.Generator, group: Group, scene: Background, aspect: float, grounded: bool) -> Group:
    top, reach = group.extent()
    size = max(top, reach)
    flat = np.array([scene.axes[2, 0], 0.0, scene.axes[2, 2]])
    flat /= np.sqrt(flat @ flat)
    side = np.array([flat[2], 0.0, -flat[0]])
    # How much of the picture's shorter side it shall fill decides the distance; the walls limit it.
    fill = math.exp(rng.uniform(math.log(0.18), math.log(1.25)))
    distance = max(size * scene.focal / fill, 0.6 + 0.6 * reach)
    room = np.where(flat > 0, scene.high - scene.camera, scene.camera - scene.low) / np.maximum(np.abs(flat), 1e-6)
    farthest = float(room[[0, 2]].min()) - 0.2
    scale = 1.0
    if distance > farthest:
        distance = rng.uniform(0.4, 0.95) * farthest
        scale = min(1.0, fill * distance / scene.focal / size * rng.uniform(1.0, 2.5))
    aside, lift = float(np.clip(rng.normal(0, 0.5), -0.95, 0.95)) * max(aspect, 1.0), rng.random()
    margin = 0.3 * scale * reach
    for _ in range(8):
        where = scene.camera + flat * distance + side * aside * 0.5 * distance / scene.focal
        where = np.clip(where, scene.low + margin, np.maximum(scene.high - margin, scene.low + margin))
        where[1] = 0.0 if grounded else lift * max(0.1, min(scene.high[1], 3.5) - scale * top)
        middle = where + vec(0, 0.5 * scale * top, 0)
        right, down, forward = scene.axes @ (middle - scene.camera)
        below = 2 * scene.focal * down / max(forward, 0.1) / max(1 / aspect, 1.0)
        if abs(below) < 0.85 or not grounded or distance >= farthest:
            break
        distance = min(1.3 * distance, farthest)  # it stands below the picture: farther away it comes into sight
    if abs(below) > 0.85:  # no room for that: it stands on something, or flies
        where[1] = max(0.0, where[1] + (below - math.copysign(0.6, below)) * forward / 2 / scene.focal)
    if abs(right) * 2 * scene.focal / max(forward, 0.1) > max(aspect, 1.0):
        where -= side * (side @ (where - scene.camera)) * 0.6
    turn = yaw(rng.uniform(-math.pi, math.pi))
    if not grounded and rng.random() < 0.5:
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return group.place(where, turn, scale)


__all__ = ["LIGHT_WIDTH", "Background", "draw_background", "draw_camera", "draw_foreground", "draw_light"]
