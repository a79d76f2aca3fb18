"""A second sample beside each one of a dataset, for perturbations that show something of another scene."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from fgbgnet.types import Sample

_LAYERS = ("bg", "fg_bg", "mask")


def partner_indices(count: int, names: Sequence[str] | None = None) -> list[int]:
    """The partner of each sample: the next one that has another background, the first coming after the last.

    Args:
        count: Number of samples.
        names: Name of the background of each; if there are none, or all are alike, the partner is simply the next.

    >>> partner_indices(5, ["a", "a", "b", "b", "c"]), partner_indices(3)
    ([2, 2, 4, 4, 0], [1, 2, 0])
    """
    partners = [(index + 1) % count for index in range(count)]
    if names is not None and len(set(names)) > 1:
        # Twice, because the partner of the last ones is known when the first ones are.
        for index in reversed([*range(count), *range(count)]):
            after = (index + 1) % count
            partners[index] = partners[after] if names[after] == names[index] else after
    return partners


class WithPartners:
    """A dataset whose items are ``(sample, layers of its partner)``.

    Args:
        dataset: Anything with a length that gives a `Sample` for an index.
        partners: Index of the partner of each sample. A sample that is its own partner gets itself, mirrored.
    """

    def __init__(self, dataset: Any, partners: Sequence[int]) -> None:  # noqa: ANN401 - any map-style dataset
        self.dataset = dataset
        self.partners = partners

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Sample, dict[str, Tensor]]:
        sample: Sample = self.dataset[index]
        partner: Sample = self.dataset[self.partners[index]]
        size = sample["fg_bg"].shape[-2:]
        layers = {key: _resized(partner[key], size, key) for key in _LAYERS}  # type: ignore[literal-required]
        if self.partners[index] == index:
            layers = {key: layer.flip(-1) for key, layer in layers.items()}
        return sample, layers


def _resized(layer: Tensor, size: Sequence[int], key: str) -> Tensor:
    if layer.shape[-2:] == size:
        return layer
    if key == "mask":
        return F.interpolate(layer[None], tuple(size), mode="nearest-exact")[0]
    return F.interpolate(layer[None], tuple(size), mode="bilinear", antialias=True)[0].clamp_(0, 1)


__all__ = ["WithPartners", "partner_indices"]
