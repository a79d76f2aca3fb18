"""Background subtraction: what a mask model has to beat."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.metrics import compute_mask_metrics, mask_threshold_statistics
from fgbgnet.models.predict import PredictMixin
from fgbgnet.types import TASKS, Outputs

# Half-way between the differences that 8-bit pictures can have, so that rounding never decides.
_GRID = tuple((level + 0.5) / 255 for level in range(255))

# Below and above, an 8-bit camera no longer tells brightnesses apart.
_DARK, _BRIGHT = 1.5 / 255, 253.5 / 255

# A network that sorts just far enough to have the median of nine in the middle (Paeth, Graphics Gems, 1990).
_MEDIAN_OF_NINE = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3), (5, 8), (4, 7), (3, 6), (1, 4),
    (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip


class Difference(PredictMixin):
    """Foreground is where a picture differs from its background: ``max_c |fg_bg - bg| > threshold``.

    It stands anywhere a model can: same forward, same ``predict``. The logits' sign is the decision, one grey level of
    255 is one logit.

    Args:
        threshold: Difference of the most different channel above which a pixel is foreground, in [0, 1). The default
            is the one with which the research behind this library measured its floors.
        clean: Whether to give every pixel the median score of its 3 x 3 neighbourhood, which is the same as a
            majority vote of the decisions, at any threshold.

    Raises:
        InvalidArgumentError: The threshold is out of range.

    Example:
        >>> bg = torch.rand(1, 3, 8, 8) * 0.5
        >>> fg_bg = bg.clone()
        >>> fg_bg[..., 2:5, 2:5] += 0.3
        >>> (Difference()(bg, fg_bg)["mask"] > 0).sum().item()
        9
    """

    def __init__(self, threshold: float = 24 / 255, clean: bool = False) -> None:
        super().__init__()
        if not 0 <= threshold < 1:
            raise InvalidArgumentError(
                f"threshold={threshold!r}; expected a difference of pictures in [0, 1), as 24 / 255 for 24 grey levels."
            )
        self.threshold, self.clean = threshold, clean

    def forward(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[str] = TASKS) -> Outputs:
        """Compute mask logits.

        Args:
            bg: Clean backgrounds, (B, 3, H, W), RGB in [0, 1].
            fg_bg: Pictures, same shape.
            tasks: What is wanted; only ``"mask"`` can be had.

        Returns:
            ``{"mask": (B, 1, H, W)}``, or nothing if the mask is not wanted.
        """
        return {"mask": self.logits(self.score(bg, fg_bg))} if "mask" in tasks else {}

    def score(self, bg: Tensor, fg_bg: Tensor) -> Tensor:
        """The difference that the threshold is applied to, (B, 1, H, W) in [0, 1]."""
        difference = (fg_bg - bg).abs().amax(1, keepdim=True)
        return median3x3(difference) if self.clean else difference

    def logits(self, score: Tensor) -> Tensor:
        """What forward returns for a score."""
        return (score - self.threshold) * 255

    @torch.inference_mode()
    def fit(self, batches: Iterable[Mapping[str, Any]]) -> Self:
        """Choose the threshold with the best pooled IoU on data, in one pass.

        Args:
            batches: Batches with ``bg``, ``fg_bg`` and ``mask``, and perhaps ``mask_valid``.

        Returns:
            Itself.

        Raises:
            InvalidArgumentError: There is no batch.
        """
        thresholds = threshold_grid()
        total: Tensor | None = None
        for batch in batches:
            score = self.score(batch["bg"], batch["fg_bg"])
            rows = mask_threshold_statistics(score, batch["mask"], thresholds, batch.get("mask_valid"))
            total = rows if total is None else total + rows
        if total is None:
            raise InvalidArgumentError("fit() got no batches; expected at least one with bg, fg_bg and mask.")
        self.threshold = best_threshold(total)[0]
        return self

    def extra_repr(self) -> str:
        """The arguments, for ``print(model)``."""
        return f"threshold={self.threshold:.4f}, clean={self.clean}"


class CompensatedDifference(Difference):
    """`Difference` after the background's exposure and white balance have been brought to the picture's.

    Per picture and channel, ``fg_bg = gain * bg + offset`` is fitted by least trimmed squares: closed-form least
    squares, repeated over the pixels that the fit before explained best (Rousseeuw and Van Driessen, Computing LTS
    regression, 2006), from three starts of which the best end is taken. The foreground drops out of it by itself, as
    long as it covers less than ``1 - keep`` of the picture. Pixels that are under- or overexposed are not fitted to.

    Args:
        threshold: As for `Difference`.
        clean: As for `Difference`.
        keep: Share of the pixels that each fit is made from, in (0, 1].
        rounds: Number of fits from each start, 1 or more.

    Raises:
        InvalidArgumentError: An argument is out of range.

    Example:
        >>> fg_bg = torch.rand(1, 3, 16, 16)
        >>> bg = 0.6 * fg_bg + 0.1
        >>> [bool((floor(bg, fg_bg)["mask"] > 0).any()) for floor in (Difference(), CompensatedDifference())]
        [True, False]
    """

    def __init__(self, threshold: float = 24 / 255, clean: bool = False, keep: float = 0.5, rounds: int = 5) -> None:
        super().__init__(threshold, clean)
        if not 0 < keep <= 1:
            raise InvalidArgumentError(f"keep={keep!r}; expected a share above 0 and at most 1.")
        if rounds < 1:
            raise InvalidArgumentError(f"rounds={rounds!r}; expected 1 or more.")
        self.keep, self.rounds = keep, rounds

    def score(self, bg: Tensor, fg_bg: Tensor) -> Tensor:
        """The difference that the threshold is applied to, (B, 1, H, W) in [0, 1]."""
        gain, offset = self.fit_exposure(bg, fg_bg)
        # Where the background's own exposure ended, at 0 or 1, the picture may go on: that is no difference.
        frame = torch.minimum(torch.maximum(fg_bg, offset), gain + offset)
        difference = (frame - gain * bg - offset).abs().amax(1, keepdim=True).clamp(max=1)
        return median3x3(difference) if self.clean else difference

    def fit_exposure(self, bg: Tensor, fg_bg: Tensor) -> tuple[Tensor, Tensor]:
        """Gain and offset of each picture and channel, (B, 3, 1, 1) each."""
        # Some thousand pixels are plenty for two numbers per channel.
        step = max(1, round((bg.shape[-1] * bg.shape[-2] / 8192) ** 0.5))
        x, y = (picture[..., ::step, ::step].flatten(2) for picture in (bg, fg_bg))
        exposed = ((x > _DARK) & (x < _BRIGHT) & (y > _DARK) & (y < _BRIGHT)).all(1, keepdim=True).to(x.dtype)
        exposed = torch.where(exposed.mean(-1, keepdim=True) > 0.1, exposed, 1)
        ends = [self._concentrate(x, y, exposed, *start) for start in _starts(x, y, exposed)]
        gains, offsets, costs = (torch.stack(values) for values in zip(*ends, strict=True))
        best = costs.argmin(0, keepdim=True).expand_as(gains[:1])
        gain, offset = (values.gather(0, best)[0, ..., None] for values in (gains, offsets))
        return gain, offset

    def _concentrate(
        self, x: Tensor, y: Tensor, exposed: Tensor, gain: Tensor, offset: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gain and offset (B, 3, 1) at the end of one start, and the mean residual of what they were fitted to."""
        kept = (self.keep * exposed.sum(-1, keepdim=True)).ceil().long().clamp(min=1)
        for _ in range(self.rounds):
            residual = (gain * x + offset - y).abs().amax(1, keepdim=True)
            residual = torch.where(exposed > 0, residual, torch.inf)
            cut = residual.sort(-1).values.gather(-1, kept - 1)
            weight = (residual <= cut).to(x.dtype)
            gain, offset = _fit_line(x, y, weight)
        error = (gain * x + offset - y).abs().amax(1, keepdim=True)
        return gain, offset, (error * weight).sum(-1, keepdim=True) / weight.sum(-1, keepdim=True)


