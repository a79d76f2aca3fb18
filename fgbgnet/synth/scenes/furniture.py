"""What stands in the scenes: furniture, plants and lamps in rooms; houses, trees and cars in yards."""

from collections.abc import Callable

import numpy as np

from fgbgnet.synth.scenes.figures import vehicle
from fgbgnet.synth.scenes.materials import emitting, finish, plain
from fgbgnet.synth.scenes.parts import BOX, CYLINDER, ELLIPSOID, Group, vec

Maker = Callable[[np.random.Generator], Group]


def table(rng: np.random.Generator) -> Group:
    """A table with things on it, or a bench."""
    group, wood = Group(), plain()
    high, wide, deep = rng.uniform(0.4, 0.9), rng.uniform(0.3, 0.9), rng.uniform(0.25, 0.5)
    group.box((0, high, 0), (wide, 0.025, deep), wood, casts=True)
    for x in (-0.92, 0.92):
        for z in (-0.9, 0.9):
            group.box((x * wide, high / 2, z * deep), (0.03, high / 2, 0.03), wood)
    for _ in range(int(rng.integers(0, 4))):
        size = rng.uniform(0.04, 0.18, 3)
        kind = int(rng.choice([BOX, CYLINDER, ELLIPSOID]))
        where = (rng.uniform(-0.8, 0.8) * wide, high + 0.025 + size[1], rng.uniform(-0.8, 0.8) * deep)
        group.add(kind, where, size, finish(texels=250), casts=False)
    return group


def chair(rng: np.random.Generator) -> Group:
    """A chair or stool."""
    group, wood, cloth = Group(), plain(), finish("cloth", "leaves", "clouds")
    high, half = rng.uniform(0.4, 0.5), rng.uniform(0.2, 0.26)
    group.box((0, high, 0), (half, 0.04, half), cloth, casts=True)
    for x in (-0.9, 0.9):
        for z in (-0.9, 0.9):
            group.box((x * half, high / 2, z * half), (0.02, high / 2, 0.02), wood)
    if rng.random() < 0.8:
        group.box((0, high + 0.28, half), (half, 0.22, 0.03), cloth)
    return group


def sofa(rng: np.random.Generator) -> Group:
    """A sofa or armchair with cushions."""
    group, cloth = Group(), finish("cloth", "clouds", "leaves", contrast=0.6)
    wide = rng.uniform(0.45, 1.2)
    group.box((0, 0.22, 0), (wide, 0.2, 0.42), cloth, casts=True)
    group.box((0, 0.6, 0.36), (wide, 0.28, 0.12), cloth)
    for side in (-1, 1):
        group.box((side * wide, 0.32, 0), (0.1, 0.3, 0.42), cloth)
    for _ in range(int(rng.integers(0, 4))):
        where = (rng.uniform(-0.8, 0.8) * wide, 0.55, 0.15)
        group.add(ELLIPSOID, where, (0.2, 0.17, 0.08), finish(texels=200), casts=False)
    return group.place(vec(0, -group.lowest(), 0), np.eye(3))


def cabinet(rng: np.random.Generator) -> Group:
    """A cupboard, chest of drawers or shelf with books."""
    group, wood = Group(), plain()
    wide, high, deep = rng.uniform(0.3, 0.9), rng.uniform(0.3, 1.1), rng.uniform(0.18, 0.3)
    group.box((0, high, 0), (wide, high, deep), wood, casts=True)
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    shelf = rng.random() < 0.5
    front = plain()
    for i in range(rows):
        for j in range(columns):
            at = (-wide + wide * (2 * j + 1) / columns, high * (2 * i + 1) / rows, -deep)
            face = finish("cloth", "leaves", texels=200) if shelf else front
            group.box(at, (0.9 * wide / columns, 0.88 * high / rows, 0.012), face)
    if rng.random() < 0.6:
        size = rng.uniform(0.08, 0.25, 3)
        group.add(int(rng.choice([BOX, CYLINDER, ELLIPSOID])), (0, 2 * high + size[1], 0), size, finish())
    return group


def plant(rng: np.random.Generator) -> Group:
    """A plant in a pot: a cloud of leaves."""
    group = Group()
    pot, high = rng.uniform(0.1, 0.22), rng.uniform(0.4, 1.5)
    group.add(CYLINDER, (0, pot, 0), (pot, pot, pot), plain())
    leaf = finish("leaves", texels=400, base=(0.25, 0.5, 0.2), spread=(0.4, 1.3))
    group.limb((0, pot, 0), (0, pot + high, 0), 0.015, plain())
    for _ in range(int(rng.integers(3, 9))):
        where = np.array([0, pot * 2 + high * rng.random(), 0]) + rng.normal(0, 0.15, 3)
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        group.add(ELLIPSOID, where, rng.uniform(0.03, 0.22, 3), leaf, axes=axes, casts=False)
    group.casts[1] = False
    group.add(ELLIPSOID, (0, pot * 2 + high / 2, 0), (0.12, 0.3 * high, 0.12), leaf)
    return group


