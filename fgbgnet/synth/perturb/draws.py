"""From a random stream and a severity to the parameters of an operation: what severities 1 to 5 mean in numbers.

How many numbers a rule takes from the stream does not depend on the severity.
"""

import math

import numpy as np

from fgbgnet.synth.perturb.light import LEAVES, OCCLUDERS, OUTLINE, RELIGHT_GRID
from fgbgnet.synth.perturb.shapes import CONTOUR_GRID
from fgbgnet.synth.perturb.steps import Draw, level

_NO_SIZE = 1e-3
"""What severity 0 leaves of an object: less than a pixel, but more than nothing, by which lengths are divided."""


def sign(rng: np.random.Generator) -> float:
    """1 or -1."""
    return 1.0 if rng.random() < 0.5 else -1.0


def shift(rng: np.random.Generator, severity: float) -> list[float]:
    """`geometry.affine`, a direction and 0.25 to 3 %."""
    angle = rng.uniform(0, 2 * math.pi)
    length = level(severity, 0.0025, 0.005, 0.01, 0.02, 0.03)
    return [length * math.cos(angle), length * math.sin(angle), 0.0, 0.0]


def rotate(rng: np.random.Generator, severity: float) -> list[float]:
    """`geometry.affine`."""
    return [0.0, 0.0, sign(rng) * level(severity, 0.2, 0.4, 0.8, 1.4, 2.0), 0.0]


def zoom(rng: np.random.Generator, severity: float) -> list[float]:
    """`geometry.affine`."""
    return [0.0, 0.0, 0.0, sign(rng) * level(severity, 0.004, 0.008, 0.015, 0.025, 0.04)]


def perspective(rng: np.random.Generator, severity: float) -> list[float]:
    """`geometry.perspective`: every corner in its own direction."""
    length = level(severity, 0.003, 0.006, 0.012, 0.022, 0.035)
    angles = rng.uniform(0, 2 * math.pi, 4)
    return [length * part for angle in angles for part in (math.cos(angle), math.sin(angle))]


def gain(rng: np.random.Generator, severity: float) -> list[float]:
    """`tones.linear`, one factor."""
    gain = math.exp(sign(rng) * level(severity, 0.05, 0.1, 0.2, 0.32, 0.45))
    return [gain] * 3 + [0.0] * 3


def offset(rng: np.random.Generator, severity: float) -> list[float]:
    """`tones.linear`, one summand."""
    return [1.0] * 3 + [sign(rng) * level(severity, 0.02, 0.04, 0.07, 0.11, 0.16)] * 3


def gamma(rng: np.random.Generator, severity: float) -> list[float]:
    """`tones.gamma`."""
    return [sign(rng) * level(severity, 0.08, 0.16, 0.26, 0.38, 0.53)]


def white_balance(rng: np.random.Generator, severity: float) -> list[float]:
    """`tones.linear`, three factors."""
    # Red against blue is the colour temperature, green the tint; the mean of the three logarithms stays 0.
    strength = level(severity, 0.03, 0.06, 0.1, 0.16, 0.22)
    warmth, tint = sign(rng) * strength, rng.uniform(-0.4, 0.4) * strength
    return [math.exp(warmth - tint / 2), math.exp(tint), math.exp(-warmth - tint / 2), 0.0, 0.0, 0.0]


def noise(rng: np.random.Generator, severity: float) -> list[float]:
    """`sensor.noise`."""
    read = level(severity, 0.006, 0.012, 0.02, 0.032, 0.05)
    return [read, 1.5 * read]


def clipping(rng: np.random.Generator, severity: float) -> list[float]:
    """`tones.clip`, at one of the two ends."""
    if rng.random() < 0.5:
        return [level(severity, 0.04, 0.07, 0.11, 0.16, 0.22), 1.0]
    return [0.0, level(severity, 0.95, 0.9, 0.83, 0.74, 0.64, start=1.0)]


