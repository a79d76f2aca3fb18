"""Joint transforms: what happens to the four layers of a sample, together and apart.

Three stages, each optional:

1. *Geometry*, one draw for all layers. All are interpolated, masks and depth in ways of their own: a mask is
   binary again after it, and depth is averaged on one side of the contour alone (an average across it belongs to
   neither).
2. *Shared photometrics*, one draw for ``bg`` and ``fg_bg``: another camera, another time of day.
3. *Perturbations*, first of the pair, then of ``bg`` or ``fg_bg`` alone: how a real background differs from the frame.

Masks and depth have no colours: nothing photometric touches them.
"""

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fgbgnet.data.albumentations_stage import is_albumentations
from fgbgnet.data.colour import SharedColorJitter
from fgbgnet.data.geometry import RandomView, Resize
from fgbgnet.data.joint_transform import JointTransform, PairPerturbing, PicturePerturbation
from fgbgnet.data.layers import Layers, check_sample
from fgbgnet.data.seeding import seeded
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.types import Sample, SampleTransform


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
    perturb_pair: float = 0.3,
    max_severity: float = 4.0,
) -> JointTransform:
    """Augmentation for training: crops, flips, rotations, colours, and imperfect backgrounds.

    Args:
        size: Size of the output: an integer, or (height, width).
        scale: Range of the share of the picture's area that a crop keeps.
        ratio: Range of the change of the aspect ratio.
        flip: Probability of a horizontal flip.
        rotate: Largest rotation in degrees, in half of the samples. It shows what lies beside the crop, and beyond the
            border of the picture its mirror image, in all layers alike.
        jitter: Strength of the brightness, contrast and saturation changes that both pictures share, and a tenth
            of it for the hue; 0 turns them off. Pixels that are equal in both pictures stay equal.
        perturb_bg: Probability that the background is perturbed on its own: moved, re-exposed, shadowed, compressed.
        perturb_fg_bg: Probability that the frame is, by everything that does not move pixels.
        perturb_pair: Probability that a sample shows a pair that no camera of the data has seen, by one of four
            changes: in half of these samples something was added to the background, moved or removed; in 30 % the
            foreground takes the colours of the background; 12 % are empty, with the frame as its own background; 8 %
            have a wrong background (the sample's own, mirrored).
        max_severity: Highest severity of these perturbations, up to 5.

    Raises:
        InvalidArgumentError: If a value is out of its range.

    >>> train_transform(64).perturb_fg_bg.p
    0.2
    """
    height, width = _size(size)
    for name, value in {
        "flip": flip,
        "perturb_bg": perturb_bg,
        "perturb_fg_bg": perturb_fg_bg,
        "perturb_pair": perturb_pair,
    }.items():
        _check_range(name, value, 0, 1)
    _check_range("rotate", rotate, 0, 180)
    _check_range("jitter", jitter, 0, 1)
    if not 0 < scale[0] <= scale[1] <= 1:
        raise InvalidArgumentError(f"scale is {scale}; expected (low, high) with 0 < low <= high <= 1")
    if not 0 < ratio[0] <= ratio[1]:
        raise InvalidArgumentError(f"ratio is {ratio}; expected (low, high) with 0 < low <= high")
    from fgbgnet.synth.perturb import PERTURBATIONS, RandomPerturb  # here: synth imports this module in turn

    span = (1 - jitter, 1 + jitter)
    colour = SharedColorJitter(span, span, span, (-jitter / 10, jitter / 10))
    still = [name for name, perturbation in PERTURBATIONS.items() if not perturbation.geometric]
    return JointTransform(
        [RandomView((height, width), scale, ratio, flip, rotate)],
        [colour] if jitter else [],
        RandomPerturb(perturb_bg, max_severity=max_severity) if perturb_bg else None,
        RandomPerturb(perturb_fg_bg, max_severity=max_severity, names=still) if perturb_fg_bg else None,
        _pair_perturbation(perturb_pair, max_severity) if perturb_pair else None,
    )


def _pair_perturbation(share: float, max_severity: float) -> PairPerturbing:
    from fgbgnet.synth.perturb import RandomPairPerturb, SamplePerturb  # here: synth imports this module in turn

    augment = RandomPairPerturb(
        p_bg=0,
        p_fg_bg=0,
        p_object=0.5 * share,
        p_same_colour=0.3 * share,
        p_wrong_background=0.08 * share,
        p_empty=0.12 * share,
        max_severity=max_severity,
        exclusive=True,
    )
    return SamplePerturb(augment)


