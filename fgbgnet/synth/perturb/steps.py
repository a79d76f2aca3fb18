"""What a perturbation is made of."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fgbgnet.data.arrays import ByteArray
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.perturb.eightbit.geometry import warp as warp_bytes
from fgbgnet.synth.perturb.eightbit.operations import OPERATIONS
from fgbgnet.synth.perturb.geometry import Matrices, warp
from fgbgnet.synth.streams import borrowed_stream, stream

Draw = Callable[[np.random.Generator, float], list[float]]
Operation = Callable[[Tensor, Tensor], Tensor]

MAX_SEVERITY = 5


def level(severity: float, *values: float, start: float = 0.0) -> float:
    """The value of a severity: given at 1 to 5, ``start`` at 0, linear between.

    >>> level(2, 1, 2, 4, 8, 16), level(2.5, 1, 2, 4, 8, 16)
    (2.0, 3.0)
    """
    low = min(int(severity), MAX_SEVERITY - 1)
    steps = (start, *values)
    return float(steps[low] + (severity - low) * (steps[low + 1] - steps[low]))


def draw_rows(draw: Draw, like: Tensor, severities: Sequence[float], streams: Sequence[np.random.Generator]) -> Tensor:
    """Parameters (B, P), one row per stream, of the type and on the device of ``like``."""
    rows = [draw(rng, severity) for rng, severity in zip(streams, severities, strict=True)]
    return torch.tensor(rows, dtype=like.dtype, device=like.device)


@dataclass(frozen=True)
class Step:
    """One operation of a perturbation, and the rule that draws its parameters from a stream and a severity."""

    operation: Operation
    draw: Draw

    def __call__(self, pictures: Tensor, severities: Sequence[float], streams: Sequence[np.random.Generator]) -> Tensor:
        """Applies it with what the streams give next; (B, 3, H, W), one severity and stream each."""
        return self.operation(pictures, draw_rows(self.draw, pictures, severities, streams))

    def of_bytes(self, picture: ByteArray, severity: float, rng: np.random.Generator) -> ByteArray:
        """The same of one picture of 8 bits, (H, W, 3)."""
        return OPERATIONS[self.operation](picture, self.draw(rng, severity))


@dataclass(frozen=True)
class NoiseStep(Step):
    """A step whose operation also takes one seed per picture."""

    operation: Callable[[Tensor, Tensor, Sequence[int]], Tensor]  # type: ignore[assignment]

    def __call__(self, pictures: Tensor, severities: Sequence[float], streams: Sequence[np.random.Generator]) -> Tensor:
        """As `Step`; the seeds are drawn after the parameters and stay integers."""
        parameters = draw_rows(self.draw, pictures, severities, streams)
        return self.operation(pictures, parameters, [int(rng.integers(2**63)) for rng in streams])

    def of_bytes(self, picture: ByteArray, severity: float, rng: np.random.Generator) -> ByteArray:
        """As `Step`."""
        row = self.draw(rng, severity)
        return OPERATIONS[self.operation](picture, row, int(rng.integers(2**63)))


@dataclass(frozen=True)
class WarpStep(Step):
    """A step that moves pixels: its operation makes a matrix per picture, see `geometry`."""

    operation: Callable[[Tensor, int, int], Matrices]  # type: ignore[assignment]

    def __call__(self, pictures: Tensor, severities: Sequence[float], streams: Sequence[np.random.Generator]) -> Tensor:
        """As `Step`."""
        return warp(pictures, self.matrices(pictures, severities, streams))

    def of_bytes(self, picture: ByteArray, severity: float, rng: np.random.Generator) -> ByteArray:
        """As `Step`."""
        row = torch.tensor([self.draw(rng, severity)], dtype=torch.float32)
        return warp_bytes(picture, self.operation(row, *picture.shape[:2])[0])

    def matrices(
        self, pictures: Tensor, severities: Sequence[float], streams: Sequence[np.random.Generator]
    ) -> Matrices:
        """How it moves each picture, (B, 3, 3)."""
        return self.operation(draw_rows(self.draw, pictures, severities, streams), *pictures.shape[-2:])


@dataclass(frozen=True)
class Perturbation:
    """One way in which a real background differs from the frame.

    A perturbation is one or more steps. The random stream that they share does not depend on the severity: with the
    same seed a higher severity is more of the same (the same direction of movement, the same place of the shadow).

    Args:
        name: Key in `PERTURBATIONS`.
        meaning: What happens physically, and the values at severities 1 to 5.
        steps: What is done, in order; one that moves pixels comes first.
        independent: Whether two pictures of one pair get independent draws: what belongs to one exposure (noise, shake,
            codec), rather than to the scene and the camera.
    """

    name: str
    meaning: str
    steps: tuple[Step, ...]
    independent: bool = False

    @property
    def geometric(self) -> bool:
        """Whether pixels move. On the frame, mask and depth must move with them: see `perturb_pair`."""
        return isinstance(self.steps[0], WarpStep)

    def moves(self, pictures: Tensor, severities: Sequence[float], seeds: Iterable[int]) -> Matrices:
        """How `apply` moves the pixels, (B, 3, 3), see `geometry`; for a geometric one."""
        step = self.steps[0]
        if not isinstance(step, WarpStep):
            raise InvalidArgumentError(f"{self.name} moves no pixels; expected a geometric perturbation")
        return step.matrices(pictures, severities, [stream(seed, self.name) for seed in seeds])

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

    def of_bytes(self, picture: ByteArray, severity: float, seed: int) -> ByteArray:
        """What `apply` does, to one picture of 8 bits, in a fraction of the time.

        Every step is rounded to levels: results differ from those of `apply` by about a level per step.

        Args:
            picture: uint8 (H, W, 3), RGB. It is not changed.
            severity: From 0 to 5.
            seed: Any integer.
        """
        rng = borrowed_stream(seed, self.name)
        for step in self.steps:
            picture = step.of_bytes(picture, severity, rng)
        return picture


__all__ = [
    "MAX_SEVERITY",
    "Draw",
    "NoiseStep",
    "Perturbation",
    "Step",
    "WarpStep",
    "draw_rows",
    "level",
]