def motion_blur(rng: np.random.Generator, severity: float) -> list[float]:
    """`optics.motion_blur`."""
    angle = rng.uniform(0, math.pi)
    return [level(severity, 0.005, 0.01, 0.016, 0.025, 0.035), math.cos(angle), math.sin(angle)]


def defocus(rng: np.random.Generator, severity: float) -> list[float]:
    """`optics.blur`."""
    return [level(severity, 0.0025, 0.004, 0.006, 0.0085, 0.012)]


def jpeg(rng: np.random.Generator, severity: float) -> list[float]:
    """`sensor.jpeg`; consumer files are mostly 4:2:0."""
    return [level(severity, 85, 70, 50, 32, 18, start=97), float(rng.choice([0, 2, 2]))]


def blob(rng: np.random.Generator, radii: tuple[float, float], edge: float) -> list[float]:
    """An irregular ellipse (`shapes.blob`): radii log-uniform between the two, the edge 0.7 to 1.4 times as wide."""
    angle = rng.uniform(0, math.pi)
    row = [*rng.uniform(0.15, 0.85, 2), *np.exp(rng.uniform(math.log(radii[0]), math.log(radii[1]), 2))]
    row += [math.cos(angle), math.sin(angle), edge * rng.uniform(0.7, 1.4)]
    return [float(value) for value in (*row, *rng.uniform(-0.35, 0.35, CONTOUR_GRID**2))]


def umbra(severity: float, tint: float = 0.05) -> list[float]:
    """What a shadow leaves of R, G, B; the tint is how much less blue than green it takes."""
    darkness = level(severity, 0.12, 0.2, 0.32, 0.45, 0.6)
    return [
        1 - darkness * factor for factor in (1 + 0.4 * tint, 1.0, 1 - tint)
    ]  # the sky lights a shadow: it is bluish


def shadow(rng: np.random.Generator, severity: float, penumbra: float) -> list[float]:
    """`light.shadow`."""
    return umbra(severity) + blob(rng, (0.12, 0.6), penumbra)


def soft_shadow(rng: np.random.Generator, severity: float) -> list[float]:
    """`light.shadow` with a penumbra as wide as the radius or so."""
    return shadow(rng, severity, 0.7)


def hard_shadow(rng: np.random.Generator, severity: float) -> list[float]:
    """`light.shadow` with a narrow penumbra."""
    return shadow(rng, severity, 0.06)


def cast_shadow(rng: np.random.Generator, severity: float) -> list[float]:
    """`light.cast_shadow`: one to three things, from poles to walls, often with their feet outside the picture."""
    angle = rng.uniform(0, 2 * math.pi)
    tint = rng.uniform(0, 0.15)
    row = [*umbra(severity, tint), math.cos(angle), math.sin(angle), rng.uniform(0.008, 0.03), rng.uniform(0.02, 0.12)]
    count = int(rng.integers(1, OCCLUDERS + 1))
    for k in range(OCCLUDERS):
        width = math.exp(rng.uniform(math.log(0.03), math.log(0.45))) * (k < count)
        length = rng.uniform(0.4, 1.4)
        # A place that is in the shadow, not its foot, lies in the picture.
        inside, part = rng.uniform(0.1, 0.9, 2), rng.uniform(0.1, 0.9)
        row += [*inside, part * length, length]
        row += list(width * (0.6 + 0.4 * rng.random()) * rng.uniform(0.5, 1.5, OUTLINE))
    return [float(value) for value in row]


