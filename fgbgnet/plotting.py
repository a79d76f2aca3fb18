"""Samples and predictions as pictures: with Pillow alone, or as matplotlib figures (extra ``plot``)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fgbgnet.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Anchors of a perceptually even ramp from near (bright yellow) through red and violet to far (near black).
_RAMP = np.array(
    [(252, 253, 191), (254, 176, 120), (241, 96, 93), (183, 55, 121), (114, 31, 129), (44, 17, 95), (0, 0, 4)], float
)
_INVALID = (128, 128, 128)
_FALSE_ALARM, _MISSED = (230, 60, 60), (60, 110, 240)
_TINT = (40, 220, 90)
_GAP, _CAPTION = 4, 16
_SMALLEST_PANEL, _LARGEST_PANEL = 128, 480
"""Sides between which panels are brought on a sheet: it is there to be looked at."""


class PredictedLayers(Protocol):
    """The layers that the plots read of a `fgbgnet.Prediction`."""

    @property
    def mask(self) -> Tensor | None:
        """Foreground, bool (H, W)."""

    @property
    def depth(self) -> Tensor | None:
        """Distance, (H, W)."""


class Panel(NamedTuple):
    """A captioned picture, uint8 (H, W, 3)."""

    caption: str
    rgb: npt.NDArray[np.uint8]


def depth_to_rgb(
    depth: Tensor, valid: Tensor | None = None, low: float | None = None, high: float | None = None
) -> npt.NDArray[np.uint8]:
    """Colours a depth map: near is bright, far is dark, invalid pixels are grey.

    Args:
        depth: Distance, (H, W) or (1, H, W).
        valid: Where it may be believed; everywhere by default. Pixels that are not finite are never valid.
        low: Distance of the brightest colour; the 1st percentile of the valid pixels by default.
        high: Distance of the darkest colour; the 99th percentile by default.

    Returns:
        uint8 (H, W, 3).
    """
    values = depth.detach().float().cpu().numpy().reshape(depth.shape[-2:])
    usable = np.isfinite(values)
    if valid is not None:
        usable &= valid.detach().cpu().numpy().reshape(values.shape).astype(bool)
    if usable.any():
        low = float(np.percentile(values[usable], 1)) if low is None else low
        high = float(np.percentile(values[usable], 99)) if high is None else high
    low, high = low or 0.0, high or 0.0
    share = np.clip((np.where(usable, values, low) - low) / max(high - low, 1e-9), 0, 1)
    positions = np.linspace(0, 1, len(_RAMP))
    rgb = np.stack([np.interp(share, positions, _RAMP[:, channel]) for channel in range(3)], axis=-1)
    rgb[~usable] = _INVALID
    return _rounded(rgb)


def mask_error_to_rgb(mask: Tensor, predicted: Tensor) -> npt.NDArray[np.uint8]:
    """Colours a predicted mask by its mistakes: hits white, false alarms red, missed foreground blue.

    Args:
        mask: Truth, (H, W) or (1, H, W), 0 or 1.
        predicted: Prediction, bool, likewise.

    Returns:
        uint8 (H, W, 3).
    """
    truth = _plane(mask) > 0.5
    guess = _plane(predicted) > 0.5
    rgb = np.zeros((*truth.shape, 3), np.uint8)
    rgb[truth & guess] = 255
    rgb[~truth & guess] = _FALSE_ALARM
    rgb[truth & ~guess] = _MISSED
    return rgb


def mask_overlay(fg_bg: Tensor, mask: Tensor) -> npt.NDArray[np.uint8]:
    """A frame in which the foreground is tinted and the rest has lost half of its colour.

    Args:
        fg_bg: The frame, (3, H, W) in [0, 1].
        mask: Foreground, bool (H, W) or (1, H, W).

    Returns:
        uint8 (H, W, 3).
    """
    rgb = _to_rgb(fg_bg).astype(np.float32)
    inside = _plane(mask)[..., None] > 0.5
    return _rounded(np.where(inside, 0.6 * rgb + 0.4 * np.array(_TINT), (rgb + rgb.mean(-1, keepdims=True)) / 2))


def panels(
    bg: Tensor,
    fg_bg: Tensor,
    mask: Tensor | None = None,
    depth: Tensor | None = None,
    depth_valid: Tensor | None = None,
    prediction: PredictedLayers | None = None,
    mask_valid: Tensor | None = None,
) -> list[Panel]:
    """The layers of a sample and what was predicted for it, in reading order.

    Where the label of the mask is not known, the true mask and its errors are grey. Truth and prediction of the depth
    share one colour scale, that of the truth where there is one.
    """
    rows = [Panel("bg", _to_rgb(bg)), Panel("fg_bg", _to_rgb(fg_bg))]
    predicted_mask = prediction.mask if prediction else None
    predicted_depth = prediction.depth if prediction else None
    if mask is not None:
        rows.append(Panel("mask", _without(_grey(_plane(mask)), mask_valid)))
    if predicted_mask is not None:
        rows.append(Panel("predicted mask", _grey(_plane(predicted_mask))))
        if mask is not None:
            rows.append(Panel("mask error", _without(mask_error_to_rgb(mask, predicted_mask), mask_valid)))
    has_truth = depth is not None and (depth_valid is None or bool(depth_valid.any()))
    limits = _limits(depth, depth_valid) if has_truth and depth is not None else (None, None)
    if has_truth and depth is not None:
        rows.append(Panel("depth", depth_to_rgb(depth, depth_valid, *limits)))
    if predicted_depth is not None:
        rows.append(Panel("predicted depth", depth_to_rgb(predicted_depth, None, *limits)))
        if has_truth and depth is not None:
            with np.errstate(invalid="ignore"):  # what is not finite becomes grey
                error = (_plane(predicted_depth) - _plane(depth)) / np.maximum(_plane(depth), 1e-6)
            rows.append(Panel("depth error", _signed_to_rgb(error, depth_valid)))
    return rows


def overview(
    bg: Tensor,
    fg_bg: Tensor,
    mask: Tensor | None = None,
    depth: Tensor | None = None,
    depth_valid: Tensor | None = None,
    prediction: PredictedLayers | None = None,
    mask_valid: Tensor | None = None,
) -> Image.Image:
    """One captioned row of the layers of a sample and its prediction, as a Pillow picture.

    Args:
        bg: Clean background, (3, H, W) in [0, 1].
        fg_bg: The same scene with something new in it.
        mask: True foreground, (1, H, W).
        depth: True distance, (1, H, W).
        depth_valid: Where it may be believed, (1, H, W).
        prediction: A `fgbgnet.Prediction`. Mask errors: false alarms red, misses blue. Depth errors: too near red, too
            far blue, full colour at 50 %.
        mask_valid: Where the mask is known, (1, H, W); it is grey elsewhere.
    """
    return tile(panels(bg, fg_bg, mask, depth, depth_valid, prediction, mask_valid))


def tile(row: Sequence[Panel], columns: int | None = None) -> Image.Image:
    """Captioned pictures on one sheet.

    Args:
        row: The pictures.
        columns: How many stand beside each other; all by default.
    """
    columns = columns or len(row)
    row = [Panel(panel.caption, _fitted(panel.rgb)) for panel in row]
    height = max(panel.rgb.shape[0] for panel in row) + _CAPTION
    width = max(max(panel.rgb.shape[1] for panel in row), 90)
    lines = -(-len(row) // columns)
    sheet = Image.new("RGB", (columns * (width + _GAP) - _GAP, lines * (height + _GAP) - _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, panel in enumerate(row):
        x, y = (index % columns) * (width + _GAP), (index // columns) * (height + _GAP)
        draw.text((x + 2, y + 1), panel.caption, fill="black", font=font)
        sheet.paste(Image.fromarray(panel.rgb), (x, y + _CAPTION))
    return sheet


def stack(rows: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Captioned pictures below each other on one sheet.

    Args:
        rows: Captions and pictures, such as the ids of samples and their overviews.
    """
    width = max(picture.width for _, picture in rows)
    height = sum(picture.height + _CAPTION + 2 * _GAP for _, picture in rows)
    sheet = Image.new("RGB", (width, height), "white")
    draw, font, y = ImageDraw.Draw(sheet), ImageFont.load_default(12), 0
    for caption, picture in rows:
        draw.text((2, y + 1), caption, fill="black", font=font)
        sheet.paste(picture, (0, y + _CAPTION))
        y += picture.height + _CAPTION + 2 * _GAP
    return sheet


