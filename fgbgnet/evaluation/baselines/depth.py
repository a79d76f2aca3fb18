"""Depth without looking: what a depth model has to beat."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.metrics.precision import for_float64
from fgbgnet.models.predict import PredictMixin
from fgbgnet.types import TASKS, DepthUnit, Outputs

_THUMBNAIL = 8


class GlobalMeanDepth(PredictMixin):
    """The same distance everywhere: the mean of all valid pixels of the data that it was fitted on.

    Args:
        mean: The distance; `fit` replaces it.
        depth_unit: Its unit.

    Example:
        >>> batch = {"depth": torch.full((2, 1, 4, 4), 3.0), "depth_valid": torch.ones(2, 1, 4, 4, dtype=torch.bool)}
        >>> floor = GlobalMeanDepth().fit([batch])
        >>> floor(torch.rand(1, 3, 2, 2), torch.rand(1, 3, 2, 2))["depth"].unique()
        tensor([3.])
    """

    def __init__(self, mean: float = 1.0, depth_unit: DepthUnit = "metres") -> None:
        super().__init__()
        self.mean, self.depth_unit = mean, depth_unit
        self._sum, self.pixels = 0.0, 0.0

    def forward(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[str] = TASKS) -> Outputs:
        """Compute the depth.

        Args:
            bg: Clean backgrounds, (B, 3, H, W).
            fg_bg: Pictures, same shape.
            tasks: What is wanted; only ``"depth"`` can be had.

        Returns:
            ``{"depth": (B, 1, H, W)}``, or nothing if the depth is not wanted.
        """
        return {"depth": torch.full_like(fg_bg[:, :1], self.mean)} if "depth" in tasks else {}

    def update(self, batch: Mapping[str, Any]) -> None:
        """Add the valid pixels of a batch with ``depth`` and ``depth_valid`` to the mean."""
        valid = batch["depth_valid"]
        (known,) = for_float64(batch["depth"][valid])
        self._sum += known.sum(dtype=torch.float64).item()
        self.pixels += valid.sum().item()
        self.mean = self._sum / self.pixels if self.pixels else self.mean

    def fit(self, batches: Iterable[Mapping[str, Any]]) -> Self:
        """Take the mean of data.

        Args:
            batches: Batches with ``depth`` and ``depth_valid``.

        Returns:
            Itself.

        Raises:
            InvalidArgumentError: No pixel is valid.
        """
        self._sum, self.pixels = 0.0, 0.0
        for batch in batches:
            self.update(batch)
        if not self.pixels:
            raise InvalidArgumentError("fit() saw no valid depth pixel; expected batches with depth and depth_valid.")
        return self


class BackgroundMeanDepth(PredictMixin):
    """The mean depth map of each known background: what a split that shares backgrounds rewards.

    A background is known by its name where a name is given, else by its content; `forward` finds the most similar known
    one by a thumbnail, so that it works with an imperfect background too. Maps are kept at ``map_size``, which bounds
    the memory to 32 kB for each of at most ``max_backgrounds``.

    Args:
        depth_unit: Unit of the depths.
        map_size: Height and width of the maps that are kept.
        max_backgrounds: Further backgrounds are treated as unknown.
        tolerance: Root mean square difference of thumbnails (pictures in [0, 1]) up to which a background counts as
            known; an unknown one gets the global mean.
    """

    def __init__(
        self,
        depth_unit: DepthUnit = "metres",
        map_size: int = 64,
        max_backgrounds: int = 1000,
        tolerance: float = 0.15,
    ) -> None:
        super().__init__()
        self.depth_unit = depth_unit
        self.map_size, self.max_backgrounds, self.tolerance = map_size, max_backgrounds, tolerance
        self.overall = GlobalMeanDepth(depth_unit=depth_unit)
        self._row_of: dict[str, int] = {}
        self._maps: list[Tensor] = []
        self._thumbnails: list[Tensor] = []

    def forward(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[str] = TASKS) -> Outputs:
        """Look the depth up.

        Args:
            bg: Clean backgrounds, (B, 3, H, W), RGB in [0, 1].
            fg_bg: Pictures, same shape.
            tasks: What is wanted; only ``"depth"`` can be had.

        Returns:
            ``{"depth": (B, 1, H, W)}``, or nothing if the depth is not wanted.
        """
        if "depth" not in tasks:
            return {}
        if not self._maps:
            return self.overall(bg, fg_bg)  # type: ignore[no-any-return]
        known = torch.stack(self._thumbnails).to(bg)
        distance = torch.cdist(_thumbnail(bg), known) / known.shape[1] ** 0.5
        nearest = distance.min(1)
        rows = torch.where(nearest.values <= self.tolerance, nearest.indices, -1).tolist()
        sums = [self._maps[row] if row >= 0 else torch.zeros_like(self._maps[0]) for row in rows]
        return {"depth": self._depth(torch.stack(sums), bg.shape[-2:]).to(bg)}

    def update(self, batch: Mapping[str, Any], names: Sequence[str] | None = None) -> None:
        """Add a batch to the maps.

        Args:
            batch: With ``bg``, ``depth`` and ``depth_valid``.
            names: Name of each sample's background; None tells backgrounds apart by their content.
        """
        self.overall.update(batch)
        thumbnails = _thumbnail(batch["bg"]).cpu()
        maps = self._reduce(batch)
        for name, thumbnail, sums in zip(names or content_names(batch["bg"]), thumbnails, maps, strict=True):
            row = self._row_of.get(name)
            if row is not None:
                self._maps[row] = self._maps[row] + sums
            elif len(self._maps) < self.max_backgrounds:
                self._row_of[name] = len(self._maps)
                self._maps.append(sums)
                self._thumbnails.append(thumbnail)

    def fit(self, batches: Iterable[Mapping[str, Any]]) -> Self:
        """Make the maps from data, telling backgrounds apart by their content.

        Args:
            batches: Batches with ``bg``, ``depth`` and ``depth_valid``.

        Returns:
            Itself.

        Raises:
            InvalidArgumentError: No pixel is valid.
        """
        for batch in batches:
            self.update(batch)
        if not self.overall.pixels:
            raise InvalidArgumentError("fit() saw no valid depth pixel; expected batches with depth and depth_valid.")
        return self

    def look_up(self, batch: Mapping[str, Any], names: Sequence[str], leave_out: bool) -> tuple[Tensor, int]:
        """The maps of named backgrounds, at the size of a batch.

        Args:
            batch: With ``depth`` and ``depth_valid``.
            names: Name of each sample's background.
            leave_out: Whether the samples were part of what the maps were made from: each is then taken out of its own
                map (leave one out).

        Returns:
            Depth (B, 1, H, W), and how many of the samples had a map; the others have the global mean.
        """
        own = self._reduce(batch) if leave_out else [torch.zeros(2, self.map_size, self.map_size)] * len(names)
        sums = [
            self._maps[self._row_of[n]] - o if n in self._row_of else 0 * o for n, o in zip(names, own, strict=True)
        ]
        known = sum(bool((total[1] > 1e-3).any()) for total in sums)
        depth = self._depth(torch.stack(sums), batch["depth"].shape[-2:])
        return depth.to(batch["depth"]), known

    def _reduce(self, batch: Mapping[str, Any]) -> list[Tensor]:
        """Per sample: sum of valid depths and number of valid pixels (as shares of a cell), (2, map, map)."""
        valid = batch["depth_valid"]
        both = torch.cat((torch.where(valid, batch["depth"], 0), valid.to(batch["depth"].dtype)), 1)
        return list(F.adaptive_avg_pool2d(both, self.map_size).cpu().unbind())

    def _depth(self, sums: Tensor, size: Sequence[int]) -> Tensor:
        depth, count = sums.unbind(1)
        mean = torch.where(count > 1e-3, depth / count.clamp(min=1e-3), self.overall.mean)
        return F.interpolate(mean[:, None], size=tuple(size), mode="bilinear", align_corners=False)


def content_names(bg: Tensor) -> list[str]:
    """A name for each background of a batch that only an identical picture shares."""
    return [hashlib.blake2b(picture.contiguous().numpy().tobytes(), digest_size=16).hexdigest() for picture in bg.cpu()]


def _thumbnail(bg: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(bg, _THUMBNAIL).flatten(1)


__all__ = ["BackgroundMeanDepth", "GlobalMeanDepth", "content_names"]