def eval_transform(size: int | tuple[int, int] | None = None) -> JointTransform:
    """Resizes every layer to one size, without randomness.

    Args:
        size: An integer, or (height, width); None keeps the size of each sample.

    >>> eval_transform(64).geometry[0].height
    64
    """
    if size is None:
        return JointTransform()
    return JointTransform([Resize(*_size(size))])


def apply_transform(transform: SampleTransform, sample: Sample, seed: int) -> Sample:
    """Applies any transform to a sample of tensors, reproducibly.

    A `JointTransform` gets the seed. Any other callable runs with the global generators of Python, NumPy and torch
    seeded, and restored afterwards. It gets the layers as ``torchvision.tv_tensors``, pictures as ``Image`` and the
    others as ``Mask``, so that torchvision v2 transforms of the whole sample, however deep inside the callable, move
    all layers together; to anything else these are plain tensors. A callable that treats one entry alone
    (``flip(sample["bg"])``) moves that entry alone.

    Raises:
        InvalidArgumentError: If what comes back is no sample any more, or the transform is one of albumentations,
            which must be wrapped in a `JointTransform`.
    """
    if isinstance(transform, JointTransform):
        return transform(sample, seed=seed)
    check_transform(transform)
    with seeded(seed):
        result: Sample = _unwrap(transform(_wrap(sample)))
    check_sample(result, f"the transform {getattr(transform, '__name__', type(transform).__name__)}")
    return result


def transform_layers(
    transform: JointTransform | SampleTransform | None, layers: Layers, id: str, seed: int
) -> tuple[Layers, str] | Sample:
    """Applies a transform to decoded layers: the step that all data sets share.

    Returns:
        Layers and id where no tensors had to be made, so that a batch can be written in place; else the sample.
    """
    if transform is None:
        return layers, id
    if not isinstance(transform, JointTransform):
        return apply_transform(transform, layers.to_sample(id), seed)
    if transform.fixed_size == layers.size:
        return layers, id  # they were decoded at that size, and nothing is drawn
    return (
        (transform.on_layers(layers, seed), id) if transform.keeps_layers else transform.apply_layers(layers, id, seed)
    )


def check_transform(transform: object) -> None:
    """Checks that something can be the transform of a data set.

    Raises:
        InvalidArgumentError: If it is neither None nor a callable, or is an albumentations object, which takes no
            samples.
    """
    if transform is not None and not callable(transform):
        raise InvalidArgumentError(f"transform is {transform!r}; expected a callable Sample -> Sample, or None")
    if is_albumentations(transform):
        raise InvalidArgumentError(
            f"transform is {type(transform).__name__} of albumentations, which takes no samples; wrap it in "
            "JointTransform(geometry=[...]), or JointTransform(photometric=[...]) if it changes colours"
        )


def _wrap(sample: Sample) -> Sample:
    from torchvision import tv_tensors

    wrapped = sample.copy()
    wrapped["bg"], wrapped["fg_bg"] = tv_tensors.Image(sample["bg"]), tv_tensors.Image(sample["fg_bg"])
    wrapped["mask"], wrapped["depth"] = tv_tensors.Mask(sample["mask"]), tv_tensors.Mask(sample["depth"])
    wrapped["depth_valid"] = tv_tensors.Mask(sample["depth_valid"])
    if "mask_valid" in sample:
        wrapped["mask_valid"] = tv_tensors.Mask(sample["mask_valid"])
    return wrapped


def _unwrap(result: Any) -> Any:  # noqa: ANN401 - whatever a callable gave back
    if not isinstance(result, dict):
        return result
    plain = {key: value.as_subclass(Tensor) if isinstance(value, Tensor) else value for key, value in result.items()}
    for name in ("depth_valid", "mask_valid"):
        valid = plain.get(name)
        # A cast of all masks to one type changes these, too; 0 and 1 are the same in every type.
        if isinstance(valid, Tensor) and valid.dtype != torch.bool and bool(((valid == 0) | (valid == 1)).all()):
            plain[name] = valid.bool()
    return plain


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    try:
        sides = tuple(map(operator.index, size if isinstance(size, Sequence) else (size, size)))
    except TypeError:
        sides = ()
    if len(sides) != 2 or min(sides) < 1:
        raise InvalidArgumentError(f"size is {size!r}; expected a positive integer, or (height, width)")
    return sides[0], sides[1]


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidArgumentError(f"{name} is {value}; expected a value from {low} to {high}")


__all__ = [
    "JointTransform",
    "PairPerturbing",
    "PicturePerturbation",
    "apply_transform",
    "check_transform",
    "eval_transform",
    "train_transform",
    "transform_layers",
]
