"""What differs between a frame and a background, after their exposure was matched."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray

_SHARE = 0.35  # of all pixels that must be background for an exposure to be matched; a foreground may hide the rest
_SHARE_BESIDE = 0.6  # the same, of the pixels that a mask leaves: shadows, and the foreground if the mask is wrong
_GAINS = (0.5, 2.0)  # of an exposure that is still taken for the same picture
_FLAT = 25.0  # variance below which a picture says nothing about a gain
_SLACK = 1.3  # a match of the exposure must explain more than this, or the pictures are compared as they are
_ROUNDS = 3
_LEAST, _SOFT = 4.0, 12.0  # grey levels: a difference that counts, and what makes it certain above that
_TEXTURE = 0.35  # of the local gradient: what compression and resampling make of it
_SHADOW = (0.3, 0.98)  # brightness that a shadow leaves
_SHADED = 0.3  # weight of a change that a shadow explains


@dataclass(frozen=True)
class Exposure:
    """Frame = gain * background + offset, per channel, for each of C backgrounds."""

    gain: FloatArray
    """(C, 3)."""
    offset: FloatArray
    """Grey levels, (C, 3)."""
    residual: FloatArray
    """What is left of the difference, grey levels, (C,): a quantile, so that a foreground does not count."""


def match_exposure(frame: FloatArray, backgrounds: FloatArray, use: BoolArray | None = None) -> Exposure:
    """Fits the exposure of backgrounds to that of a frame by trimmed least squares.

    Args:
        frame: Pixels (P, 3), grey levels.
        backgrounds: The same pixels of C backgrounds, (C, P, 3).
        use: Pixels (P,) that take part; all by default.

    >>> frame = np.random.default_rng(0).uniform(0, 255, (64, 3)).astype(np.float32)
    >>> exposure = match_exposure(frame, frame[None] * 0.8)
    >>> np.allclose(exposure.gain, 1.25, atol=1e-3), bool(exposure.residual[0] < 0.1)
    (True, True)
    """
    share = _SHARE
    if use is not None:
        frame, backgrounds, share = frame[use], backgrounds[:, use], _SHARE_BESIDE
    plain = _mean_difference(frame, backgrounds)
    rest = plain
    gain = np.ones((len(backgrounds), 3), np.float32)
    offset = np.zeros_like(gain)
    for _ in range(_ROUNDS):
        kept = (rest <= np.maximum(2 * _residual(rest, share), 2)[:, None]).astype(np.float32)
        total = np.maximum(kept.sum(1)[:, None], 1)
        mean = np.einsum("cp,cpk->ck", kept, backgrounds) / total
        target = kept @ frame / total
        variance = np.einsum("cp,cpk->ck", kept, backgrounds**2) / total - mean**2
        covariance = np.einsum("cp,cpk->ck", kept, backgrounds * frame) / total - mean * target
        gain = np.where(variance < _FLAT, 1, np.clip(covariance / np.maximum(variance, 1e-3), *_GAINS))
        offset = target - gain * mean
        rest = _mean_difference(frame, gain[:, None] * backgrounds + offset[:, None])
    matched, unmatched = _residual(rest, share), _residual(plain, share)
    same = unmatched <= _SLACK * matched + 0.5
    gain[same], offset[same] = 1, 0
    return Exposure(gain, offset, np.where(same, unmatched, matched))


def _mean_difference(frame: FloatArray, backgrounds: FloatArray) -> FloatArray:
    differences = np.abs(frame - backgrounds)
    mean: FloatArray = (differences[..., 0] + differences[..., 1] + differences[..., 2]) / 3
    return mean


def _residual(differences: FloatArray, share: float) -> FloatArray:
    place = int(share * (differences.shape[1] - 1))
    lowest: FloatArray = np.partition(differences, place, axis=1)[:, place]
    return lowest


@dataclass(frozen=True)
class Change:
    """How surely every pixel differs, float32 (H, W) in [0, 1]."""

    certain: FloatArray
    """Any difference beyond noise and texture."""
    solid: FloatArray
    """The same, where it could be a shadow little of it."""
    amount: FloatArray
    """The difference itself, grey levels: the largest of the three channels."""

    def within(self, where: BoolArray) -> "Change":
        """The change in some pixels; none elsewhere."""
        return Change(self.certain * where, self.solid * where, self.amount * where)


def find_change(frame: ByteArray, background: ByteArray, gain: FloatArray, offset: FloatArray) -> Change:
    """Compares a frame with a background of the same size.

    Args:
        frame: RGB, uint8 (H, W, 3).
        background: The same.
        gain: Of the background, (3,).
        offset: Of the background, grey levels, (3,).

    >>> room = np.full((32, 32, 3), 90, np.uint8)
    >>> visited = room.copy()
    >>> visited[8:16, 8:16] = 200
    >>> change = find_change(visited, room, np.ones(3, np.float32), np.zeros(3, np.float32))
    >>> float(change.certain[12, 12]), float(change.certain[24, 24])
    (1.0, 0.0)
    """
    expected = np.clip(gain * background + offset, 0, 255).astype(np.float32)
    seen = frame.astype(np.float32)
    _, high = _range(np.abs(seen - expected))
    amount = _smooth(high, 3)
    noise = float(np.quantile(amount, _SHARE))
    least = np.maximum(_LEAST, 2 * noise) + _TEXTURE * _texture(expected)
    certain = np.clip((amount - least) / _SOFT, 0, 1)
    return Change(certain, certain * np.where(_shadow(seen, expected), _SHADED, 1), amount)


def _range(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest of three channels; NumPy's own reductions are slow over a short last axis."""
    first, second, third = np.moveaxis(values, 2, 0)
    return np.minimum(np.minimum(first, second), third), np.maximum(np.maximum(first, second), third)


def _smooth(values: npt.NDArray[Any], side: int) -> FloatArray:
    return np.asarray(cv2.blur(values, (side, side)), np.float32)


def _texture(picture: FloatArray) -> FloatArray:
    grey: Any = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(grey, cv2.CV_32F, 0, 1) / 8
    return _smooth(np.hypot(across, down), 5)


def _shadow(seen: FloatArray, expected: FloatArray) -> BoolArray:
    """Where the frame is darker, and by about the same factor in all channels."""
    ratio = (_smooth(seen, 3) + 4) / (_smooth(expected, 3) + 4)
    low, high = _range(ratio)
    mean, spread = (ratio[..., 0] + ratio[..., 1] + ratio[..., 2]) / 3, high - low
    shaded: BoolArray = (mean > _SHADOW[0]) & (mean < _SHADOW[1]) & (spread < 0.12 * mean + 0.02)
    return shaded


__all__ = ["Change", "Exposure", "find_change", "match_exposure"]
