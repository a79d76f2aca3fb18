"""What is flat against walls and floors: pictures, windows, doors, rugs, road markings, kerbs.

All are 1 m wide and 1 m high (or deep) and are stretched to size where they are placed.
"""

import numpy as np

from fgbgnet.synth.scenes.furniture import Maker
from fgbgnet.synth.scenes.materials import Finish, emitting, finish, plain
from fgbgnet.synth.scenes.parts import Group


def _framed(inner: Finish) -> Group:
    group = Group()
    group.box((0, 0.5, 0), (0.5, 0.5, 0.02), plain())
    group.box((0, 0.5, 0), (0.44, 0.44, 0.03), inner)
    return group


def picture(rng: np.random.Generator) -> Group:
    """A picture in a frame."""
    return _framed(finish("leaves", "leaves", "clouds", "cloth", texels=float(rng.choice([100.0, 200.0, 300.0]))))


def window(rng: np.random.Generator) -> Group:
    """A window that light comes through, with bars."""
    group = _framed(emitting(float(rng.uniform(0.2, 1.6)), texels=float(rng.choice([30.0, 90.0]))))
    bar = plain()
    for k in range(int(rng.integers(0, 3))):
        half = (0.5, 0.015, 0.035) if k else (0.015, 0.5, 0.035)
        group.box((0, 0.5, 0), half, bar)
    return group


def door(rng: np.random.Generator) -> Group:
    """A door with panels."""
    group = Group()
    leaf, panel = plain(), plain()
    group.box((0, 0.5, 0), (0.5, 0.5, 0.03), leaf)
    rows = int(rng.integers(1, 4))
    for k in range(rows):
        group.box((0, (k + 0.5) / rows, 0), (0.36, 0.38 / rows, 0.04), panel)
    return group


def rug(rng: np.random.Generator) -> Group:
    """A rug, mat or patch of another surface; lies in x and z."""
    group = Group()
    group.box(
        (0, 0.006, 0), (0.5, 0.006, 0.5), finish("leaves", "cloth", "lattice", texels=float(rng.choice([60, 120])))
    )
    return group


def marking(rng: np.random.Generator) -> Group:
    """A white or yellow stripe on a road."""
    group = Group()
    base = (0.95, 0.8, 0.3) if rng.random() < 0.25 else (0.93, 0.93, 0.92)
    group.box(
        (0, 0.004, 0), (0.5, 0.004, 0.5), finish("clouds", contrast=0.25, base=base, spread=(0.6, 1.0), gloss=0.0)
    )
    return group


def kerb(rng: np.random.Generator) -> Group:
    """A pavement, 1 m wide and long."""
    group = Group()
    group.box((0, 0.06, 0), (0.5, 0.06, 0.5), finish("lattice", "clouds", texels=70, contrast=0.6, gloss=0.0))
    return group


FITTINGS: dict[str, tuple[tuple[Maker, float, int], ...]] = {
    "walls": ((picture, 0.5, 24), (window, 0.35, 24), (door, 0.15, 10)),
    "floor": ((rug, 1.0, 12),),
    "road": ((marking, 1.0, 8),),
    "pavement": ((kerb, 1.0, 8),),
}
"""Where they are, kind, how often each is drawn, how many are designed."""

__all__ = ["FITTINGS"]
