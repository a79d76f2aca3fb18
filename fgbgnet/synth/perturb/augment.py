"""Training augmentation: a random imperfect background."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth.arguments import integer
from fgbgnet.synth.perturb.registry import MAX_SEVERITY, PERTURBATIONS, checked
from fgbgnet.synth.streams import stream

# How often each is drawn relative to the others. Misalignment and light matter most in real pairs; the mixture is
# not drawn, because a draw of several perturbations is one already.
_WEIGHTS = {
    "shift": 2.0, "rotate_zoom": 1.0, "defocus": 0.8, "soft_shadow": 1.2, "hard_shadow": 0.8, "gain": 1.5,
    "offset": 0.8, "gamma": 0.8, "white_balance": 0.8, "noise": 1.2, "jpeg": 1.5,
}  # fmt: skip


class RandomPerturb:
    """Perturbs one picture: how many, which and how strongly is drawn from a seed.

    With probability ``1 - p`` the picture stays as it is. Otherwise one to ``max_operations`` different perturbations
    are drawn (fewer are likelier), each with a continuous severity, and applied in physical order: geometry, lens,
    light, sensor, codec. Pictures keep their range: RGB in [0, 1].

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
        weights = [_WEIGHTS.get(name, 1.0) for name in self.names]
        self._probabilities = [weight / sum(weights) for weight in weights]

    def draw(self, seed: int) -> list[tuple[str, float]]:
        """What the seed stands for: pairs (name, severity) in the order of application."""
        rng = stream(seed, "RandomPerturb")
        if rng.random() >= self.p:
            return []
        most = min(self.max_operations, len(self.names))
        count = 1 + int(most * rng.random() ** 1.3)
        picked = rng.choice(len(self.names), size=min(count, most), replace=False, p=self._probabilities)
        severities = self.max_severity * rng.random(len(picked)) ** 1.5
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
        batch = checked(picture, "(3, H, W)").unsqueeze(0)
        if picture.dtype not in (torch.float32, torch.float64):
            batch = batch.float()  # rounded once, not after every step
        for name, severity in self.draw(integer("seed", seed)):
            batch = PERTURBATIONS[name].apply(batch, [severity], [seed])
        result = batch[0].to(picture.dtype)
        return result.clone() if result.data_ptr() == picture.data_ptr() else result

    def __repr__(self) -> str:
        return f"RandomPerturb(p={self.p}, max_operations={self.max_operations}, max_severity={self.max_severity})"


__all__ = ["RandomPerturb"]
