"""One joint transform: what happens to the four layers of a sample, together and apart."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from fgbgnet.data.albumentations_guard import import_albumentations
from fgbgnet.data.layers import Layers
from fgbgnet.data.seeding import sample_seed
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.types import Sample

if TYPE_CHECKING:
    import albumentations

PicturePerturbation: TypeAlias = Callable[[Tensor, int], Tensor]
"""(picture (3, H, W) in [0, 1], seed) -> picture."""

PairPerturbing: TypeAlias = Callable[[Sample, int], Sample]
"""(sample, seed) -> sample."""


class JointTransform:
    """Applies the three stages to a sample; a function of the sample and a seed.

    Args:
        geometry: Albumentations transforms that move pixels (``DualTransform``), applied in order to all layers.
        photometric: Albumentations transforms that change colours (``ImageOnlyTransform``), applied in order, with
            the same draw, to ``bg`` and ``fg_bg``. Those that measure each picture (the contrast of ``ColorJitter``,
            ``CLAHE``, ``Equalize``) still treat the two differently; see `fgbgnet.data.colour.SharedColorJitter`.
        perturb_bg: Applied to ``bg`` alone; any ``(picture, seed) -> picture``, such as `fgbgnet.synth.RandomPerturb`.
        perturb_fg_bg: Applied to ``fg_bg`` alone. It must not move pixels: mask and depth stay where they are.
        perturb_pair: Applied to the sample before these two; any ``(sample, seed) -> sample``, such as
            `fgbgnet.synth.RandomPairPerturb.sample`. Where pictures, mask and depth change, they change together.

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
        perturb_pair: PairPerturbing | None = None,
    ) -> None:
        self.geometry = tuple(geometry)
        self.photometric = tuple(photometric)
        self.perturb_bg = perturb_bg
        self.perturb_fg_bg = perturb_fg_bg
        self.perturb_pair = perturb_pair
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
            known = {} if layers.mask_valid is None else {"mask_valid": layers.mask_valid.view(np.uint8)}
            out = self._compose(
                image=layers.bg,
                fg_bg=layers.fg_bg,
                mask=layers.mask,
                depth=layers.depth,
                depth_valid=layers.depth_valid.view(np.uint8),
                **known,
            )
            layers = Layers(
                out["image"],
                out["fg_bg"],
                out["mask"],
                out["depth"],
                out["depth_valid"].view(np.bool_),
                out["mask_valid"].view(np.bool_) if known else None,
            )
        return self._perturb(layers.to_sample(id), seed)

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
        album = import_albumentations()
        first = self.geometry[0] if self.geometry else None
        if isinstance(first, album.Resize) and first.p == 1:
            return first.height, first.width
        if isinstance(first, album.RandomResizedCrop) and first.p == 1:
            return smallest_source((height, width), first.size, first.scale[0], first.ratio)
        return None

    def _perturb(self, sample: Sample, seed: int) -> Sample:
        # Other seeds than the geometry's, and others for each of these: independent draws.
        if self.perturb_pair is not None:
            sample = self.perturb_pair(sample, sample_seed(seed, 0, "pair"))
        if self.perturb_bg is not None:
            sample["bg"] = self.perturb_bg(sample["bg"], sample_seed(seed, 0, "bg"))
        if self.perturb_fg_bg is not None:
            sample["fg_bg"] = self.perturb_fg_bg(sample["fg_bg"], sample_seed(seed, 0, "fg_bg"))
        return sample

    def __repr__(self) -> str:
        lines = [f"  {name}: {getattr(self, name)!r}," for name in ("geometry", "photometric")]
        lines += [f"  {name}: {getattr(self, name)!r}," for name in ("perturb_pair", "perturb_bg", "perturb_fg_bg")]
        return "\n".join(["JointTransform(", *lines, ")"])


def smallest_source(
    stored: tuple[int, int], size: tuple[int, int], scale: float, ratio: tuple[float, float]
) -> tuple[int, int]:
    """Size at which the smallest crop of a resized crop, at its flattest or tallest, still fills the output.

    Args:
        stored: (height, width) of the picture.
        size: (height, width) of the output.
        scale: The smallest share of the area that a crop keeps.
        ratio: Range of width / height of crops.
    """
    side = math.sqrt(scale * stored[0] * stored[1])
    zoom = max(size[1] / (side * math.sqrt(ratio[0])), size[0] * math.sqrt(ratio[1]) / side)
    return math.ceil(zoom * stored[0]), math.ceil(zoom * stored[1])


def _compose(geometry: Sequence[Any], photometric: Sequence[Any]) -> Any:  # noqa: ANN401 - albumentations is untyped
    album = import_albumentations()
    _check_stage("geometry", geometry, album.DualTransform, "moves pixels (a DualTransform)", album)
    _check_stage("photometric", photometric, album.ImageOnlyTransform, "leaves them (an ImageOnlyTransform)", album)
    # Layers agree in size when they come here, so that albumentations need not check it again.
    return album.Compose(
        [*geometry, *photometric],
        additional_targets={"fg_bg": "image", "depth": "mask", "depth_valid": "mask", "mask_valid": "mask"},
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


__all__ = ["JointTransform", "PairPerturbing", "PicturePerturbation"]
