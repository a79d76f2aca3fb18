"""Foregrounds: people, animals, vehicles and arbitrary things, put together from capsules, ellipsoids and boxes."""

import math
from collections.abc import Callable

import numpy as np

from fgbgnet.synth.scenes.geometry import Array
from fgbgnet.synth.scenes.materials import Finish, emitting, finish
from fgbgnet.synth.scenes.parts import BOX, CAPSULE, CYLINDER, ELLIPSOID, Group, turned, vec

Dress = Callable[..., Finish]
"""Gives the finish of a part; takes the families of texture and keyword arguments of `finish`."""


def dress(*families: str, **settings: float | tuple[float, ...] | None) -> Finish:
    """Finishes for foregrounds: all of them textured, with more contrast and finer detail than rooms."""
    return finish(*families, **{"texels": 260.0, **settings})


def _swing(shoulder: Array, length: float, forward: float, aside: float) -> Array:
    """End of a limb that hangs down, swung forward (about x) and aside (about z); angles in radians."""
    return shoulder + length * np.array(
        [math.sin(aside), -math.cos(forward) * math.cos(aside), math.sin(forward) * math.cos(aside)]
    )


def person(rng: np.random.Generator, dress: Dress = dress) -> Group:
    """Somebody 1.0 to 1.95 m tall who stands, walks, waves or sits."""
    group = Group()
    skin = dress("clouds", contrast=0.25, base=(0.95, 0.72, 0.58), spread=(0.3, 1.0))
    top, bottom, shoes, hair = (dress("leaves", "cloth", "clouds") for _ in range(4))
    sleeves = top if rng.random() < 0.6 else skin
    bulk, sitting = rng.uniform(0.85, 1.3), rng.random() < 0.15
    stride = rng.normal(0, 0.4)
    thigh = 1.4 if sitting else stride
    hip = 0.5 if sitting else 0.9 * math.cos(0.6 * min(abs(stride), 0.8))
    shoulder = hip + 0.52
    lean = rng.normal(0, 0.05, 2)
    if rng.random() < 0.25 and not sitting:  # skirt or coat
        group.add(CYLINDER, (0, hip - 0.15, 0), (0.2 * bulk, rng.uniform(0.15, 0.35), 0.15 * bulk), bottom)
    group.add(ELLIPSOID, (0, hip + 0.05, 0), (0.18 * bulk, 0.16, 0.13 * bulk), bottom)
    group.add(ELLIPSOID, (lean[0] / 2, hip + 0.28, lean[1] / 2), (0.2 * bulk, 0.34, 0.13 * bulk), top)
    neck = np.array([lean[0], shoulder, lean[1]])
    group.limb(neck + vec(-0.15 * bulk, 0, 0), neck + vec(0.15 * bulk, 0, 0), 0.07, top, casts=False)
    group.limb(neck, neck + vec(0, 0.12, 0.02), 0.05, skin, casts=False)
    group.add(ELLIPSOID, neck + vec(0, 0.24, 0.02), (0.085, 0.12, 0.1), skin)
    if rng.random() < 0.9:
        group.add(ELLIPSOID, neck + vec(0, 0.29, -0.015), (0.095, rng.uniform(0.08, 0.2), 0.105), hair, casts=False)
    for side in (-1.0, 1.0):
        joint = np.array([side * 0.09 * bulk, hip, 0.0])
        knee = _swing(joint, 0.44, side * thigh if not sitting else thigh, 0.04 * side)
        ankle = _swing(knee, 0.42, 0.0 if sitting else side * stride - abs(rng.normal(0, 0.3)), 0.0)
        group.limb(joint, knee, 0.085 * bulk, bottom)
        group.limb(knee, ankle, 0.06 * bulk, bottom if rng.random() < 0.8 else skin)
        group.add(ELLIPSOID, ankle + vec(0, -0.02, 0.06), (0.05, 0.05, 0.13), shoes, casts=False)
        arm = neck + vec(side * 0.2 * bulk, -0.02, 0)
        raised = rng.uniform(0.8, 2.8) if rng.random() < 0.2 else abs(rng.normal(0, 0.2))
        elbow = _swing(arm, 0.29, -side * stride * 0.8, side * (0.1 + raised))
        hand = _swing(elbow, 0.27, -side * stride * 0.8 + abs(rng.normal(0, 0.7)), side * raised)
        group.limb(arm, elbow, 0.05 * bulk, top)
        group.limb(elbow, hand, 0.042 * bulk, sleeves, casts=False)
        group.add(ELLIPSOID, hand, (0.04, 0.07, 0.04), skin, casts=False)
        if rng.random() < 0.12:  # a bag, a stick, an umbrella
            if rng.random() < 0.5:
                group.add(BOX, hand + vec(0, -0.2, 0), (0.06, 0.16, 0.18), dress())
            else:
                group.limb(hand, hand + rng.normal(0, 0.5, 3), 0.012, dress())
    scale = rng.uniform(0.62, 1.1)
    return group.place(vec(0, -scale * group.lowest(), 0), np.eye(3), scale)


