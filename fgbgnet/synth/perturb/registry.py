"""Named perturbations with severities 1 to 5, and the function that applies them."""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth.perturb import operations as ops
from fgbgnet.synth.streams import stream

Draw = Callable[[np.random.Generator, float], list[float]]
Operation = Callable[[Tensor, Tensor], Tensor]
SeededOperation = Callable[[Tensor, Tensor, Sequence[int]], Tensor]

MAX_SEVERITY = 5


@dataclass(frozen=True)
class Step:
    """One operation of a perturbation, and the rule that draws its parameters from a stream and a severity."""

    operation: Operation
    draw: Draw

    def __call__(self, pictures: Tensor, severities: Sequence[float], streams: Sequence[np.random.Generator]) -> Tensor:
        """Applies it with what the streams give next; (B, 3, H, W), one severity and stream each."""
        return self.operation(pictures, self._parameters(pictures, severities, streams))

    def _parameters(
        self, pictures: Tensor, severities: Sequence[float], streams: Sequence[np.random.Generator]
    ) -> Tensor:
        rows = [self.draw(rng, severity) for rng, severity in zip(streams, severities, strict=True)]
        return torch.tensor(rows, dtype=pictures.dtype, device=pictures.device)


@dataclass(frozen=True)
class NoiseStep(Step):
    """A step whose operation also takes one seed per picture."""

    operation: SeededOperation  # type: ignore[assignment]

    def __call__(self, pictures: Tensor, severities: Sequence[float], streams: Sequence[np.random.Generator]) -> Tensor:
        """As `Step`; the seeds are drawn after the parameters and stay integers."""
        parameters = self._parameters(pictures, severities, streams)
        return self.operation(pictures, parameters, [int(rng.integers(2**63)) for rng in streams])


@dataclass(frozen=True)
class Perturbation:
    """One way in which a real background differs from the frame.

    A perturbation is one or more steps. The random stream that they share does not depend on the severity: with the
    same seed a higher severity is more of the same (the same direction of movement, the same place of the shadow).

    Args:
        name: Key in `PERTURBATIONS`.
        meaning: What happens physically, and the values at severities 1 to 5.
        steps: What is done, in order.
        geometric: Whether pixels move. Such a perturbation belongs on the background alone, because on the frame it
            would move the picture away from its mask and depth.
    """

    name: str
    meaning: str
    steps: tuple[Step, ...]
    geometric: bool = False

    def apply(self, pictures: Tensor, severities: Iterable[float], seeds: Iterable[int]) -> Tensor:
        """Applies it to a batch that was checked before.

        Args:
            pictures: (B, 3, H, W), RGB in [0, 1]. Half precision is computed in float32.
            severities: B numbers from 0 to 5.
            seeds: B integers.
        """
        streams = [stream(seed, self.name) for seed in seeds]
        severities = list(severities)
        exact = pictures if pictures.dtype in (torch.float32, torch.float64) else pictures.float()
        for step in self.steps:
            exact = step(exact, severities, streams)
        return exact.to(pictures.dtype)


def level(severity: float, *values: float, start: float = 0.0) -> float:
    """The value of a severity: given at 1 to 5, ``start`` at 0, linear between.

    >>> level(2, 1, 2, 4, 8, 16), level(2.5, 1, 2, 4, 8, 16)
    (2.0, 3.0)
    """
    return float(np.interp(severity, range(MAX_SEVERITY + 1), (start, *values)))


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _draw_shift(rng: np.random.Generator, severity: float) -> list[float]:
    angle = rng.uniform(0, 2 * math.pi)
    length = level(severity, 0.0025, 0.005, 0.01, 0.02, 0.03)
    return [length * math.cos(angle), length * math.sin(angle), 0.0, 0.0]


def _draw_rotate_zoom(rng: np.random.Generator, severity: float) -> list[float]:
    degrees = _sign(rng) * level(severity, 0.2, 0.4, 0.8, 1.4, 2.0)
    return [0.0, 0.0, degrees, _sign(rng) * level(severity, 0.004, 0.008, 0.015, 0.025, 0.04)]


def _draw_gain(rng: np.random.Generator, severity: float) -> list[float]:
    gain = math.exp(_sign(rng) * level(severity, 0.05, 0.1, 0.2, 0.32, 0.45))
    return [gain] * 3 + [0.0] * 3


