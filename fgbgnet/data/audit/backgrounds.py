"""All backgrounds of a manifest, small, so that every frame can be compared with each of them."""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray
from fgbgnet.data.audit.change import match_exposure
from fgbgnet.data.audit.views import disc
from fgbgnet.data.similar import THUMBNAIL

MAX_BACKGROUNDS = 5000
"""More are compared with their own frames only."""

_CANDIDATES = 6  # whose exposure is matched, of those that are most alike at a glance
_IN_SIGHT = 0.55  # share of the frame that a mask must leave to say where background is; an inverted one leaves less
_CALM = 0.75  # of the pixels whose difference counts: neither a shadow nor a wrong mask does
_FARTHEST = 0.12  # of the side: a background that lies elsewhere by more is another one
_LEAST_SIDE = 8  # pixels: smaller pictures have no shift that could be measured
_COARSE = 12  # side of what is glanced at


@dataclass(frozen=True)
class Match:
    """How well backgrounds fit a frame: residuals in grey levels, lower is better."""

    own: float
    """Of the background that the manifest names."""
    own_mirrored: float
    """Of its mirror image."""
    other: float
    """Of the best other one; infinite if there is none."""
    other_path: str = ""
    other_is_mirrored: bool = False
    contrast: float = 0.0
    """Of the frame itself: what a single colour would leave."""
    in_sight: float = 1.0
    """Share of the frame that the mask does not mark."""


@dataclass(frozen=True)
class BackgroundPool:
    """Thumbnails of backgrounds.

    Args:
        paths: As the manifest has them.
        thumbnails: float32 (N, `THUMBNAIL` ** 2, 3).
    """

    paths: list[str]
    thumbnails: FloatArray
    _signatures: FloatArray = field(init=False, repr=False)
    _places: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        both = np.concatenate([self.thumbnails, mirrored(self.thumbnails)])
        object.__setattr__(self, "_signatures", np.stack([_signature(t) for t in both]) if len(both) else both)
        object.__setattr__(self, "_places", {path: place for place, path in enumerate(self.paths)})

    def match(self, path: str, background: FloatArray, frame: FloatArray, beside: BoolArray | None) -> Match:
        """Compares a frame with its background and with those that are most like it.

        Args:
            path: The background that the manifest names.
            background: Its thumbnail.
            frame: Thumbnail of the frame.
            beside: Pixels of it that the mask does not mark; None if the mask says nothing.
        """
        candidates = self._most_alike(frame, path)
        others = [self._thumbnail(place) for place in candidates]
        pool = np.stack([background, mirrored(background[None])[0], *others])
        in_sight = 1.0 if beside is None else float(beside.mean())
        # A mask that leaves little is one of a large foreground, or inverted: it tells nothing about what it leaves.
        residual = match_exposure(frame, pool, beside if in_sight > _IN_SIGHT else None).residual
        best = int(residual[2:].argmin()) if candidates else -1
        contrast = float(np.abs(frame - np.median(frame, axis=0)).mean())
        if best < 0:
            return Match(float(residual[0]), float(residual[1]), float("inf"), contrast=contrast, in_sight=in_sight)
        place = candidates[best]
        return Match(
            float(residual[0]),
            float(residual[1]),
            float(residual[2 + best]),
            self.paths[place % len(self.paths)],
            place >= len(self.paths),
            contrast,
            in_sight,
        )

    def _thumbnail(self, place: int) -> FloatArray:
        picture: FloatArray = self.thumbnails[place % len(self.paths)]
        return picture if place < len(self.paths) else mirrored(picture[None])[0]

    def _most_alike(self, frame: FloatArray, path: str) -> list[int]:
        if not self.paths:
            return []
        scores = self._signatures @ _signature(frame)
        own = self._places.get(path)
        if own is not None:
            scores[[own, own + len(self.paths)]] = -np.inf
        count = min(_CANDIDATES, len(scores))
        best = np.argpartition(-scores, count - 1)[:count]
        return [int(place) for place in best if np.isfinite(scores[place])]


def mirrored(thumbnails: FloatArray) -> FloatArray:
    """Mirror images of thumbnails (N, P, 3)."""
    square = thumbnails.reshape(-1, THUMBNAIL, THUMBNAIL, 3)[:, :, ::-1]
    return np.ascontiguousarray(square).reshape(-1, THUMBNAIL * THUMBNAIL, 3)


def _signature(thumb: FloatArray) -> FloatArray:
    """A still smaller picture without its exposure, as a unit vector."""
    small = cv2.resize(thumb.reshape(THUMBNAIL, THUMBNAIL, 3), (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    centred = (small - small.mean((0, 1))).ravel()
    unit: FloatArray = (centred / max(float(np.linalg.norm(centred)), 1e-6)).astype(np.float32)
    return unit


def shift_between(frame: ByteArray, background: ByteArray, mask: BoolArray | None) -> tuple[float, float, float]:
    """Columns and rows by which a background must move to lie on the frame, and what that leaves of the difference.

    By phase correlation (Kuglin and Hines, 1975) of what the mask leaves in sight.

    Returns:
        Columns, rows, and the ratio of the differences after and before; infinite if they are too far apart to be
        one background, or too small to say.
    """
    apart = np.ones(frame.shape[:2], np.bool_)
    if mask is not None and mask.mean() < 1 - _IN_SIGHT:
        apart = cv2.dilate(mask.astype(np.uint8), disc(3)) == 0
    if min(frame.shape[:2]) < _LEAST_SIDE:
        return 0.0, 0.0, float("inf")
    window: Any = cv2.createHanningWindow(frame.shape[1::-1], cv2.CV_32F)
    # Softly: a hard edge would stand at the same place in both.
    window = window * cv2.GaussianBlur(apart.astype(np.float32), (0, 0), 3)
    seen, expected = (_centred(picture, apart) for picture in (frame, background))
    (columns, rows), _ = cv2.phaseCorrelate(expected * window, seen * window)
    if max(abs(columns) / frame.shape[1], abs(rows) / frame.shape[0]) > _FARTHEST:
        return float(columns), float(rows), float("inf")
    before, left = (_difference(frame, p, apart) for p in (background, shifted(background, columns, rows)))
    return float(columns), float(rows), left / max(before, 1e-6)


def _centred(picture: ByteArray, where: BoolArray) -> FloatArray:
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    return grey - (grey[where].mean() if where.any() else 0)


def shifted(picture: ByteArray, columns: float, rows: float) -> ByteArray:
    """A picture (H, W, 3) moved by parts of pixels; what enters is reflected."""
    matrix = np.array([[1, 0, columns], [0, 1, rows]], np.float32)
    border = cv2.BORDER_REFLECT_101
    return np.asarray(cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=border), np.uint8)


def _difference(frame: ByteArray, background: ByteArray, where: BoolArray) -> float:
    """Mean difference of the calmer part of some pixels."""
    differences = cv2.absdiff(frame, background).astype(np.float32).mean(2)[where]
    if not differences.size:
        return 0.0
    kept = max(1, int(_CALM * differences.size))
    return float(np.partition(differences, kept - 1)[:kept].mean())


def evenly(paths: list[str], limit: int = MAX_BACKGROUNDS) -> list[str]:
    """At most so many of the paths, spread evenly."""
    if len(paths) <= limit:
        return paths
    return [paths[int(place)] for place in np.linspace(0, len(paths) - 1, limit)]


__all__ = ["MAX_BACKGROUNDS", "BackgroundPool", "Match", "evenly", "mirrored", "shift_between", "shifted"]
