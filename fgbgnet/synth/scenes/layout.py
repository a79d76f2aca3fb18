"""Where things stand: furniture in rooms, buildings along streets, and the figures that are new in a scene.

A background is a function of (seed, number of the background), a foreground of (seed, background, number of the scene).
"""

import math
from dataclasses import dataclass

import numpy as np

from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.enclosure import Enclosures, draw_lights
from fgbgnet.synth.scenes.geometry import Array
from fgbgnet.synth.scenes.materials import lookalikes
from fgbgnet.synth.scenes.parts import turned
from fgbgnet.synth.scenes.placing import Assembly, Placed, joined, keys, tumbled
from fgbgnet.synth.scenes.props import Props

FURNITURE, FITTINGS, PAVING = 9, 6, 7
"""Slots of a scene: pieces of furniture (or buildings and trees), pictures on walls, rugs or road markings."""
FIGURES = 3
_CLEARANCE = 0.7
_NOMINAL = 128.0
"""Side of the picture for which textures are scaled; a scene is the same at every size."""


@dataclass(frozen=True)
class Foregrounds:
    """What is new in B scenes.

    Args:
        placed: The figures.
        mimicry: (B,) share of their materials that look like a wall or the floor: all of them, some, or none.
        model: (B,) the face that they look like.
        light: (B, `fgbgnet.synth.scenes.enclosure.LIGHT_WIDTH`) that lights them: that of the scene, or one of their
            own, as in composites, where they cast no shadow either.
        hardness: (B,) slope of the alpha at edges: 1 for what a camera sees, more for what was cut out.
        feather: (B,) weight of the neighbours in the blur of the alpha, 0 to 0.25.
    """

    placed: Placed
    mimicry: Array
    model: Array
    light: Array
    hardness: Array
    feather: Array


def _table(
    scenes: Enclosures,
    used: Array,
    thing: Array,
    position: Array,
    rotation: Array,
    stretch: Array,
    key: Array,
    casts: Array | bool,
) -> Placed:
    """Slots (B, S, ...) as a table of those that are used."""
    scene = np.broadcast_to(np.arange(len(used))[:, None], used.shape)
    away = np.sqrt(((position - scenes.camera[:, None]) ** 2).sum(-1))
    apparent = _NOMINAL * scenes.focal[:, None] / np.maximum(away, 0.5)
    columns = (
        (scene, ()), (thing, ()), (position, (3,)), (rotation, (3, 3)), (stretch, (3,)), (key, ()), (apparent, ()),
        (np.asarray(casts), ()),
    )  # fmt: skip
    flat = (np.broadcast_to(x, used.shape + tail).reshape(-1, *tail) for x, tail in columns)
    return Placed(*flat).where(used.ravel())


def draw_furniture(draws: Draws, scenes: Enclosures, store: Props, numbers: Array) -> Placed:
    """Everything that stands in backgrounds."""
    return joined(
        _standing(draws, scenes, store, keys(numbers, 0, FURNITURE)),
        _on_walls(draws, scenes, store, keys(numbers, FURNITURE, FITTINGS)),
        _on_ground(draws, scenes, store, keys(numbers, FURNITURE + FITTINGS, PAVING)),
    )


def _standing(draws: Draws, scenes: Enclosures, store: Props, key: Array) -> Placed:
    shape = (FURNITURE,)
    out = scenes.outdoors[:, None]
    u = draws.uniform(0, 1, shape)
    building = np.arange(FURNITURE) < 6  # three on each side of the street
    outside = np.where(building, store.choose("buildings", u), store.choose("roadside", u))
    thing = np.where(out, outside, store.choose("furniture", u))
    used = np.arange(FURNITURE) < np.where(out, FURNITURE, 3 + draws.uniform(0, 7, ())[:, None])
    growth = np.where(
        out, draws.log_uniform(0.8, np.where(building, 2.2, 1.3), shape), draws.uniform(0.85, 1.15, shape)
    )
    reach = store.size[thing, 1] * growth
    inside, street = _in_room(draws, scenes, reach), _along_street(draws, scenes, reach, building)
    x, z, turn = (np.where(out, there, here) for there, here in zip(street, inside, strict=True))
    turn = turn + draws.normal(0, 0.08, shape)
    distance = np.hypot(x - scenes.camera[:, None, 0], z - scenes.camera[:, None, 2])
    used = used & (distance > reach + np.where(out, 1.5, _CLEARANCE))
    position = np.stack([x, np.zeros_like(x), z], -1)
    stretch = (
        growth[..., None]
        * draws.uniform(0.88, 1.13, (*shape, 3))
        * draws.uniform(0.8, 1.25, (*shape, 1)) ** np.array([0, 1, 0])
    )
    return _table(scenes, used, thing, position, turned(turn), stretch, key, True)


