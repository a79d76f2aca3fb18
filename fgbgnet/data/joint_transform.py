"""One joint transform: what happens to the four layers of a sample, together and apart."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from fgbgnet.data.albumentations_stage import AlbumentationsStage, check_stage, is_albumentations
from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.geometry import Resize, smallest_source
from fgbgnet.data.layers import Layers
from fgbgnet.data.seeding import sample_seed
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.types import Sample

if TYPE_CHECKING:
    import albumentations

LayersTransform: TypeAlias = Callable[[Layers, np.random.Generator], Layers]
"""(decoded layers, the stream to draw from) -> layers."""

PicturePerturbation: TypeAlias = Callable[[Tensor, int], Tensor]
"""(picture (3, H, W) in [0, 1], seed) -> picture."""

PairPerturbing: TypeAlias = Callable[[Sample, int], Sample]
"""(sample, seed) -> sample."""


class BytesPerturbation(Protocol):
    """A `PicturePerturbation` that also takes decoded pictures, which saves time."""

    def of_bytes(self, picture: ByteArray, seed: int) -> ByteArray:
        """(picture uint8 (H, W, 3), seed) -> picture; the one given is not changed."""
        ...


class LayersPerturbation(Protocol):
    """A `PairPerturbing` that also takes decoded layers, which saves time."""

    def of_layers(self, layers: Layers, seed: int) -> Layers:
        """(layers, seed) -> layers; those given are not changed."""
        ...


class JointTransform:
    """Applies the three stages to a sample; a function of the sample and a seed.

    Args:
        geometry: What moves pixels, applied in order to all layers: transforms of albumentations (``DualTransform``),
            or any ``(layers, generator) -> layers`` such as `fgbgnet.data.geometry.RandomView`. Whatever moves them,
            a mask stays binary and depth never crosses its contour, see `fgbgnet.data.labels.Labels`.
        photometric: What changes colours of ``bg`` and ``fg_bg`` by one draw, in order: transforms of albumentations
            (``ImageOnlyTransform``), or any ``(layers, generator) -> layers`` such as
            `fgbgnet.data.colour.SharedColorJitter`. Those that measure each picture (the contrast of ``ColorJitter``,
            ``CLAHE``, ``Equalize``) treat the two differently.
        perturb_bg: Applied to ``bg`` alone; any ``(picture, seed) -> picture``, such as `fgbgnet.synth.RandomPerturb`.
        perturb_fg_bg: Applied to ``fg_bg`` alone. It must not move pixels: mask and depth stay where they are.
        perturb_pair: Applied to the sample before these two; any ``(sample, seed) -> sample``, such as
            `fgbgnet.synth.RandomPairPerturb.sample`. Where pictures, mask and depth change, they change together.

    Raises:
        InvalidArgumentError: If a transform stands in the wrong stage, or is none.

    >>> import torch
    >>> sample = {
    ...     "bg": torch.rand(3, 8, 8), "fg_bg": torch.rand(3, 8, 8), "mask": torch.ones(1, 8, 8),
    ...     "depth": torch.rand(1, 8, 8), "depth_valid": torch.ones(1, 8, 8, dtype=torch.bool), "id": "a",
    ... }
    >>> darker = JointTransform(perturb_bg=lambda picture, seed: picture * 0.5)
    >>> torch.equal(darker(sample)["bg"], sample["bg"] * 0.5)
    True
    """

    def __init__(
        self,
        geometry: Sequence["albumentations.DualTransform | LayersTransform"] = (),
        photometric: Sequence["albumentations.ImageOnlyTransform | LayersTransform"] = (),
        perturb_bg: PicturePerturbation | None = None,
        perturb_fg_bg: PicturePerturbation | None = None,
        perturb_pair: PairPerturbing | None = None,
    ) -> None:
        self.geometry = tuple(geometry)
        self.photometric = tuple(photometric)
        self.perturb_bg = perturb_bg
        self.perturb_fg_bg = perturb_fg_bg
        self.perturb_pair = perturb_pair
        self._stages = _stages(self.geometry, self.photometric)
        pictures = [perturb for perturb in (perturb_bg, perturb_fg_bg) if perturb is not None]
        self._on_bytes = all(hasattr(perturb, "of_bytes") for perturb in pictures) and (
            perturb_pair is None or hasattr(perturb_pair, "of_layers")
        )
        self._tensors_only = not self._stages and not (self._on_bytes and (pictures or perturb_pair is not None))

    def __call__(self, sample: Sample, seed: int | None = None) -> Sample:
        """Transforms a sample of tensors.

        Where there is a geometry, a shared photometric stage, or a perturbation of this library, pictures pass through
        8 bits, as in files. The sample is not changed; layers that no stage touches are shared with it.

        Args:
            sample: See `fgbgnet.Sample`.
            seed: The result is a function of the sample and this; drawn from torch's global generator by default.
        """
        if seed is None:
            seed = int(torch.randint(2**62, ()))
        if self._tensors_only:
            return self._perturb(sample.copy(), seed)
        return self.apply_layers(Layers.from_sample(sample), sample["id"], seed)

    def apply_layers(self, layers: Layers, id: str, seed: int) -> Sample:
        """Transforms decoded layers of one size: the fast path of `PairedFgBgDataset`."""
        if self._on_bytes:
            return self.on_layers(layers, seed).to_sample(id)
        return self._perturb(self._staged(layers, seed).to_sample(id), seed)

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """(height, width) that all samples get, if that is all that happens to them; None otherwise."""
        only = self.geometry[0] if len(self.geometry) == 1 and not self.photometric else None
        perturbed = self.perturb_pair or self.perturb_bg or self.perturb_fg_bg
        return (only.height, only.width) if isinstance(only, Resize) and perturbed is None else None

    @property
    def keeps_layers(self) -> bool:
        """Whether no perturbation needs tensors, so that `on_layers` can be used."""
        return self._on_bytes

    def on_layers(self, layers: Layers, seed: int) -> Layers:
        """Transforms decoded layers of one size to such; only where `keeps_layers` is true."""
        return self._perturb_layers(self._staged(layers, seed), seed)

    def _staged(self, layers: Layers, seed: int) -> Layers:
        if self._stages:
            rng = np.random.Generator(np.random.Philox(key=seed % 2**64))
            for stage in self._stages:
                layers = stage(layers, rng)
                _check_result(layers, stage)
        return layers

    def min_decoded_size(self, height: int, width: int) -> tuple[int, int] | None:
        """How small a picture may be decoded without losing anything that the result would show.

        Args:
            height: Of the stored picture, pixels.
            width: Of the stored picture, pixels.

        Returns:
            The least (height, width), which may be larger than what is stored; None where it is not known, because
            the first transform of the geometry is neither a resize nor a resized crop.

        >>> from fgbgnet.data import eval_transform, train_transform
        >>> eval_transform(64).min_decoded_size(224, 224), train_transform(64).min_decoded_size(224, 224)
        ((64, 64), (102, 102))
        """
        first: Any = self.geometry[0] if self.geometry else None
        if hasattr(first, "min_decoded_size"):
            least: tuple[int, int] = first.min_decoded_size(height, width)
            return least
        kind = type(first).__name__ if is_albumentations(first) and first.p == 1 else None
        if kind == "Resize":
            return first.height, first.width
        if kind == "RandomResizedCrop":
            return smallest_source((height, width), first.size, first.scale[0], first.ratio)
        return None

    # Other seeds than the geometry's, and others for each of the three: independent draws.

    def _perturb(self, sample: Sample, seed: int) -> Sample:
        if self.perturb_pair is not None:
            sample = self.perturb_pair(sample, sample_seed(seed, 0, "pair"))
        if self.perturb_bg is not None:
            sample["bg"] = self.perturb_bg(sample["bg"], sample_seed(seed, 0, "bg"))
        if self.perturb_fg_bg is not None:
            sample["fg_bg"] = self.perturb_fg_bg(sample["fg_bg"], sample_seed(seed, 0, "fg_bg"))
        return sample

    def _perturb_layers(self, layers: Layers, seed: int) -> Layers:
        pair: Any = self.perturb_pair
        bg: Any = self.perturb_bg
        fg_bg: Any = self.perturb_fg_bg
        if pair is not None:
            layers = pair.of_layers(layers, sample_seed(seed, 0, "pair"))
        if bg is not None:
            layers = layers.with_pictures(bg.of_bytes(layers.bg, sample_seed(seed, 0, "bg")), layers.fg_bg)
        if fg_bg is not None:
            layers = layers.with_pictures(layers.bg, fg_bg.of_bytes(layers.fg_bg, sample_seed(seed, 0, "fg_bg")))
        return layers

    def __repr__(self) -> str:
        lines = [f"  {name}: {getattr(self, name)!r}," for name in ("geometry", "photometric")]
        lines += [f"  {name}: {getattr(self, name)!r}," for name in ("perturb_pair", "perturb_bg", "perturb_fg_bg")]
        return "\n".join(["JointTransform(", *lines, ")"])


def _stages(geometry: Iterable[Any], photometric: Iterable[Any]) -> list[LayersTransform]:
    transforms: list[Any] = []
    for name, given in {"geometry": geometry, "photometric": photometric}.items():
        for transform in given:
            if is_albumentations(transform):
                check_stage(name, [transform])
            elif not callable(transform):
                raise InvalidArgumentError(
                    f"{name} holds {transform!r}; expected transforms of albumentations, or callables "
                    "(layers, generator) -> layers"
                )
            transforms.append(transform)
    stages: list[LayersTransform] = []
    for foreign, group in groupby(transforms, is_albumentations):
        members = list(group)
        stages += [AlbumentationsStage(members)] if foreign else members
    return stages


def _check_result(layers: object, stage: LayersTransform) -> None:
    name = getattr(stage, "__name__", type(stage).__name__)
    if not isinstance(layers, Layers):
        raise InvalidArgumentError(
            f"{name} gave a {type(layers).__name__}; expected a transform of layers to give fgbgnet.data.Layers back"
        )
    labels = (layers.mask, layers.depth, layers.depth_valid, layers.fg_bg[..., 0], layers.bg[..., 0])
    if any(layer.shape != layers.size for layer in labels):
        raise InvalidArgumentError(
            f"{name} gave layers of the shapes {[layer.shape for layer in labels]}; expected one size for all"
        )


__all__ = [
    "BytesPerturbation",
    "JointTransform",
    "LayersPerturbation",
    "LayersTransform",
    "PairPerturbing",
    "PicturePerturbation",
]