def animal(rng: np.random.Generator, dress: Dress = dress) -> Group:
    """A four-legged animal, from a cat to a horse."""
    group = Group()
    coat, other = dress("leaves", "clouds"), dress("leaves", "clouds")
    long, tall, thick = rng.uniform(0.35, 0.6), rng.uniform(0.25, 0.6), rng.uniform(0.12, 0.24)
    height = tall + 0.7 * thick
    group.add(ELLIPSOID, (0, height, 0), (thick, thick * rng.uniform(0.9, 1.2), long), coat)
    group.add(ELLIPSOID, (0, height + 0.1 * thick, 0.45 * long), (thick, 1.15 * thick, 0.5 * long), coat)
    head = np.array([rng.normal(0, 0.06), height + rng.uniform(0.05, 0.45), long + rng.uniform(0.05, 0.25)])
    group.limb((0, height + 0.2 * thick, 0.8 * long), head, 0.55 * thick, coat)
    group.add(ELLIPSOID, head, (0.6 * thick, 0.6 * thick, 0.75 * thick), coat)
    group.limb(head, head + vec(0, -0.25 * thick, 1.3 * thick), 0.32 * thick, other, casts=False)
    for side in (-1.0, 1.0):
        ear = head + vec(side * 0.45 * thick, 0.4 * thick, -0.1)
        group.limb(
            ear, ear + vec(side * 0.3 * thick, rng.uniform(-0.4, 0.9) * thick, 0), 0.16 * thick, other, casts=False
        )
        for end in (-0.7, 0.7):
            joint = np.array([side * 0.6 * thick, height - 0.3 * thick, end * long])
            knee = _swing(joint, 0.5 * (height - 0.3 * thick), rng.normal(0, 0.3), 0)
            foot = np.array([knee[0], 0.03, knee[2] + rng.normal(0, 0.05)])
            group.limb(joint, knee, 0.3 * thick, coat, casts=False)
            group.limb(knee, foot, 0.2 * thick, other if rng.random() < 0.5 else coat)
    tail = np.array([0.0, height + 0.2 * thick, -0.95 * long])
    group.limb(
        tail,
        tail + vec(rng.normal(0, 0.1), rng.normal(0, 0.2), -rng.uniform(0.1, 0.4)),
        0.15 * thick,
        coat,
        casts=False,
    )
    scale = float(np.exp(rng.uniform(-0.7, 0.6)))
    return group.place(vec(0, -scale * group.lowest(), 0), np.eye(3), scale)


