"""Joint transforms: what happens to the four layers of a sample, together and apart.

Three stages, each optional:

1. *Geometry*, one draw for all layers. Pictures are interpolated, masks and depth are not: a mask stays binary, and no
   depth appears that was not measured (an average across a contour belongs to neither side).
2. *Shared photometrics*, one draw for ``bg`` and ``fg_bg``: another camera, another time of day.
3. *Per-picture photometrics*, on ``bg`` or ``fg_bg`` alone: how a real background differs from the frame.

Colours of masks and depth are never touched.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from fgbgnet.data.layers import Layers, check_sample
from fgbgnet.data.seeding import sample_seed, seeded
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.types import Sample, SampleTransform

if TYPE_CHECKING:
    import albumentations

PicturePerturbation: TypeAlias = Callable[[Tensor, int], Tensor]
"""(picture (3, H, W) in [0, 1], seed) -> picture."""


class JointTransform:
    """Applies the three stages to a sample; a function of the sample and a seed.

    Args:
        geometry: Albumentations transforms that move pixels (``DualTransform``), applied in order to all layers.
        photometric: Albumentations transforms that change colours (``ImageOnlyTransform``), applied in order, with
            the same draw, to ``bg`` and ``fg_bg``.
        perturb_bg: Applied to ``bg`` alone; any ``(picture, seed) -> picture``, such as `fgbgnet.synth.RandomPerturb`.
        perturb_fg_bg: Applied to ``fg_bg`` alone. It must not move pixels: mask and depth stay where they are.

    Raises:
        InvalidArgumentError: If a transform stands in the wrong stage, or would interpolate masks.

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
        geometry: Sequence["albumentations.DualTransform"] = (),
        photometric: Sequence["albumentations.ImageOnlyTransform"] = (),
        perturb_bg: PicturePerturbation | None = None,
        perturb_fg_bg: PicturePerturbation | None = None,
    ) -> None:
        self.geometry = tuple(geometry)
        self.photometric = tuple(photometric)
        self.perturb_bg = perturb_bg
        self.perturb_fg_bg = perturb_fg_bg
        self._compose: Any = _compose(self.geometry, self.photometric) if geometry or photometric else None

    def __call__(self, sample: Sample, seed: int | None = None) -> Sample:
        """Transforms a sample of tensors.

        Where there is a geometry or a shared photometric stage, pictures pass through 8 bits, as in files. The
        sample is not changed; layers that no stage touches are shared with it.

        Args:
            sample: See `fgbgnet.Sample`.
            seed: The result is a function of the sample and this; drawn from torch's global generator by default.
        """
        if seed is None:
            seed = int(torch.randint(2**62, ()))
        if self._compose is None:
            return self._perturb(sample.copy(), seed)
        return self.apply_layers(Layers.from_sample(sample), sample["id"], seed)

    def apply_layers(self, layers: Layers, id: str, seed: int) -> Sample:
        """Transforms decoded layers: the fast path of `PairedFgBgDataset`."""
        if self._compose is not None:
            # One stream for all. Compose.set_random_seed would give every transform a generator of the same seed,
            # so that, for one, exactly the flipped pictures were rotated; and left alone, every worker of a
            # loader replays one stream.
            self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
            out = self._compose(
                image=layers.bg,
                fg_bg=layers.fg_bg,
                mask=layers.mask,
                depth=layers.depth,
                depth_valid=layers.depth_valid.view(np.uint8),
            )
            layers = Layers(out["image"], out["fg_bg"], out["mask"], out["depth"], out["depth_valid"].view(np.bool_))
        return self._perturb(layers.to_sample(id), seed)

    def _perturb(self, sample: Sample, seed: int) -> Sample:
        # Other seeds than the geometry's, and others for the two pictures: independent draws.
        if self.perturb_bg is not None:
            sample["bg"] = self.perturb_bg(sample["bg"], sample_seed(seed, 0, "bg"))
        if self.perturb_fg_bg is not None:
            sample["fg_bg"] = self.perturb_fg_bg(sample["fg_bg"], sample_seed(seed, 0, "fg_bg"))
        return sample

    def __repr__(self) -> str:
        lines = [f"  {name}: {getattr(self, name)!r}," for name in ("geometry", "photometric")]
        lines += [f"  {name}: {getattr(self, name)!r}," for name in ("perturb_bg", "perturb_fg_bg")]
        return "\n".join(["JointTransform(", *lines, ")"])