def _starts(x: Tensor, y: Tensor, weight: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Nothing changed; everything explained; brightness changed in proportion."""
    one = torch.ones_like(x[..., :1])
    middle_x, middle_y = (values.median(-1, keepdim=True).values for values in (x, y))
    return [(one, one - 1), _fit_line(x, y, weight), (middle_y / middle_x.clamp(min=1 / 255), one - 1)]


def _fit_line(x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted least squares of ``y = gain * x + offset`` along the last dimension, kept."""
    share = weight / weight.sum(-1, keepdim=True)
    mean_x, mean_y = ((share * values).sum(-1, keepdim=True) for values in (x, y))
    variance = (share * (x - mean_x).square()).sum(-1, keepdim=True)
    covariance = (share * (x - mean_x) * (y - mean_y)).sum(-1, keepdim=True)
    # A channel of one value says nothing about its gain; and no camera changes its gain more than four times.
    gain = torch.where(variance > 1e-6, covariance / variance.clamp(min=1e-6), 1).clamp(0.25, 4)
    return gain, mean_y - gain * mean_x


def median3x3(picture: Tensor) -> Tensor:
    """Median of each pixel's 3 x 3 neighbourhood; edge pixels are repeated outwards.

    Args:
        picture: (B, 1, H, W).

    Returns:
        Same shape.
    """
    height, width = picture.shape[-2:]
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    nine = [padded[..., y : y + height, x : x + width] for y in range(3) for x in range(3)]
    for low, high in _MEDIAN_OF_NINE:
        nine[low], nine[high] = torch.minimum(nine[low], nine[high]), torch.maximum(nine[low], nine[high])
    return nine[4]


def threshold_grid(device: torch.device | str = "cpu") -> Tensor:
    """The thresholds that are tried: half-way between all grey levels, (255,)."""
    return torch.tensor(_GRID, device=device)


def best_threshold(statistics: Tensor) -> tuple[float, dict[str, float]]:
    """The threshold of the grid with the best pooled IoU, and its figures.

    Args:
        statistics: Summed rows of `fgbgnet.metrics.mask_threshold_statistics` for `threshold_grid`.
    """
    figures = [compute_mask_metrics(row) for row in statistics.cpu()]
    best = max(range(len(figures)), key=lambda index: figures[index]["iou"])
    return _GRID[best], figures[best]


__all__ = ["CompensatedDifference", "Difference", "best_threshold", "median3x3", "threshold_grid"]