def vehicle(rng: np.random.Generator, dress: Dress = dress) -> Group:
    """A car, van or lorry, 3.5 to 6 m long."""
    group = Group()
    paint = dress("clouds", "leaves", contrast=float(rng.choice([0.1, 0.6])), gloss=0.9)
    glass = dress("leaves", "clouds", contrast=0.7, gloss=1.0, base=(0.4, 0.43, 0.45), spread=(0.1, 1.0))
    tyre, trim = dress("clouds", contrast=0.3, base=(0.12, 0.12, 0.12), spread=(0.5, 2.0)), dress()
    long, wide, wheel = rng.uniform(1.7, 2.6), rng.uniform(0.75, 0.95), rng.uniform(0.28, 0.38)
    body, cabin = rng.uniform(0.25, 0.4), rng.uniform(0.22, 0.6)
    floor = wheel * 0.7
    group.add(BOX, (0, floor + body, 0), (wide, body, long), paint)
    back = rng.uniform(0.4, 0.95) * long
    middle, top = rng.uniform(-0.25, 0.0) * long, floor + 2 * body + cabin
    group.add(BOX, (0, top, middle), (wide * 0.92, cabin, back * 0.72), glass)
    group.add(BOX, (0, top + cabin, middle), (wide * 0.93, 0.04, back * 0.74), paint, casts=False)
    group.add(ELLIPSOID, (0, floor + 2 * body, long * 0.55), (wide * 0.95, cabin * 0.6, long * 0.45), paint)
    for side in (-1.0, 1.0):
        for end in (-0.62, 0.62):
            turned = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
            centre = np.array([side * wide * 0.93, wheel, end * long])
            group.add(CYLINDER, centre, (wheel, 0.12, wheel), tyre, axes=turned, casts=False)
            group.add(CYLINDER, centre, (wheel * 0.6, 0.13, wheel * 0.6), trim, axes=turned, casts=False)
        lamp = emitting(float(rng.choice([0.4, 2.0])))
        group.add(ELLIPSOID, (side * wide * 0.7, floor + body * 1.2, long), (0.14, 0.09, 0.05), lamp, casts=False)
        group.add(BOX, (side * wide * 0.98, top, middle), (0.03, cabin, 0.05), paint, casts=False)
    group.add(BOX, (0, floor + body * 0.7, long), (wide * 0.6, body * 0.4, 0.03), trim, casts=False)
    return group


def thing(rng: np.random.Generator, dress: Dress = dress) -> Group:
    """Three to nine solids of any kind, grown one on another: bags, toys, tools, machines, furniture."""
    group = Group()
    materials = [dress() for _ in range(3)]
    sizes: list[float] = []
    thin = rng.random() < 0.25
    for k in range(int(rng.integers(3, 10))):
        size = float(np.exp(rng.uniform(-2.2, -0.7)))
        half = size * np.exp(rng.uniform(-0.9 if not thin else -2.4, 0.2, 3))
        tilt = turned(rng.uniform(0, 6.3)) if rng.random() < 0.6 else np.linalg.qr(rng.normal(size=(3, 3)))[0]
        if k == 0:
            centre = np.array([0.0, size, 0.0])
        else:
            host = int(rng.integers(k))
            step = rng.normal(size=3) + vec(0, 0.5, 0)
            centre = group.centres[host] + step / np.sqrt(step @ step) * 0.85 * (sizes[host] + size * 0.6)
            centre[1] = max(centre[1], 0.6 * size)
        kind = int(rng.choice([BOX, BOX, ELLIPSOID, ELLIPSOID, CYLINDER, CAPSULE]))
        length = rng.uniform(0.5, 6.0) if kind == CAPSULE else 0.0
        half = np.full(3, float(half.min())) if kind == CAPSULE else half
        group.add(kind, centre, half, materials[rng.integers(3)], axes=tilt, length=length)
        sizes.append(float(half.max()))
    return group.place(vec(0, -group.lowest(), 0), np.eye(3))


def tuft(rng: np.random.Generator, dress: Dress = dress) -> Group:
    """Thin rods and leaves in all directions: branches, grass, antennas, cables; hardly anything but contour."""
    group = Group()
    stem, leaf = dress(), dress("leaves", "clouds")
    spread, high = rng.uniform(0.1, 0.6), rng.uniform(0.3, 1.2)
    for _ in range(int(rng.integers(8, 22))):
        foot = vec(rng.normal(0, 0.04), 0.02, rng.normal(0, 0.04))
        tip = foot + vec(rng.normal(0, spread), high * rng.uniform(0.3, 1), rng.normal(0, spread))
        group.limb(foot, tip, rng.uniform(0.006, 0.025), stem, casts=False)
        if rng.random() < 0.6:
            axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            group.add(ELLIPSOID, tip, rng.uniform(0.02, 0.14, 3), leaf, axes=axes, casts=False)
    group.casts[0] = True
    return group


FIGURES: tuple[tuple[Callable[[np.random.Generator], Group], float, int], ...] = (
    (person, 0.46, 160), (animal, 0.15, 80), (vehicle, 0.14, 60), (thing, 0.2, 140), (tuft, 0.05, 40),
)  # fmt: skip
"""Kinds of foreground, how often they are drawn, and how many are designed."""

__all__ = ["FIGURES", "Dress", "animal", "dress", "person", "thing", "tuft", "vehicle"]