def train_transform(
    size: int | tuple[int, int],
    *,
    scale: tuple[float, float] = (0.5, 1.0),
    ratio: tuple[float, float] = (0.8, 1.25),
    flip: float = 0.5,
    rotate: float = 8.0,
    jitter: float = 0.2,
    perturb_bg: float = 0.7,
    perturb_fg_bg: float = 0.2,
    max_severity: float = 4.0,
) -> JointTransform:
    """Augmentation for training: crops, flips, rotations, colours, and imperfect backgrounds.

    Args:
        size: Size of the output: an integer, or (height, width).
        scale: Range of the share of the picture's area that a crop keeps.
        ratio: Range of the change of the aspect ratio.
        flip: Probability of a horizontal flip.
        rotate: Largest rotation in degrees, in half of the samples; what it uncovers is filled by reflection, in all
            layers alike.
        jitter: Strength of the brightness, contrast and saturation changes that both pictures share, and a tenth
            of it for the hue; 0 turns them off.
        perturb_bg: Probability that the background is perturbed on its own: moved, re-exposed, shadowed, compressed.
        perturb_fg_bg: Probability that the frame is, by everything that does not move pixels.
        max_severity: Highest severity of these perturbations, up to 5.

    Raises:
        InvalidArgumentError: If a value is out of its range.

    >>> train_transform(64).perturb_fg_bg.p
    0.2
    """
    height, width = _size(size)
    for name, value in {"flip": flip, "perturb_bg": perturb_bg, "perturb_fg_bg": perturb_fg_bg}.items():
        _check_range(name, value, 0, 1)
    _check_range("rotate", rotate, 0, 180)
    _check_range("jitter", jitter, 0, 1)
    if not 0 < scale[0] <= scale[1] <= 1:
        raise InvalidArgumentError(f"scale is {scale}; expected (low, high) with 0 < low <= high <= 1")
    if not 0 < ratio[0] <= ratio[1]:
        raise InvalidArgumentError(f"ratio is {ratio}; expected (low, high) with 0 < low <= high")
    import cv2

    from fgbgnet.synth.perturb import PERTURBATIONS, RandomPerturb  # here: synth imports this module in turn

    album = _albumentations()
    # INTER_NEAREST_EXACT, because INTER_NEAREST is half a pixel off the pictures.
    crop = album.RandomResizedCrop(
        (height, width), scale, ratio, mask_interpolation=cv2.INTER_NEAREST_EXACT, area_for_downscale="image"
    )
    geometry = [crop]
    if flip:
        geometry.append(album.HorizontalFlip(p=flip))
    if rotate:
        geometry.append(album.Affine(rotate=(-rotate, rotate), border_mode=cv2.BORDER_REFLECT_101, p=0.5))
    span = (1 - jitter, 1 + jitter)
    colour = album.ColorJitter(span, span, span, (-jitter / 10, jitter / 10), p=0.8)
    still = [name for name, perturbation in PERTURBATIONS.items() if not perturbation.geometric]
    return JointTransform(
        geometry,
        [colour] if jitter else [],
        RandomPerturb(perturb_bg, max_severity=max_severity) if perturb_bg else None,
        RandomPerturb(perturb_fg_bg, max_severity=max_severity, names=still) if perturb_fg_bg else None,
    )


def eval_transform(size: int | tuple[int, int] | None = None) -> JointTransform:
    """Resizes every layer to one size, without randomness.

    Args:
        size: An integer, or (height, width); None keeps the size of each sample.

    >>> eval_transform(64).geometry[0].height
    64
    """
    if size is None:
        return JointTransform()
    import cv2

    height, width = _size(size)
    resize = _albumentations().Resize(
        height, width, mask_interpolation=cv2.INTER_NEAREST_EXACT, area_for_downscale="image"
    )
    return JointTransform([resize])