def lamp(rng: np.random.Generator) -> Group:
    """A floor lamp."""
    group, high = Group(), rng.uniform(0.9, 1.7)
    group.add(CYLINDER, (0, 0.02, 0), (0.14, 0.02, 0.14), plain(), casts=False)
    group.limb((0, 0, 0), (0, high, 0), 0.015, plain())
    group.add(CYLINDER, (0, high, 0), (0.16, rng.uniform(0.1, 0.2), 0.16), emitting(rng.uniform(0.3, 1.5), "clouds"))
    return group


def clutter(rng: np.random.Generator) -> Group:
    """Boxes, balls and tins on the floor."""
    group = Group()
    for _ in range(int(rng.integers(1, 4))):
        size = np.exp(rng.uniform(-2.6, -1.1, 3))
        where = (rng.uniform(-0.4, 0.4), size[1], rng.uniform(-0.4, 0.4))
        group.add(int(rng.choice([BOX, CYLINDER, ELLIPSOID])), where, size, finish(texels=200))
    return group


def house(rng: np.random.Generator) -> Group:
    """A building with rows of windows."""
    group, wall = Group(), finish("lattice", "clouds", texels=30, contrast=0.7)
    wide, high, deep = rng.uniform(2, 6), rng.uniform(1.5, 6), rng.uniform(1.5, 4)
    group.box((0, high, 0), (wide, high, deep), wall, casts=True)
    glass = finish("leaves", "clouds", texels=40, gloss=0.8, base=(0.5, 0.55, 0.6), spread=(0.15, 1.1))
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    for i in range(rows):
        for j in range(columns):
            at = (-wide + wide * (2 * j + 1) / columns, high * (2 * i + 1) / rows, 0)
            group.box(at, (0.5 * wide / columns, 0.55 * high / rows, deep + 0.03), glass)
    return group


def tree(rng: np.random.Generator) -> Group:
    """A tree or a bush."""
    group, high = Group(), rng.uniform(0.3, 3.0)
    leaf = finish("leaves", texels=60, contrast=1.0, base=(0.3, 0.45, 0.18), spread=(0.3, 1.5))
    group.limb((0, 0, 0), (rng.normal(0, 0.1), high, 0), 0.06 + 0.05 * high, plain())
    for _ in range(int(rng.integers(3, 8))):
        where = np.array([0, high, 0]) + rng.normal(0, 0.3 + 0.2 * high, 3) * (1, 0.6, 1)
        group.add(ELLIPSOID, where, rng.uniform(0.3, 0.6, 3) * (0.6 + 0.4 * high), leaf)
    return group


def post(rng: np.random.Generator) -> Group:
    """A post, a lamp post, or a sign."""
    group, high = Group(), rng.uniform(1.0, 4.0)
    group.limb((0, 0, 0), (0, high, 0), rng.uniform(0.03, 0.1), plain())
    if rng.random() < 0.6:
        group.box((0, high, 0), tuple(rng.uniform(0.1, 0.5, 2)) + (0.03,), finish())  # noqa: RUF005
    return group


def car(rng: np.random.Generator) -> Group:
    """A parked car."""
    return vehicle(rng, lambda *families, **settings: finish(*families, **{"texels": 80.0, **settings}))


INDOORS: tuple[tuple[Maker, float, int], ...] = (
    (table, 0.22, 40), (chair, 0.16, 30), (sofa, 0.14, 30), (cabinet, 0.2, 40), (plant, 0.1, 30), (lamp, 0.06, 12),
    (clutter, 0.12, 30),
)  # fmt: skip
"""What stands in rooms: kind, how often it is drawn, how many are designed."""

OUTDOORS: dict[str, tuple[tuple[Maker, float, int], ...]] = {
    "buildings": ((house, 0.7, 50), (tree, 0.3, 40)),
    "roadside": ((tree, 0.45, 40), (post, 0.2, 20), (car, 0.25, 30), (clutter, 0.1, 20)),
}
"""What stands along streets: behind the pavement, and on it."""

__all__ = ["INDOORS", "OUTDOORS", "Maker"]
