"""Near-duplicates among pictures: copies that were rescaled, compressed, re-exposed or mirrored."""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import BoolArray, ByteArray
from fgbgnet.data.hashes import Hashes, Pairs, near_duplicates
from fgbgnet.errors import InvalidArgumentError

THUMBNAIL = 32
"""Side of a thumbnail in pixels."""

# Figures measured on photographs and generated scenes, see docs/concepts/split.md.
_STRONG = 8.0  # a coefficient of the orthonormal DCT that noise and compression do not turn round
_LEAST_STRONG = 24  # of 64; pictures have more than 30, walls with a gradient of light and noise at most 12
_CORRELATION = 0.955
_GAIN = 0.6  # of the contrasts of two copies, the smaller over the larger
_OFFSET = 45.0  # grey levels between their means, in any channel
_PLAIN_MEAN, _PLAIN_MAX = 1.5, 5.0  # grey levels between two plain pictures
_PLAIN_LIMIT = _PLAIN_MEAN + 0.01  # the same where means are rounded
_CHUNK = 2048


def thumbnail(rgb: ByteArray) -> ByteArray:
    """Shrinks a picture to what hashes and comparisons look at.

    Args:
        rgb: A picture, uint8 (H, W, 3).

    Returns:
        uint8 (32, 32, 3), the mean of the pixels under each; the aspect ratio is given up.

    Raises:
        InvalidArgumentError: If ``rgb`` is something else.

    >>> thumbnail(np.zeros((48, 64, 3), np.uint8)).shape
    (32, 32, 3)
    """
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        kind, shape = getattr(rgb, "dtype", type(rgb).__name__), getattr(rgb, "shape", "no shape")
        raise InvalidArgumentError(f"a picture of {kind}, {shape} came; expected uint8 (H, W, 3), as read_rgb gives it")
    small = cv2.resize(rgb, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def picture_hash(rgb: ByteArray) -> int:
    """Perceptual hash of a picture: copies have hashes that differ in few bits, other pictures in about 32.

    The signs of the 64 lowest frequencies, without the mean, of the discrete cosine transform of the grey thumbnail.
    After C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2; signs
    instead of a comparison with the median, since the frequencies of a picture are as often positive as negative, and
    a sign depends on no other frequency.

    Args:
        rgb: A picture, uint8 (H, W, 3).

    Returns:
        64 bits, the lowest frequency first. 0 for a plain picture, such as a wall, in which fewer than 24 frequencies
        stand out of the noise: its hash would be that of the noise. Compare plain pictures with `same_picture`.

    >>> ramp = np.add.outer(np.arange(64), np.arange(64))[..., None] * np.ones(3)
    >>> picture_hash(ramp.astype(np.uint8))  # a gradient of light is plain
    0
    """
    return int(hash_thumbnails(thumbnail(rgb)[None])[0])


def hash_thumbnails(thumbnails: ByteArray) -> Hashes:
    """`picture_hash` of many pictures.

    Args:
        thumbnails: Of `thumbnail`, uint8 (N, 32, 32, 3).

    Returns:
        uint64 (N,).

    >>> hash_thumbnails(np.zeros((2, 32, 32, 3), np.uint8))
    array([0, 0], dtype=uint64)
    """
    thumbnails = _checked(thumbnails)
    hashes = np.zeros(len(thumbnails), np.uint64)
    for start in range(0, len(thumbnails), _CHUNK):
        grey = thumbnails[start : start + _CHUNK] @ np.array([0.299, 0.587, 0.114])
        frequencies = (_COSINES @ grey @ _COSINES.T)[:, _ROWS, _COLUMNS]
        signs = np.packbits(frequencies > 0, axis=1, bitorder="little")
        bits = np.ascontiguousarray(signs).view("<u8")[:, 0]
        structured = (np.abs(frequencies) > _STRONG).sum(1) >= _LEAST_STRONG
        hashes[start : start + _CHUNK] = np.where(structured, bits, 0)
    return hashes


def same_picture(a: ByteArray, b: ByteArray, mirrored: bool = False) -> bool:
    """Whether two thumbnails show the same picture, up to compression, scale and a mild change of light.

    Two pictures are the same if their colours correlate by at least 0.955, at half the size of the thumbnails, with
    similar contrast and brightness. Plain pictures (see `picture_hash`) are only if they agree within a few grey
    levels everywhere: a wall has no structure that could tell it from another, except by its very colour and light.

    Args:
        a: Of `thumbnail`, uint8 (32, 32, 3).
        b: The same of the other picture.
        mirrored: Also true if one is the mirror image of the other.

    >>> noise = thumbnail(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    >>> same_picture(noise, noise // 4 * 3 + 20), same_picture(noise, noise[:, ::-1])
    (True, False)
    >>> same_picture(noise, noise[:, ::-1], mirrored=True)
    True
    """
    pair = np.stack([np.asarray(a), np.asarray(b)])
    plain = hash_thumbnails(pair) == 0
    first, second = _checked(pair)[:, None]
    other = [second, second[:, :, ::-1]] if mirrored else [second]
    return plain[0] == plain[1] and any(bool(_agree(first, each, plain[:1])[0]) for each in other)


def similar_pictures(thumbnails: ByteArray, max_distance: int = 8, mirrored: bool = False) -> Pairs:
    """Finds pictures that are copies of each other: by their hashes, then by `same_picture`.

    Copies with the very same hash (plain ones: with the same thumbnail) are paired with the first of them alone: what
    the pairs connect belongs together, and thousands of equal pictures do not make millions of pairs.

    Args:
        thumbnails: Of `thumbnail`, uint8 (N, 32, 32, 3).
        max_distance: By how many of 64 bits the hashes of copies may differ.
        mirrored: Also find mirror images.

    Returns:
        Positions ``(i, j)`` with ``i < j``, int64 (K, 2), in ascending order.

    >>> pictures = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    >>> pictures[4] = pictures[1][:, ::-1]
    >>> similar_pictures(pictures).tolist(), similar_pictures(pictures, mirrored=True).tolist()
    ([], [[1, 4]])
    """
    thumbnails = _checked(thumbnails)
    hashes = hash_thumbnails(thumbnails)
    leads = _leads(thumbnails, hashes)
    positions = np.arange(len(thumbnails))
    led = np.stack([leads, positions], axis=1)[leads != positions]
    rows = positions[leads == positions]
    views, count = [thumbnails[rows]], len(rows)
    if mirrored:
        views.append(views[0][:, :, ::-1])
    # Behind the pictures their mirror images: (i, count + j) is i and j mirrored, of which i < j is enough.
    view_hashes = np.concatenate([hash_thumbnails(view) for view in views])
    plain = hashes == 0
    plain_views = np.tile(plain[rows], len(views))
    candidates = np.concatenate([near_duplicates(view_hashes, max_distance), *_plain_pairs(views, plain_views)])
    i, j = candidates.T
    i, j = candidates[(i < count) & ((j < count) | (i < j - count))].T
    same = _verified(thumbnails, plain, rows[i], rows[j % max(count, 1)], j >= count)
    pairs = np.stack([rows[i], rows[j % max(count, 1)]], axis=1)[same]
    return np.unique(np.concatenate([led, pairs]), axis=0)


def _leads(thumbnails: ByteArray, hashes: Hashes) -> npt.NDArray[np.int64]:
    """For every picture the first one with its hash, or if plain its thumbnail, that it is a copy of, (N,)."""
    first: dict[int | bytes, int] = {}
    keys = (value or picture.tobytes() for value, picture in zip(hashes.tolist(), thumbnails, strict=True))
    leads = np.fromiter((first.setdefault(key, row) for row, key in enumerate(keys)), np.int64, len(hashes))
    rows = np.flatnonzero(leads != np.arange(len(leads)))
    other = rows[~_verified(thumbnails, hashes == 0, leads[rows], rows, np.zeros(len(rows), bool))]
    leads[other] = other
    return leads


def _verified(
    thumbnails: ByteArray, plain: BoolArray, i: npt.NDArray[np.int64], j: npt.NDArray[np.int64], mirror: BoolArray
) -> BoolArray:
    """Whether pictures ``i`` and ``j``, mirrored where ``mirror``, both plain or both not, show the same, (K,)."""
    same = np.zeros(len(i), bool)
    for start in range(0, len(i), _CHUNK):
        part = slice(start, start + _CHUNK)
        left, right = thumbnails[i[part]], thumbnails[j[part]]
        right = np.where(mirror[part][:, None, None, None], right[:, :, ::-1], right)
        same[part] = _agree(left, right, plain[i[part]])
    return same


def _plain_pairs(views: Sequence[ByteArray], plain: BoolArray) -> Iterator[Pairs]:
    """Candidates among plain pictures, (K, 2) each: those that may agree, by the means of a few large blocks.

    Two pictures differ on average by at least as much as the means of their blocks do.
    """
    rows = np.flatnonzero(plain)
    blocks = np.concatenate([_block_means(view) for view in views])[rows]
    means = blocks.mean(1)
    order = np.argsort(means, kind="stable")
    rows, blocks, means = rows[order], blocks[order], means[order]
    ends = np.searchsorted(means, means + _PLAIN_LIMIT, side="right")
    for left, end in enumerate(ends.tolist()):
        near = np.abs(blocks[left + 1 : end] - blocks[left]).mean(1) <= _PLAIN_LIMIT
        right = left + 1 + np.flatnonzero(near)
        if len(right):
            yield np.sort(np.stack([np.full(len(right), rows[left]), rows[right]], axis=1), axis=1)


def _block_means(thumbnails: ByteArray) -> npt.NDArray[np.float32]:
    """Means of 4 x 4 blocks, (K, 48): the larger the blocks, the fewer numbers to compare."""
    side = THUMBNAIL // 4
    blocks = thumbnails.reshape(-1, 4, side, 4, side, 3).mean((2, 4), dtype=np.float32)
    return np.asarray(blocks.reshape(-1, 48), dtype=np.float32)


def _agree(a: ByteArray, b: ByteArray, plain: BoolArray) -> BoolArray:
    """Which of K pairs of thumbnails, uint8 (K, 32, 32, 3), show the same; ``plain`` tells which are plain, (K,)."""
    left, right = (_halved(side) for side in (a, b))
    difference = np.abs(left - right)
    equal = (difference.mean((1, 2)) <= _PLAIN_MEAN) & (difference.max((1, 2)) <= _PLAIN_MAX)
    means = [side.mean(1, keepdims=True) for side in (left, right)]
    near = (np.abs(means[0] - means[1]) <= _OFFSET).all((1, 2))
    left, right = left - means[0], right - means[1]
    contrasts = [np.sqrt((side**2).mean((1, 2))) for side in (left, right)]
    alike = (left * right).mean((1, 2)) >= _CORRELATION * contrasts[0] * contrasts[1]
    similar = np.minimum(*contrasts) >= _GAIN * np.maximum(*contrasts)
    verdict: BoolArray = np.where(plain, equal, near & alike & similar)
    return verdict


def _halved(thumbnails: ByteArray) -> npt.NDArray[np.float64]:
    """Means of 2 x 2 pixels, (K, 256, 3): a shift by a fraction of a pixel matters less."""
    half = THUMBNAIL // 2
    blocks = thumbnails.reshape(len(thumbnails), half, 2, half, 2, 3)
    means: npt.NDArray[np.float64] = blocks.mean((2, 4), dtype=np.float64)
    return means.reshape(len(thumbnails), -1, 3)


def _checked(thumbnails: Any) -> ByteArray:  # noqa: ANN401 - whatever came
    array = np.asarray(thumbnails)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:] != (THUMBNAIL, THUMBNAIL, 3):
        raise InvalidArgumentError(
            f"thumbnails are {array.dtype} {array.shape}; expected uint8 (N, {THUMBNAIL}, {THUMBNAIL}, 3): "
            "stack what thumbnail() gives"
        )
    return array


def _lowest_frequencies(count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    places = [(i, j) for i in range(count) for j in range(count)]
    rows, columns = zip(*sorted(places, key=lambda place: (sum(place), place))[1 : count + 1], strict=True)
    return np.array(rows), np.array(columns)


def _cosines(count: int) -> npt.NDArray[np.float64]:
    """The first rows of the orthonormal DCT-II of ``THUMBNAIL`` points; row 0, the mean, included."""
    angles = np.pi / THUMBNAIL * np.outer(np.arange(count), np.arange(THUMBNAIL) + 0.5)
    rows: npt.NDArray[np.float64] = np.cos(angles) * np.sqrt(2 / THUMBNAIL)
    rows[0] /= np.sqrt(2)
    return rows


_ROWS, _COLUMNS = _lowest_frequencies(64)
_COSINES = _cosines(1 + int(max(_ROWS.max(), _COLUMNS.max())))

__all__ = ["THUMBNAIL", "hash_thumbnails", "picture_hash", "same_picture", "similar_pictures", "thumbnail"]