def dappled_shadow(rng: np.random.Generator, severity: float) -> list[float]:
    """`light.dappled_shadow`."""
    row = [*umbra(severity, rng.uniform(0, 0.15)), rng.uniform(-0.1, 0.5), rng.uniform(0.4, 1.0)]
    leaves = rng.uniform(-1, 1, (LEAVES // 2) ** 2), rng.uniform(-1, 1, LEAVES**2)
    return [*map(float, row), *blob(rng, (0.3, 0.8), 0.4), *leaves[0].tolist(), *leaves[1].tolist()]


def stale_light(rng: np.random.Generator, severity: float) -> list[float]:
    """`light.relight`: a slope and bumps, and a colour temperature."""
    strength = level(severity, 0.1, 0.2, 0.33, 0.5, 0.7)
    angle, warmth = rng.uniform(0, 2 * math.pi), rng.uniform(-0.3, 0.3) * strength
    y, x = np.meshgrid(*[np.linspace(-1, 1, RELIGHT_GRID)] * 2, indexing="ij")
    bumps = x * math.cos(angle) + y * math.sin(angle) + rng.uniform(-0.6, 0.6, (RELIGHT_GRID, RELIGHT_GRID))
    return [warmth, 0.0, -warmth, *(strength / np.abs(bumps).max() * bumps).ravel().tolist()]


def reflection(rng: np.random.Generator, severity: float) -> list[float]:
    """`light.reflection`."""
    sigma = rng.uniform(0.01, 0.04)
    return [level(severity, 0.06, 0.12, 0.2, 0.32, 0.45), float(sigma), *blob(rng, (0.3, 1.0), 0.3)]


def glare(rng: np.random.Generator, severity: float) -> list[float]:
    """`light.glare`, white to warm."""
    strength, warmth = level(severity, 0.08, 0.16, 0.27, 0.42, 0.6), rng.uniform(0, 0.4)
    angle = rng.uniform(0, math.pi)
    row = [strength, strength * (1 - warmth / 2), strength * (1 - warmth), *rng.uniform(0, 1, 2)]
    row += [math.cos(angle), math.sin(angle), rng.uniform(0.3, 1.0), rng.uniform(0.03, 0.12)]
    return [float(value) for value in row]


def cut_out(rng: np.random.Generator, severity: float) -> list[float]:
    """`objects.cut_out`."""
    size = level(severity, 0.1, 0.17, 0.25, 0.36, 0.5, start=_NO_SIZE) * rng.uniform(0.7, 1.3)
    row = [*rng.uniform(0.05, 0.95, 2), size, rng.uniform(-10, 10), sign(rng)]
    return [float(value) for value in row] + blob(rng, (0.1, 0.3), 0.1)


def removed(rng: np.random.Generator, severity: float) -> list[float]:
    """A piece, and how far away its substitute is taken: about twice its largest radius."""
    size = level(severity, 0.04, 0.07, 0.1, 0.14, 0.19, start=_NO_SIZE)
    row = blob(rng, (0.5, 1.0), 0.15)
    row[2:4] = [radius * size for radius in row[2:4]]
    angle, distance = rng.uniform(0, 2 * math.pi), rng.uniform(2.0, 3.0) * size
    move = distance * math.cos(angle), distance * math.sin(angle)
    # From the side of the middle: from beyond the border the piece itself might come back, mirrored.
    return [*row, *(math.copysign(length, place - 0.5) for length, place in zip(move, row[:2], strict=True))]


def moved(rng: np.random.Generator, severity: float) -> list[float]:
    """`objects.move`."""
    row, angle = removed(rng, severity), rng.uniform(0, 2 * math.pi)
    distance = level(severity, 0.02, 0.04, 0.07, 0.11, 0.16)
    return [*row, distance * math.cos(angle), distance * math.sin(angle)]


def same_colour(rng: np.random.Generator, severity: float) -> list[float]:
    """`objects.recolour`."""
    return [level(severity, 0.25, 0.45, 0.65, 0.8, 0.95)]


def wrong_background(rng: np.random.Generator, severity: float) -> list[float]:
    """How much of the other background shows."""
    return [level(severity, 0.15, 0.3, 0.5, 0.75, 1.0)]


def empty(rng: np.random.Generator, severity: float) -> list[float]:
    """Nothing to draw."""
    return []


def milder(draw: Draw, factor: float) -> Draw:
    """The same rule at a part of the severity."""
    return lambda rng, severity: draw(rng, factor * severity)