def plot_sample(sample: Mapping[str, Any], prediction: PredictedLayers | None = None) -> "Figure":
    """The layers of a sample, and of a prediction for it, as a matplotlib figure; it is not shown.

    Args:
        sample: A sample, or any mapping with at least ``bg`` and ``fg_bg``.
        prediction: A `fgbgnet.Prediction`.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("A figure", "plot") from error
    keys = ("bg", "fg_bg", "mask", "depth", "depth_valid", "mask_valid")
    row = panels(**{key: sample[key] for key in keys if key in sample}, prediction=prediction)
    height, width = row[0].rgb.shape[:2]
    figure = Figure(figsize=(2.4 * len(row), 2.4 * height / width + 0.4), layout="constrained")
    for axis, panel in zip(np.atleast_1d(figure.subplots(1, len(row))), row, strict=True):
        axis.imshow(panel.rgb)
        axis.set_title(panel.caption, fontsize=9)
        axis.set_axis_off()
    return figure


def _fitted(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    side = max(rgb.shape[:2])
    if side <= _LARGEST_PANEL:  # whole multiples show every pixel as it is
        times = -(-_SMALLEST_PANEL // side)
        return rgb.repeat(times, axis=0).repeat(times, axis=1)
    factor = _LARGEST_PANEL / side
    size = round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def _plane(layer: Tensor) -> npt.NDArray[np.float32]:
    return layer.detach().float().cpu().numpy().reshape(layer.shape[-2:])


def _to_rgb(picture: Tensor) -> npt.NDArray[np.uint8]:
    values = picture.detach().float().cpu().clamp(0, 1).permute(1, 2, 0).numpy()
    return _rounded(values * 255)


def _grey(plane: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.repeat(_rounded(plane.clip(0, 1) * 255)[..., None], 3, axis=2)


def _limits(depth: Tensor, valid: Tensor | None) -> tuple[float | None, float | None]:
    values = _plane(depth)
    usable = np.isfinite(values) if valid is None else np.isfinite(values) & (_plane(valid) > 0)
    if not usable.any():
        return None, None
    return float(np.percentile(values[usable], 1)), float(np.percentile(values[usable], 99))


def _signed_to_rgb(error: npt.NDArray[Any], valid: Tensor | None, full: float = 0.5) -> npt.NDArray[np.uint8]:
    """Relative error: white at none, red where too near (negative), blue where too far; ``full`` saturates.

    Grey where it is not a finite number, or the truth not valid.
    """
    share = np.clip(np.nan_to_num(error) / full, -1, 1)[..., None]
    white, far, near = np.array([255.0] * 3), np.array(_MISSED, float), np.array(_FALSE_ALARM, float)
    rgb = white + np.abs(share) * (np.where(share > 0, far, near) - white)
    rgb[~np.isfinite(error)] = _INVALID
    return _without(_rounded(rgb), valid)


def _without(rgb: npt.NDArray[np.uint8], valid: Tensor | None) -> npt.NDArray[np.uint8]:
    """Grey where the truth is not valid."""
    if valid is not None:
        rgb[_plane(valid) == 0] = _INVALID
    return rgb


def _rounded(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    bytes_: npt.NDArray[np.uint8] = np.rint(values).astype(np.uint8)
    return bytes_


__all__ = [
    "Panel",
    "depth_to_rgb",
    "mask_error_to_rgb",
    "mask_overlay",
    "overview",
    "panels",
    "plot_sample",
    "stack",
    "tile",
]
