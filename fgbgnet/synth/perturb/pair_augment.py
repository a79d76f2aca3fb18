"""Training augmentation of whole pairs: imperfect backgrounds, things that came and went, empty pairs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fgbgnet.data.layers import Layers as DecodedLayers
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.arguments import integer
from fgbgnet.synth.perturb.augment import RandomPerturb
from fgbgnet.synth.perturb.eightbit.pairs import PAIR_OPERATIONS
from fgbgnet.synth.perturb.pair import exact
from fgbgnet.synth.perturb.pairs import PAIR_PERTURBATIONS, Layers, checked_layers, next_in_batch
from fgbgnet.synth.perturb.registry import PERTURBATIONS, integers
from fgbgnet.synth.perturb.steps import MAX_SEVERITY
from fgbgnet.synth.streams import borrowed_stream
from fgbgnet.types import Sample

_OBJECTS = ("added_object", "added_object", "moved_object", "removed_object")
"""Which changes of the scene are drawn; something that was added is twice as likely as the others."""


class RandomPairPerturb:
    """Perturbs a batch of pairs: what, and how strongly, is drawn from one seed per sample.

    Each sample goes through three stages. The pair: perhaps the foreground takes the colours of the background; perhaps
    an object was added to the background, moved or removed there; perhaps the background is the wrong one, or the frame
    itself, so that the mask is empty. Then the background as a picture, then the frame as a picture, both by
    `RandomPerturb`. What is done to the frame moves no pixels. Samples with the same operation are computed together,
    with results that do not depend on what else is in the batch.

    Args:
        p_bg: Probability that the background is perturbed as a picture.
        p_fg_bg: Probability that the frame is.
        p_object: Probability that an object was added, moved or removed in the background.
        p_same_colour: Probability that the foreground is recoloured.
        p_wrong_background: Probability that the background of another sample shines through, or stands there alone.
        p_empty: Probability of an empty pair.
        max_operations: Most perturbations on one picture in the second and third stage.
        max_severity: Highest severity, above 0 and up to 5. A pair with the wrong background gets one from half of
            it upwards.
        exclusive: One draw for the four changes of the pair, so that at most one happens; their probabilities, which
            are at most 1 together, are its shares. Otherwise each is drawn on its own.

    Raises:
        InvalidArgumentError: If a number is out of its range.

    >>> batch = {"bg": torch.rand(2, 3, 32, 32), "fg_bg": torch.rand(2, 3, 32, 32), "mask": torch.ones(2, 1, 32, 32)}
    >>> worse = RandomPairPerturb(p_empty=1)(batch, seeds=[1, 2])
    >>> worse["bg"].shape, worse["mask"].sum().item()
    (torch.Size([2, 3, 32, 32]), 0.0)
    """

    def __init__(
        self,
        p_bg: float = 0.9,
        p_fg_bg: float = 0.3,
        p_object: float = 0.15,
        p_same_colour: float = 0.1,
        p_wrong_background: float = 0.03,
        p_empty: float = 0.04,
        max_operations: int = 4,
        max_severity: float = 5.0,
        exclusive: bool = False,
    ) -> None:
        self.chances = {
            "same_colour": p_same_colour,
            "object": p_object,
            "wrong_background": p_wrong_background,
            "empty": p_empty,
        }
        for name, value in self.chances.items():
            if not 0 <= value <= 1:
                raise InvalidArgumentError(f"p_{name} is {value}; expected a probability from 0 to 1")
        if exclusive and sum(self.chances.values()) > 1 + 1e-9:
            raise InvalidArgumentError(
                f"the probabilities of exclusive changes are {self.chances}; expected a sum of 1 at most"
            )
        if not 0 < max_severity <= MAX_SEVERITY:
            raise InvalidArgumentError(f"max_severity is {max_severity}; expected above 0 and up to {MAX_SEVERITY}")
        self.max_severity = max_severity
        self.exclusive = exclusive
        still = [name for name, perturbation in PERTURBATIONS.items() if not perturbation.geometric]
        self.bg = RandomPerturb(p_bg, max_operations, max_severity)
        self.fg_bg = RandomPerturb(p_fg_bg, max_operations, max_severity, still)

    def draw(self, seed: int) -> tuple[list[tuple[str, float]], int, int]:
        """What the seed stands for: pairs (name, severity) of the first stage, and the seeds of the other two."""
        rng = borrowed_stream(seed, "RandomPairPerturb")
        seed_bg, seed_fg_bg = rng.integers(2**62, size=2).tolist()
        chances, strengths, which = rng.random(4), self.max_severity * rng.random(4) ** 1.5, rng.integers(len(_OBJECTS))
        if self.exclusive:
            # One point on a line on which the four lie one after the other; negative is before the start of one.
            chances = chances[0] - np.cumsum([0.0, *self.chances.values()])[:-1]
        drawn = []
        for chance, strength, (name, p) in zip(chances, strengths, self.chances.items(), strict=True):
            if 0 <= chance < p:
                if name == "wrong_background":
                    strength = (self.max_severity + strength) / 2
                drawn.append((_OBJECTS[which] if name == "object" else name, float(strength)))
        return drawn, seed_bg, seed_fg_bg

    def __call__(
        self, batch: dict[str, Tensor], seeds: Iterable[int] | Tensor, partners: Layers | None = None
    ) -> dict[str, Tensor]:
        """Perturbs a batch.

        Args:
            batch: ``bg``, ``fg_bg`` (B, 3, H, W) floats, RGB in [0, 1]; ``mask`` (B, 1, H, W), 0 or 1; perhaps
                ``alpha`` (B, 1, H, W); anything else, such as ``depth``, is passed on.
            seeds: One integer per sample.
            partners: Samples from which objects and wrong backgrounds are taken, one for each sample: ``bg``, ``fg_bg``
                and ``mask`` of the same shapes. By default the next sample of the batch, which may show the
                same background.

        Returns:
            A new dictionary; no tensor of the one given is changed. Only ``bg``, ``fg_bg``, ``mask``
            and ``alpha`` are new.

        Raises:
            InvalidArgumentError: If a layer is missing or does not fit, or there is not one integer per sample.
        """
        layers = checked_layers(batch)
        numbers = integers(seeds, len(layers["mask"]))
        if not numbers:
            return dict(batch)
        others = next_in_batch(layers) if partners is None else checked_layers(partners, layers["bg"].shape)
        drawn, seeds_bg, seeds_fg_bg = zip(*map(self.draw, numbers), strict=True)
        if "alpha" in batch:
            layers["alpha"] = batch["alpha"]
        changed = self._change(exact(layers), exact(others), drawn, numbers)
        changed["bg"] = self.bg.apply(changed["bg"], seeds_bg)
        changed["fg_bg"] = self.fg_bg.apply(changed["fg_bg"], seeds_fg_bg)
        # Half precision is computed in float32 and rounded once.
        return {**batch, **{key: layer.to(batch[key].dtype) for key, layer in changed.items()}}

    def sample(self, sample: Sample, seed: int) -> Sample:
        """Perturbs one sample without a batch; objects and wrong backgrounds come from itself, mirrored.

        Args:
            sample: See `fgbgnet.Sample`.
            seed: The result is a function of the sample and this.

        Returns:
            A new sample; no tensor of the one given is changed.

        Raises:
            InvalidArgumentError: If a layer is missing or does not fit, or the seed is no integer.
        """
        layers = {
            key: layer.unsqueeze(0)
            for key, layer in sample.items()
            if key in ("bg", "fg_bg", "mask", "alpha") and isinstance(layer, Tensor)
        }
        changed = {key: layer[0] for key, layer in self(layers, [integer("seed", seed)]).items()}
        result: Sample = {**sample, **changed}  # type: ignore[typeddict-item]
        return result

    def of_layers(self, layers: DecodedLayers, seed: int) -> DecodedLayers:
        """As `sample`, for decoded layers, in a fraction of the time.

        The draws are the same; pixels are rounded to levels after every operation, and differ by a few of them.

        Args:
            layers: Of one size. They are not changed.
            seed: Any integer.
        """
        drawn, seed_bg, seed_fg_bg = self.draw(seed)
        chosen = dict(drawn)
        for name in PAIR_PERTURBATIONS:
            if name in chosen:
                row = PAIR_PERTURBATIONS[name].draw(borrowed_stream(seed, name), chosen[name])
                layers = PAIR_OPERATIONS[name](layers, row)
        bg, fg_bg = self.bg.of_bytes(layers.bg, seed_bg), self.fg_bg.of_bytes(layers.fg_bg, seed_fg_bg)
        return layers.with_pictures(bg, fg_bg)

    def _change(
        self, layers: dict[str, Tensor], partners: Layers, drawn: Sequence[list[tuple[str, float]]], seeds: list[int]
    ) -> dict[str, Tensor]:
        """The first stage."""
        layers = {key: layer.clone() for key, layer in layers.items()}  # the caller's stay as they are
        for name, perturbation in PAIR_PERTURBATIONS.items():
            found = [(row, severity) for row, draws in enumerate(drawn) for other, severity in draws if other == name]
            if found:
                numbers, severities = zip(*found, strict=True)
                rows = torch.tensor(numbers, device=layers["bg"].device)
                some, others = (
                    {key: layer.index_select(0, rows) for key, layer in given.items()} for given in (layers, partners)
                )
                changed = perturbation.apply(some, others, severities, [seeds[n] for n in numbers])
                for key, layer in changed.items():
                    layers[key].index_copy_(0, rows, layer)
        return layers

    def __repr__(self) -> str:
        chances = ", ".join(f"p_{name}={p}" for name, p in self.chances.items())
        return (
            f"RandomPairPerturb(p_bg={self.bg.p}, p_fg_bg={self.fg_bg.p}, {chances}, "
            f"max_operations={self.bg.max_operations}, max_severity={self.max_severity}, "
            f"exclusive={self.exclusive})"
        )


@dataclass(frozen=True)
class SamplePerturb:
    """A `RandomPairPerturb` for one sample at a time: ``(sample, seed) -> sample``, as a `JointTransform` takes it.

    Args:
        augment: What is drawn.

    >>> SamplePerturb(RandomPairPerturb(p_empty=0.5)).augment.chances["empty"]
    0.5
    """

    augment: RandomPairPerturb

    def __call__(self, sample: Sample, seed: int) -> Sample:
        """See `RandomPairPerturb.sample`."""
        return self.augment.sample(sample, seed)

    def of_layers(self, layers: DecodedLayers, seed: int) -> DecodedLayers:
        """See `RandomPairPerturb.of_layers`."""
        return self.augment.of_layers(layers, seed)


__all__ = ["RandomPairPerturb", "SamplePerturb"]
