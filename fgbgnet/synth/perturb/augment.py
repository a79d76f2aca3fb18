"""Training augmentation: a random imperfect background."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from fgbgnet.data.arrays import ByteArray
from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth.arguments import integer
from fgbgnet.synth.perturb.registry import PERTURBATIONS, checked, integers
from fgbgnet.synth.perturb.steps import MAX_SEVERITY
from fgbgnet.synth.streams import borrowed_stream

# How often each is drawn relative to the others. Misalignment and light matter most in real pairs; the mixture is
# not drawn, because a draw of several perturbations is one already.
_WEIGHTS = {
    "shift": 2.0, "rotate": 0.6, "zoom": 0.6, "perspective": 0.8, "stale_light": 0.8, "soft_shadow": 0.8,
    "hard_shadow": 0.6, "cast_shadow": 1.0, "dappled_shadow": 0.4, "reflection": 0.3, "glare": 0.2, "defocus": 0.8,
    "motion_blur": 0.4, "gain": 1.5, "offset": 0.8, "gamma": 0.8, "white_balance": 0.8, "clipping": 0.4, "noise": 1.2,
    "jpeg": 1.5,
}  # fmt: skip


class RandomPerturb:
    """Perturbs one picture: how many, which and how strongly is drawn from a seed.

    With probability ``1 - p`` the picture stays as it is. Otherwise one to ``max_operations`` different perturbations
    are drawn (fewer are likelier), each with a continuous severity, and applied in physical order: geometry,
    light, lens, exposure, sensor, codec. Pictures keep their range: RGB in [0, 1].

    Args:
        p: Probability that anything happens.
        max_operations: Most perturbations on one picture.
        max_severity: Highest severity, above 0 and up to 5. Severities are drawn as ``max_severity * u ** 1.5`` with
            ``u`` uniform, so that mild ones are likelier.
        names: Which perturbations may be drawn; all but ``"mixed"`` by default. For a picture that has a mask or a
            depth map, leave out the geometric ones: ``[n for n, q in PERTURBATIONS.items() if not q.geometric]``.

    Raises:
        UnknownNameError: If a name is not in `PERTURBATIONS`.
        InvalidArgumentError: If a number is out of its range or no name is left.

    >>> import torch
    >>> picture = torch.rand(3, 48, 64)
    >>> background = RandomPerturb()(picture, seed=7)
    >>> background.shape, torch.equal(background, RandomPerturb()(picture, seed=7))
    (torch.Size([3, 48, 64]), True)
    """

    def __init__(
        self,
        p: float = 0.9,
        max_operations: int = 4,
        max_severity: float = 5.0,
        names: Sequence[str] | None = None,
    ) -> None:
        chosen = list(_WEIGHTS) if names is None else list(names)
        for name in chosen:
            if name not in PERTURBATIONS:
                raise UnknownNameError("perturbation", name, PERTURBATIONS, "fgbgnet.synth.PERTURBATIONS lists all.")
        if not 0 <= p <= 1:
            raise InvalidArgumentError(f"p is {p}; expected a probability from 0 to 1")
        if max_operations < 1:
            raise InvalidArgumentError(f"max_operations is {max_operations}; expected at least 1")
        if not 0 < max_severity <= MAX_SEVERITY:
            raise InvalidArgumentError(f"max_severity is {max_severity}; expected above 0 and up to {MAX_SEVERITY}")
        if not chosen:
            raise InvalidArgumentError("names is empty; expected at least one perturbation, or None for all")
        self.p = p
        self.max_operations = max_operations
        self.max_severity = max_severity
        # The registry's order is the physical one.
        self.names = [name for name in PERTURBATIONS if name in chosen]
        self._weights = np.array([_WEIGHTS.get(name, 1.0) for name in self.names])

    def draw(self, seed: int) -> list[tuple[str, float]]:
        """What the seed stands for: pairs (name, severity) in the order of application."""
        rng = borrowed_stream(seed, "RandomPerturb")
        if rng.random() >= self.p:
            return []
        most = min(self.max_operations, len(self.names))
        count = min(1 + int(most * rng.random() ** 1.3), most)
        # The smallest of exponential variables divided by the weights: a weighted draw without replacement.
        picked = np.argsort(rng.standard_exponential(len(self.names)) / self._weights, kind="stable")[:count]
        severities = self.max_severity * rng.random(count) ** 1.5
        return [(self.names[i], float(s)) for i, s in sorted(zip(picked.tolist(), severities, strict=True))]

    def __call__(self, picture: Tensor, seed: int) -> Tensor:
        """Perturbs a picture.

        Args:
            picture: Floats (3, H, W), RGB in [0, 1].
            seed: Any integer; the result is a function of the picture and the seed.

        Returns:
            A new picture (3, H, W); the one given is not changed.

        Raises:
            InvalidArgumentError: If it is no such picture, or the seed is no integer.
        """
        return self.apply(checked(picture, "(3, H, W)").unsqueeze(0), [integer("seed", seed)])[0]

    def batch(self, pictures: Tensor, seeds: Iterable[int] | Tensor) -> Tensor:
        """Perturbs each picture of a batch as `__call__` would, those with the same operation together.

        Args:
            pictures: Floats (B, 3, H, W), RGB in [0, 1].
            seeds: B integers.

        Returns:
            New pictures (B, 3, H, W).

        Raises:
            InvalidArgumentError: If they are no such pictures, or there is not one integer per picture.
        """
        pictures = checked(pictures, "(B, 3, H, W)")
        return self.apply(pictures, integers(seeds, len(pictures)))

    def apply(self, pictures: Tensor, seeds: Sequence[int]) -> Tensor:
        """As `batch`, for pictures and seeds that were checked before."""
        # Half precision is rounded once, not after every step.
        result = pictures.to(torch.float64 if pictures.dtype == torch.float64 else torch.float32, copy=True)
        drawn: dict[str, list[tuple[int, float]]] = {name: [] for name in self.names}
        for row, seed in enumerate(seeds):
            for name, severity in self.draw(seed):
                drawn[name].append((row, severity))
        for name, draws in drawn.items():
            if draws:
                numbers, severities = zip(*draws, strict=True)
                rows = torch.tensor(numbers, device=result.device)
                some = result.index_select(0, rows)
                result.index_copy_(0, rows, PERTURBATIONS[name].apply(some, severities, [seeds[n] for n in numbers]))
        return result.to(pictures.dtype)

    def of_bytes(self, picture: ByteArray, seed: int) -> ByteArray:
        """As `__call__`, for a picture of 8 bits, in a fraction of the time.

        The draws are the same; pixels are rounded to levels after every operation, and differ by a few of them.

        Args:
            picture: uint8 (H, W, 3), RGB. It is not changed.
            seed: Any integer.

        Returns:
            uint8 (H, W, 3); the picture itself where nothing was drawn.

        Raises:
            InvalidArgumentError: If it is no such picture.
        """
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise InvalidArgumentError(f"picture is {picture.dtype} {picture.shape}; expected uint8 (H, W, 3)")
        for name, severity in self.draw(seed) if self.p else ():
            picture = PERTURBATIONS[name].of_bytes(picture, severity, seed)
        return picture

    def __repr__(self) -> str:
        return f"RandomPerturb(p={self.p}, max_operations={self.max_operations}, max_severity={self.max_severity})"


__all__ = ["RandomPerturb"]