def apply_transform(transform: SampleTransform, sample: Sample, seed: int) -> Sample:
    """Applies any transform to a sample of tensors, reproducibly.

    A `JointTransform` gets the seed. Any other callable runs with the global generators of Python, NumPy and torch
    seeded, and restored afterwards. A torchvision v2 transform given as it is gets the layers as ``Image`` and
    ``Mask``, because of plain tensors it would move the first and leave the others where they are.

    Raises:
        InvalidArgumentError: If what comes back is no sample any more.
    """
    if isinstance(transform, JointTransform):
        return transform(sample, seed=seed)
    with seeded(seed):
        v2 = _is_torchvision_v2(transform)
        result = _apply_torchvision(transform, sample) if v2 else transform(sample)
    check_sample(result, f"the transform {getattr(transform, '__name__', type(transform).__name__)}")
    return result


def _is_torchvision_v2(transform: object) -> bool:
    return any(kind.__module__.startswith("torchvision.transforms.v2") for kind in type(transform).__mro__)


def _apply_torchvision(transform: Callable[[Any], Any], sample: Sample) -> Sample:
    from torchvision import tv_tensors

    wrapped = {
        "bg": tv_tensors.Image(sample["bg"]),
        "fg_bg": tv_tensors.Image(sample["fg_bg"]),
        "mask": tv_tensors.Mask(sample["mask"]),
        "depth": tv_tensors.Mask(sample["depth"]),
        "depth_valid": tv_tensors.Mask(sample["depth_valid"].to(torch.uint8)),
    }
    out = {name: layer.as_subclass(Tensor) for name, layer in transform(wrapped).items()}
    return Sample(
        bg=out["bg"],
        fg_bg=out["fg_bg"],
        mask=out["mask"],
        depth=out["depth"],
        depth_valid=out["depth_valid"].bool(),
        id=sample["id"],
    )


def _compose(geometry: Sequence[Any], photometric: Sequence[Any]) -> Any:  # noqa: ANN401 - albumentations is untyped
    album = _albumentations()
    _check_stage("geometry", geometry, album.DualTransform, "moves pixels (a DualTransform)", album)
    _check_stage("photometric", photometric, album.ImageOnlyTransform, "leaves them (an ImageOnlyTransform)", album)
    # Layers agree in size when they come here, so that albumentations need not check it again.
    return album.Compose(
        [*geometry, *photometric],
        additional_targets={"fg_bg": "image", "depth": "mask", "depth_valid": "mask"},
        is_check_shapes=False,
    )


def _check_stage(stage: str, transforms: Iterable[Any], kind: Any, meaning: str, album: Any) -> None:  # noqa: ANN401
    for transform in transforms:
        if isinstance(transform, album.BaseCompose):
            _check_stage(stage, transform.transforms, kind, meaning, album)
        elif not isinstance(transform, kind | album.NoOp):
            raise InvalidArgumentError(
                f"{stage} holds {type(transform).__name__}; expected an albumentations transform that {meaning}"
            )
        elif getattr(transform, "mask_interpolation", 0) not in (0, 6):  # cv2.INTER_NEAREST, INTER_NEAREST_EXACT
            raise InvalidArgumentError(
                f"{stage} holds {type(transform).__name__} with mask_interpolation={transform.mask_interpolation}; "
                "expected cv2.INTER_NEAREST or INTER_NEAREST_EXACT: masks are binary, and averages of depth are untrue"
            )


def _albumentations() -> Any:  # noqa: ANN401 - untyped, and imported late: it takes seconds
    from fgbgnet.data.albumentations_guard import import_albumentations

    return import_albumentations()


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise InvalidArgumentError(f"size is {size!r}; expected a positive integer, or (height, width)")
    return sides[0], sides[1]


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidArgumentError(f"{name} is {value}; expected a value from {low} to {high}")


__all__ = ["JointTransform", "PicturePerturbation", "apply_transform", "eval_transform", "train_transform"]
