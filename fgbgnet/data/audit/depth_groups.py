"""What the depth maps of one background say about each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import FloatArray
from fgbgnet.data.audit.depth_signals import DepthThumbs, values_of

_LEAST_CELLS = 40  # of a thumbnail that two maps must share
_RELATED = 0.7  # correlation above which two maps show the same scene, one perhaps turned over
_AGREED = 0.9
_OWN, _BETTER = 0.35, 0.2  # correlation with its own mask, and how much more with another's, of a map that is its own
_CHUNK = 64  # maps of one background that are compared with each other


@dataclass(frozen=True)
class Kinship:
    """How the depth maps of one background go together, one value per map."""

    sign: npt.NDArray[np.int64]
    """1 or -1: maps of the same sign have the same direction; 0 where a map is related to no other."""
    agreement: FloatArray
    """Absolute correlation with the second-best relative; NaN where there are fewer than two others."""
    agreed: bool
    """Whether a map agrees with two others, so that disagreement means something."""
    own: FloatArray
    """Correlation of what stands before the background in a map with its own mask; NaN where it cannot be told."""
    others: FloatArray
    """The highest such correlation with the mask of another sample."""


def kinship(thumbs: Sequence[DepthThumbs]) -> Kinship:
    """Compares depth maps of one background, where neither shows a foreground and where they do.

    >>> scene, other = np.random.default_rng(0).integers(0, 255, (2, 24, 24), np.uint8)
    >>> nothing = np.zeros((24, 24), np.uint8)
    >>> found = kinship([DepthThumbs(depth, depth, nothing) for depth in (scene, scene, 254 - scene, other)])
    >>> abs(int(found.sign[:3].sum())), int(found.sign[3]), (found.agreement > 0.9).tolist(), found.agreed
    (1, 0, [True, True, True, False], True)
    """
    behind = np.stack([values_of(thumb.behind) for thumb in thumbs])
    correlation = _correlations(behind, behind)
    strength = np.abs(correlation)
    np.fill_diagonal(strength, -1)
    reference = int(np.where(strength > _RELATED, strength, 0).sum(1).argmax())
    sign = np.where(strength[reference] > _RELATED, np.sign(correlation[reference]), 0).astype(np.int64)
    if (sign != 0).any():
        sign[reference] = 1
    count = len(thumbs)
    ranked = np.sort(strength, axis=1)[:, ::-1]
    agreement = ranked[:, 1] if count > 2 else np.full(count, np.nan)
    own, others = _whose_foreground(thumbs, behind, sign)
    agreed = bool(count > 2 and agreement.max() > _AGREED)
    return Kinship(sign, agreement.astype(np.float32), agreed, own, others)


def _whose_foreground(
    thumbs: Sequence[DepthThumbs], behind: FloatArray, sign: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Correlations of what departs from the common background with the masks, one's own and the best of the others'."""
    own, others = np.full((2, len(thumbs)), np.nan, np.float32)
    kin = [int(place) for place in np.flatnonzero(sign)]
    if len(kin) < 3:
        return own, others
    upright = np.where(sign[kin, None] > 0, behind[kin], 1 - behind[kin])
    scene = upright[np.isfinite(upright).sum(1).argmax()]
    aligned = _on_scale_of(scene, upright)
    covers: FloatArray = np.stack([values_of(thumbs[place].cover) for place in kin])
    covers = np.where(covers.max(1, keepdims=True) > 0, covers, np.nan)
    wholes = np.stack([values_of(thumbs[place].whole) for place in kin])
    wholes = np.where(sign[kin, None] > 0, wholes, 1 - wholes)
    trusted = np.ones(len(kin), np.bool_)
    for _ in range(2):  # maps that seem to be others' are left out of what is common in the second round
        matches = _departures(_median(aligned[trusted]), wholes, covers)
        mine = np.diag(matches).copy()
        np.fill_diagonal(matches, -np.inf)
        best = matches.max(1)
        trusted = (mine > _OWN) & (best < mine + _BETTER)
        if np.count_nonzero(trusted) < 2 or trusted.all():
            break
    own[kin], others[kin] = mine, best
    return own, others


def _median(maps: FloatArray) -> FloatArray:
    """Median of maps (N, P) where they are not NaN; NaN where all are."""
    seen = np.isfinite(maps).any(0)
    common = np.full(maps.shape[1], np.nan, np.float32)
    common[seen] = np.nanmedian(maps[:, seen], axis=0)
    return common


def _departures(common: FloatArray, wholes: FloatArray, covers: FloatArray) -> FloatArray:
    """Correlation of what departs from the common background in every map (N, P) with every mask, (N, N)."""
    return _correlations(np.abs(common - _on_scale_of(common, wholes)), covers)


def _on_scale_of(target: FloatArray, maps: FloatArray) -> FloatArray:
    """Maps (N, P) stretched and moved to lie on a target (P,), by least squares that half of the cells decide."""
    both = np.isfinite(target) & np.isfinite(maps)
    x, y = np.where(both, maps, 0).astype(np.float64), np.where(both, target, 0).astype(np.float64)
    middle = np.count_nonzero(both, axis=1) // 2
    use = both.astype(np.float64)
    for _ in range(3):
        count = np.maximum(use.sum(1), 1)
        mean_x, mean_y = (use * x).sum(1) / count, (use * y).sum(1) / count
        covariance = (use * x * y).sum(1) / count - mean_x * mean_y
        gain = covariance / np.maximum((use * x**2).sum(1) / count - mean_x**2, 1e-9)
        offset = mean_y - gain * mean_x
        errors = np.where(both, np.abs(gain[:, None] * x + offset[:, None] - y), np.inf)
        limits = np.take_along_axis(np.sort(errors, axis=1), middle[:, None], axis=1)
        use = (both & (errors <= limits)).astype(np.float64)
    few = np.count_nonzero(both, axis=1) < _LEAST_CELLS
    scaled = gain[:, None] * maps + offset[:, None]
    return np.where(few[:, None], maps, scaled).astype(np.float32)


def _correlations(first: FloatArray, second: FloatArray) -> FloatArray:
    """Correlation of every row with every other over the columns that are not NaN in both; 0 where these are few."""
    seen_a, seen_b = (np.isfinite(values).astype(np.float64) for values in (first, second))
    a, b = (np.nan_to_num(values.astype(np.float64), nan=0.0) for values in (first, second))
    count = np.maximum(seen_a @ seen_b.T, 1)
    mean_a, mean_b = a @ seen_b.T / count, seen_a @ b.T / count
    covariance = a @ b.T / count - mean_a * mean_b
    variance_a = a**2 @ seen_b.T / count - mean_a**2
    variance_b = seen_a @ (b**2).T / count - mean_b**2
    scale = np.sqrt(np.maximum(variance_a, 0) * np.maximum(variance_b, 0))
    usable = (count >= _LEAST_CELLS) & (scale > 1e-6)
    return np.clip(np.where(usable, covariance / np.where(usable, scale, 1), 0), -1, 1).astype(np.float32)


def chunks(rows: Sequence[int]) -> list[Sequence[int]]:
    """Rows of one background in parts of similar size, none too large to be compared pair by pair."""
    parts = -(-len(rows) // _CHUNK)
    return [rows[part::parts] for part in range(parts)]


__all__ = ["Kinship", "chunks", "kinship"]