def _in_room(draws: Draws, scenes: Enclosures, reach: Array) -> tuple[Array, Array, Array]:
    """Places x and z and turns of furniture, (B, S): along the walls, or anywhere."""
    shape = reach.shape[1:]
    low, high = scenes.low[:, None], scenes.high[:, None]
    side = draws.pick((1, 1, 1, 1), shape)
    x = draws.uniform(low[..., 0], high[..., 0], shape)
    z = draws.uniform(0.8, high[..., 2], shape)
    anyhow = draws.uniform(-3.14, 3.14, shape)
    turn = np.select([side == 0, side == 1, side == 2], [-math.pi / 2, math.pi / 2, 0.0], anyhow)
    x = np.select([side == 0, side == 1], [low[..., 0] + 0.7 * reach, high[..., 0] - 0.7 * reach], x)
    z = np.where(side == 2, high[..., 2] - 0.6 * reach, z)
    nearest = low[..., 2] + 0.8
    x = np.clip(x, low[..., 0] + 0.5 * reach, np.maximum(high[..., 0] - 0.5 * reach, low[..., 0]))
    return x, np.clip(z, nearest, np.maximum(high[..., 2] - 0.5 * reach, nearest)), turn


def _along_street(draws: Draws, scenes: Enclosures, reach: Array, building: Array) -> tuple[Array, Array, Array]:
    """Places x and z and turns, (B, S): in two rows, of which the last two buildings may close the far end."""
    shape = reach.shape[1:]
    width, far = scenes.street[:, None], scenes.high[:, None, 2]
    row = np.arange(shape[0])
    left = np.where(row % 2 == 0, -1.0, 1.0)
    x = left * (width + np.where(building, 1.2 + reach * 0.75, draws.uniform(-0.4, 1.4, shape)))
    z = np.where(building, (row // 2 + draws.uniform(0.1, 0.9, shape)) / 3, draws.uniform(0.1, 1, shape)) * far
    across = building & (row >= 4) & draws.chance(0.6, ())[:, None]
    x = np.where(across, left * 0.45 * reach + draws.normal(0, 0.3, shape) * width, x)
    z = np.where(across, far + 0.2 * reach, z)
    front, loose = draws.pick((1, 1), shape) * math.pi, draws.pick((4, 1), shape) * draws.uniform(-3, 3, shape)
    edge = scenes.low[:, None, 0] - 60.0, scenes.high[:, None, 0] + 60.0
    return np.clip(x, *edge), z, np.where(building, front, loose)


def _on_walls(draws: Draws, scenes: Enclosures, store: Props, key: Array) -> Placed:
    shape = (FITTINGS,)
    thing = store.choose("walls", draws.uniform(0, 1, shape))
    wide, tall = draws.uniform(0.3, 1.5, shape), draws.uniform(0.3, 1.2, shape)
    is_door = thing >= store.range["walls"][2, 0]
    wide, tall = np.where(is_door, 0.85, wide), np.where(is_door, 2.0, tall)
    low, high = scenes.low[:, None], scenes.high[:, None]
    bottom = np.where(is_door, 0.0, draws.uniform(0.7, np.maximum(high[..., 1] - tall - 0.2, 0.8), shape))
    along, wall = draws.uniform(0.1, 0.9, shape), draws.pick((1, 1, 2), shape)
    far = wall == 2
    x = np.where(
        far, low[..., 0] + (high[..., 0] - low[..., 0]) * along, np.where(wall == 0, low[..., 0], high[..., 0])
    )
    z = np.where(far, high[..., 2], low[..., 2] + (high[..., 2] - low[..., 2]) * along)
    position = np.stack([x, bottom, z], -1)
    used = ~scenes.outdoors[:, None] & (np.arange(FITTINGS) < 1 + draws.uniform(0, FITTINGS, ())[:, None])
    stretch = np.stack([wide, tall, np.ones_like(wide)], -1)
    return _table(scenes, used, thing, position, turned(np.where(far, 0.0, math.pi / 2)), stretch, key, False)


def _on_ground(draws: Draws, scenes: Enclosures, store: Props, key: Array) -> Placed:
    """A rug in rooms; pavements and road markings along streets."""
    shape = (PAVING,)
    out, street = scenes.outdoors[:, None], scenes.street[:, None]
    row, u = np.arange(PAVING), draws.uniform(0, 1, shape)
    paved, marked = draws.chance(0.6)[:, None], draws.chance(0.6)[:, None]
    thing = np.where(row < 2, store.choose("pavement", u), store.choose("road", u))
    thing = np.where(out, thing, store.choose("floor", u))
    used = np.where(out, np.where(row < 2, paved, marked), (row == 0) & draws.chance(0.45)[:, None])
    long = np.where(row < 2, 64.0, draws.uniform(0.6, 3.0, (1,)))
    wide = np.where(row < 2, 1.6, draws.uniform(0.12, 0.5, (1,)))
    x = np.where(row == 0, -street - 0.8, np.where(row == 1, street + 0.8, draws.uniform(-0.5, 0.5, (1,)) * street))
    z = np.where(row < 2, 28.0, 1.5 + (row - 2) * long * draws.uniform(1.2, 3, (1,)))
    x = np.where(out, x, draws.uniform(-0.5, 0.5, shape) * street)
    z = np.where(out, z, draws.uniform(0.2, 0.9, shape) * scenes.high[:, None, 2])
    wide = np.where(out, wide, draws.uniform(1.0, 2.6, shape))
    long = np.where(out, long, draws.uniform(0.8, 2.0, shape))
    position = np.stack([x, np.zeros_like(x), z], -1)
    turn = np.where(out, 0.0, draws.normal(0, 0.3, shape))
    return _table(
        scenes, used, thing, position, turned(turn), np.stack([wide, np.ones_like(wide), long], -1), key, False
    )


def draw_foregrounds(seed: int, scenes: Enclosures, store: Props, numbers: Array, aspect: float) -> Foregrounds:
    """One to three figures for each scene.

    Args:
        seed: Seed of the generator.
        scenes: Where they go.
        store: The things to choose from.
        numbers: (B,) of the scenes.
        aspect: Width of the picture divided by its height.
    """
    draws = Draws(seed, "foreground", numbers)
    shape = (FIGURES,)
    mimicry = np.array([1.0, 0.35, 0.0])[draws.pick((0.12, 0.28, 0.6))]
    pasted = draws.chance(0.45)
    model = np.array([0, 2, 5])[draws.pick((1, 1, 1))]
    used = np.arange(FIGURES) < 1 + draws.pick((0.68, 0.22, 0.1))[:, None]
    thing = store.choose("figures", draws.uniform(0, 1, shape))
    vehicle = (thing >= store.range["figures"][2, 0]) & (thing < store.range["figures"][3, 0])
    odd = vehicle & ~scenes.outdoors[:, None] & ~pasted[:, None] & draws.chance(0.7, shape)  # cars are rare in rooms
    thing = np.where(odd, store.choose("figures", draws.uniform(0.76, 1, shape)), thing)
    stretch = draws.uniform(0.85, 1.18, (*shape, 3)) * draws.log_uniform(0.7, 1.25, (*shape, 1))
    stretch[..., 0] *= np.where(draws.chance(0.5, shape), -1, 1)  # mirrored
    grounded = draws.chance(np.where(pasted, 0.45, 0.9)[:, None], shape)
    position, scale = _placed(draws, scenes, store.size[thing] * np.abs(stretch[..., 1:2]), grounded, aspect)
    rotation = turned(draws.uniform(-math.pi, math.pi, shape))
    loose = ~grounded & draws.chance(0.4, shape)
    rotation = np.where(loose[..., None, None], tumbled(draws.normal(0, 1, (*shape, 4))), rotation)
    placed = _table(
        scenes, used, thing, position, rotation, stretch * scale[..., None], keys(numbers, 0, FIGURES), ~pasted[:, None]
    )
    light = draw_lights(draws, scenes.outdoors, scenes.low, scenes.high)
    hardness = np.array([1.0, 1.0, 1.6, 4.0])[draws.pick((1, 1, 1, 1))]
    feather = np.where(draws.chance(0.35), draws.uniform(0.05, 0.25), 0.0)
    light = np.where(pasted[:, None], light, scenes.light)
    return Foregrounds(placed, mimicry, model, light, hardness, feather)


def camouflage(seed: int, figures: Assembly, foregrounds: Foregrounds, scenes: Enclosures) -> None:
    """Gives parts of figures, in place, the material of a face of their scene, so that they are hard to see."""
    scene = figures.thing_scene[figures.thing]
    part = np.arange(len(scene)) - np.searchsorted(figures.thing, figures.thing)
    u = Draws(seed, "camouflage", foregrounds.placed.key[figures.thing] + part).uniform(0, 1, (6,))
    chosen = np.flatnonzero(u[:, 5] < foregrounds.mimicry[scene])
    scene = scene[chosen]
    figures.materials[chosen] = lookalikes(scenes.faces[scene, foregrounds.model[scene]], u[chosen])


def _placed(draws: Draws, scenes: Enclosures, size: Array, grounded: Array, aspect: float) -> tuple[Array, Array]:
    """Positions (B, S, 3) and scales (B, S) at which figures of a height and reach (B, S, 2) are in sight."""
    shape = (FIGURES,)
    focal, camera = scenes.focal[:, None], scenes.camera[:, None]
    top, reach = size[..., 0], size[..., 1]
    largest = np.maximum(top, reach)
    forward = scenes.axes[:, 2] * np.array([1.0, 0, 1.0])
    forward = (forward / np.sqrt((forward * forward).sum(1, keepdims=True)))[:, None]
    side = np.stack([forward[..., 2], np.zeros_like(forward[..., 0]), -forward[..., 0]], -1)
    # How much of the picture's shorter side it shall fill decides the distance; the walls limit it.
    fill = draws.log_uniform(0.16, 1.3, shape)
    distance = np.maximum(largest * focal / fill, 0.6 + 0.6 * reach)
    room = np.where(forward > 0, scenes.high[:, None] - camera, camera - scenes.low[:, None])
    farthest = (room / np.maximum(np.abs(forward), 1e-6))[..., ::2].min(-1) - 0.2
    beyond = distance > farthest
    near = draws.uniform(0.4, 0.95, shape) * farthest
    smaller = np.minimum(1, fill * near / focal / largest * draws.uniform(1, 2.5, shape))
    distance, scale = np.where(beyond, near, distance), np.where(beyond, smaller, 1.0)
    aside = np.clip(draws.normal(0, 0.5, shape), -0.95, 0.95) * max(aspect, 1.0)
    lift = draws.uniform(0, 1, shape)
    low, high = scenes.low[:, None], scenes.high[:, None]
    margin = (0.3 * scale * reach)[..., None]
    ceiling = np.minimum(high[..., 1], np.maximum(3.5, 0.5 * distance))
    hover = lift * np.maximum(0.1, ceiling - scale * top)
    searching = np.ones_like(beyond)
    where, below, ahead = camera + 0 * margin, distance * 0, distance * 0
    for _ in range(8):
        at = camera + forward * distance[..., None] + side * (aside * 0.5 * distance / focal)[..., None]
        at = np.clip(at, low + margin, np.maximum(high - margin, low + margin))
        at[..., 1] = np.where(grounded, 0.0, hover)
        middle = at + np.stack([0 * top, 0.5 * scale * top, 0 * top], -1) - camera
        view = (scenes.axes[:, None] @ middle[..., None])[..., 0]
        drop = 2 * focal * view[..., 1] / np.maximum(view[..., 2], 0.1) / max(1 / aspect, 1.0)
        keep = searching[..., None]
        where = np.where(keep, at, where)
        below, ahead = np.where(searching, drop, below), np.where(searching, view[..., 2], ahead)
        searching = searching & ~((np.abs(drop) < 0.85) | (distance >= farthest))
        # It stands below the picture: farther away it comes into sight.
        distance = np.where(searching, np.minimum(1.3 * distance, farthest), distance)
    # No room for that: it stands on something, or flies.
    raised = np.maximum(0.0, where[..., 1] + (below - np.copysign(0.6, below)) * ahead / 2 / focal)
    where[..., 1] = np.where(np.abs(below) > 0.85, raised, where[..., 1])
    return where, scale


__all__ = ["Foregrounds", "camouflage", "draw_foregrounds", "draw_furniture"]