def _draw_offset(rng: np.random.Generator, severity: float) -> list[float]:
    return [1.0] * 3 + [_sign(rng) * level(severity, 0.02, 0.04, 0.07, 0.11, 0.16)] * 3


def _draw_gamma(rng: np.random.Generator, severity: float) -> list[float]:
    return [_sign(rng) * level(severity, 0.08, 0.16, 0.26, 0.38, 0.53)]


def _draw_white_balance(rng: np.random.Generator, severity: float) -> list[float]:
    # Red against blue is the colour temperature, green the tint; the mean of the three logarithms stays 0.
    strength = level(severity, 0.03, 0.06, 0.1, 0.16, 0.22)
    warmth, tint = _sign(rng) * strength, rng.uniform(-0.4, 0.4) * strength
    return [math.exp(warmth - tint / 2), math.exp(tint), math.exp(-warmth - tint / 2), 0.0, 0.0, 0.0]


def _draw_noise(rng: np.random.Generator, severity: float) -> list[float]:
    read = level(severity, 0.006, 0.012, 0.02, 0.032, 0.05)
    return [read, 1.5 * read]


def _draw_defocus(rng: np.random.Generator, severity: float) -> list[float]:
    return [level(severity, 0.0025, 0.004, 0.006, 0.0085, 0.012)]


def _draw_jpeg(rng: np.random.Generator, severity: float) -> list[float]:
    return [level(severity, 85, 70, 50, 32, 18, start=97), float(rng.choice([0, 2, 2]))]


def _draw_shadow(rng: np.random.Generator, severity: float, penumbra: float) -> list[float]:
    darkness = level(severity, 0.12, 0.2, 0.32, 0.45, 0.6)
    angle = rng.uniform(0, math.pi)
    row = [*rng.uniform(0.15, 0.85, 2), *np.exp(rng.uniform(math.log(0.12), math.log(0.6), 2))]
    row += [math.cos(angle), math.sin(angle), penumbra * rng.uniform(0.7, 1.4)]
    row += [1 - darkness * factor for factor in (1.02, 1.0, 0.95)]  # the sky lights a shadow: it is bluish
    return [float(value) for value in (*row, *rng.uniform(-0.35, 0.35, ops.SHADOW_GRID**2))]


def _draw_soft_shadow(rng: np.random.Generator, severity: float) -> list[float]:
    return _draw_shadow(rng, severity, 0.7)


def _draw_hard_shadow(rng: np.random.Generator, severity: float) -> list[float]:
    return _draw_shadow(rng, severity, 0.06)


def _milder(draw: Draw, factor: float) -> Draw:
    return lambda rng, severity: draw(rng, factor * severity)


_MIXED = (
    Step(ops.affine, _milder(_draw_shift, 0.8)),
    Step(ops.shadow, _milder(_draw_soft_shadow, 0.8)),
    Step(ops.linear, _milder(_draw_gain, 0.7)),
    Step(ops.linear, _milder(_draw_white_balance, 0.6)),
    NoiseStep(ops.noise, _milder(_draw_noise, 0.5)),
    Step(ops.jpeg, _milder(_draw_jpeg, 0.7)),
)

PERTURBATIONS: dict[str, Perturbation] = {
    item.name: item
    for item in (
        Perturbation(
            "shift",
            "The camera was nudged: 0.25, 0.5, 1, 2, 3 % of the shorter side in a random direction.",
            (Step(ops.affine, _draw_shift),),
            geometric=True,
        ),
        Perturbation(
            "rotate_zoom",
            "The camera turned and zoomed: 0.2 to 2 degrees and 0.4 to 4 %, about the centre.",
            (Step(ops.affine, _draw_rotate_zoom),),
            geometric=True,
        ),
        Perturbation(
            "defocus", "Out of focus: blur of 0.25 to 1.2 % of the shorter side.", (Step(ops.blur, _draw_defocus),)
        ),
        Perturbation(
            "soft_shadow",
            "A shadow with a wide penumbra, 12 to 60 % darker.",
            (Step(ops.shadow, _draw_soft_shadow),),
        ),
        Perturbation(
            "hard_shadow",
            "A shadow with a sharp contour, 12 to 60 % darker.",
            (Step(ops.shadow, _draw_hard_shadow),),
        ),
        Perturbation(
            "gain", "Exposure: every value times 1.05 to 1.57 or divided by it.", (Step(ops.linear, _draw_gain),)
        ),
        Perturbation(
            "offset", "Stray light or black level: 2 to 16 % of full scale.", (Step(ops.linear, _draw_offset),)
        ),
        Perturbation("gamma", "Tone curve: exponent 1.08 to 1.7 or its inverse.", (Step(ops.gamma, _draw_gamma),)),
        Perturbation(
            "white_balance",
            "Colour temperature and tint: red against blue by 3 to 22 % each.",
            (Step(ops.linear, _draw_white_balance),),
        ),
        Perturbation(
            "noise", "Sensor noise: sigma 0.6 to 5 % at black, more at white.", (NoiseStep(ops.noise, _draw_noise),)
        ),
        Perturbation("jpeg", "Compression: quality 85, 70, 50, 32, 18.", (Step(ops.jpeg, _draw_jpeg),)),
        Perturbation("mixed", "Shift, shadow, gain, white balance, noise and JPEG together.", _MIXED, geometric=True),
    )
}
"""Every perturbation by name, in the physical order: geometry, lens, light, sensor, codec."""


