"""Transforms of albumentations as transforms of layers."""

import copy
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fgbgnet.data.albumentations_guard import import_albumentations
from fgbgnet.data.layers import Layers
from fgbgnet.errors import InvalidArgumentError

_AVERAGING = (0, 1, 3, 5, 6)
"""Interpolations of OpenCV with non-negative weights: nearest, linear, area, linear exact, nearest exact."""
_LINEAR = 1
_PLANES = tuple(f"plane_{k}" for k in range(6))


class AlbumentationsStage:
    """Applies transforms of albumentations to layers, in order, with one draw for all layers.

    The transforms are copied. Whatever their ``mask_interpolation``, labels are averaged as pictures are and put
    together again after the last one, see `fgbgnet.data.labels.Labels`: contours lie where those of the pictures do,
    masks stay binary, and depth never crosses a contour. Where nothing is known, the mask is 0 and depth is not valid.

    Args:
        transforms: Of albumentations, checked by `check_stage`.

    >>> import albumentations
    >>> layers = Layers.without_depth(*np.zeros((2, 8, 8, 3), np.uint8), np.tri(8, dtype=np.uint8))
    >>> stage = AlbumentationsStage([albumentations.HorizontalFlip(p=1)])
    >>> bool((stage(layers, np.random.default_rng(0)).mask == layers.mask[:, ::-1]).all())
    True
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        # Layers agree in size when they come here, so that albumentations need not check it again.
        self._compose = import_albumentations().Compose(
            [_averaging(transform) for transform in transforms],
            additional_targets={"fg_bg": "image", **dict.fromkeys(_PLANES, "mask")},
            is_check_shapes=False,
        )

    def __call__(self, layers: Layers, rng: np.random.Generator) -> Layers:
        """Draws and applies the transforms."""
        # One stream for all. Compose.set_random_seed would give every transform a generator of the same seed,
        # so that, for one, exactly the flipped pictures were rotated; and left alone, every worker of a
        # loader replays one stream.
        self._compose.set_random_state(rng, random.Random(int(rng.integers(2**62))))
        planes = dict(zip(_PLANES, layers.labels.planes(may_uncover=True), strict=False))
        # Some transforms look for the foreground in the mask itself.
        out = self._compose(image=layers.bg, fg_bg=layers.fg_bg, mask=layers.mask, **planes)
        labels = layers.labels.rebuilt([np.array(out[name]) for name in planes])
        return Layers(out["image"], out["fg_bg"], labels.mask, labels.depth, labels.depth_valid, labels.mask_valid)


def check_stage(stage: str, transforms: Iterable[Any]) -> None:
    """Checks that transforms of albumentations stand in the right stage.

    Args:
        stage: ``"geometry"`` or ``"photometric"``.
        transforms: Of albumentations.

    Raises:
        InvalidArgumentError: If one belongs into the other stage, or fills labels with values of its own.
    """
    album = import_albumentations()
    kind, meaning = {
        "geometry": (album.DualTransform, "moves pixels (a DualTransform)"),
        "photometric": (album.ImageOnlyTransform, "leaves them (an ImageOnlyTransform)"),
    }[stage]
    for transform in _leaves(transforms):
        if not isinstance(transform, kind | album.NoOp):
            raise InvalidArgumentError(
                f"{stage} holds {type(transform).__name__}; expected an albumentations transform that {meaning}"
            )
        for name in ("fill_mask", "mask_drop_value"):
            if np.any(getattr(transform, name, None) or 0):
                raise InvalidArgumentError(
                    f"{stage} holds {type(transform).__name__} with {name}={getattr(transform, name)}; expected 0: "
                    "what it uncovers is no foreground, and has no depth"
                )


def is_albumentations(transform: object) -> bool:
    """Whether something is a transform or a composition of albumentations."""
    kinds = {kind.__name__: kind.__module__ for kind in type(transform).__mro__}
    return any(kinds.get(name, "").startswith("albumentations") for name in ("BasicTransform", "BaseCompose"))


def _leaves(transforms: Iterable[Any]) -> Iterator[Any]:
    composition = import_albumentations().BaseCompose
    for transform in transforms:
        if isinstance(transform, composition):
            yield from _leaves(transform.transforms)
        else:
            yield transform


def _averaging(transform: Any) -> Any:  # noqa: ANN401 - albumentations is untyped
    """A copy that treats the planes of labels as it treats pictures."""
    twin = copy.deepcopy(transform)
    for leaf in _leaves([twin]):
        if hasattr(leaf, "mask_interpolation"):
            chosen = getattr(leaf, "interpolation", _LINEAR)
            leaf.mask_interpolation = chosen if chosen in _AVERAGING else _LINEAR
        if getattr(leaf, "area_for_downscale", None) == "image":
            leaf.area_for_downscale = "image_mask"
    return twin


__all__ = ["AlbumentationsStage", "check_stage", "is_albumentations"]