def checked(pictures: Tensor, shape: str) -> Tensor:
    """Pictures that are floats in [0, 1]; up to 1e-3 beside that, as resizing leaves it, is cut off.

    Raises:
        InvalidArgumentError: If they are no floats, out of range, or NaN.
    """
    found = f"{pictures.dtype} of shape {tuple(pictures.shape)}"
    if pictures.ndim != shape.count(",") + 1 or pictures.shape[-3] != 3 or not pictures.is_floating_point():
        raise InvalidArgumentError(f"pictures are {found}; expected floats {shape} in [0, 1]")
    if 0 in pictures.shape[-3:]:
        raise InvalidArgumentError(f"pictures have no pixels: {found}")
    if pictures.numel() == 0:
        return pictures
    low, high = (bound.item() for bound in pictures.aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also catches NaN
        raise InvalidArgumentError(
            f"pictures hold values from {low:g} to {high:g}; expected [0, 1]: divide by 255, or perturb before "
            "normalising"
        )
    return pictures if low >= 0 and high <= 1 else pictures.clamp(0, 1)


def _integers(seeds: Iterable[int] | Tensor) -> list[int]:
    try:
        return [operator.index(seed) for seed in (seeds.tolist() if isinstance(seeds, Tensor) else seeds)]
    except TypeError:
        raise InvalidArgumentError(
            f"seeds is {seeds!r}; expected one integer per picture ([5] for one), or a torch.Generator"
        ) from None


def perturb(pictures: Tensor, name: str, severity: float, seeds: Iterable[int] | Tensor | torch.Generator) -> Tensor:
    """Perturbs a batch; each picture depends on its own seed alone, whatever stands beside it.

    Args:
        pictures: Floats (B, 3, H, W), RGB in [0, 1]. Half precision is computed in float32 and rounded at the end.
        name: Key of `PERTURBATIONS`.
        severity: 1 (barely visible) to 5 (as bad as real captures get); values between, and 0, are allowed.
        seeds: One integer per picture, or a generator that draws them.

    Returns:
        Pictures of the same shape and type, in [0, 1].

    Raises:
        UnknownNameError: If there is no such perturbation.
        InvalidArgumentError: If the shape, the range, the severity or the seeds do not fit.

    >>> pictures = torch.rand(2, 3, 32, 32)
    >>> both = perturb(pictures, "mixed", 3, seeds=[1, 2])
    >>> torch.equal(both[1:], perturb(pictures[1:], "mixed", 3, seeds=[2]))
    True
    """
    if name not in PERTURBATIONS:
        raise UnknownNameError("perturbation", name, PERTURBATIONS, "fgbgnet.synth.PERTURBATIONS lists all.")
    pictures = checked(pictures, "(B, 3, H, W)")
    if not 0 <= severity <= MAX_SEVERITY:
        raise InvalidArgumentError(f"severity is {severity}; expected 1 to {MAX_SEVERITY}")
    count = len(pictures)
    if isinstance(seeds, torch.Generator):
        seeds = torch.randint(2**62, (count,), generator=seeds, device=seeds.device)
    numbers = _integers(seeds)
    if len(numbers) != count:
        raise InvalidArgumentError(f"{len(numbers)} seeds came for {count} pictures; expected one seed per picture")
    if count == 0:
        return pictures.clone()
    return PERTURBATIONS[name].apply(pictures, [severity] * count, numbers)


__all__ = ["MAX_SEVERITY", "PERTURBATIONS", "NoiseStep", "Perturbation", "Step", "checked", "perturb"]
