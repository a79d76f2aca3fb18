"""Moves the background to where the frame's camera looks."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

_FEATURES = 1000
_DETECTION_SIDE = 256
"""Smaller pictures are enlarged to about this before features are sought in them."""
_REPROJECTION = 1.5
"""Pixels of the enlarged picture by which a match may miss its place."""
_LEAST_INLIERS = 15
_LEAST_SHARE = 0.3
"""Share of the matches that must agree with the homography."""
_FURTHEST = 0.15
"""Share of the diagonal by which a corner may move: what moved further is another camera."""
_BETTER = 0.9
"""The difference from the frame must fall at least to this share, or the background stays where it is."""


def align_background(bg: Tensor, fg_bg: Tensor) -> Tensor:
    """The background as the frame's camera would see it, where that can be told; else the background as it is.

    Per picture: ORB features (Rublee et al., 2011) are matched across the two, a homography is fitted by MAGSAC++
    (Barath et al., 2020), and the background is warped by it. The background stays as it is, bit by bit, if too few
    matches agree, if a corner would move by more than 15 % of the diagonal, or if the picture does not come clearly
    nearer to the frame. Pixels that the background does not show take the frame's own values: what was never seen
    without something in front of it cannot be told to be new.

    Runs on the CPU with OpenCV, without gradients, and gives the same result in each run.

    Args:
        bg: Clean background, (B, 3, H, W) in [0, 1].
        fg_bg: The frame, of the same shape.

    Returns:
        (B, 3, H, W) in [0, 1].

    Raises:
        InvalidArgumentError: In a graph that is compiled or exported, or for other than RGB pictures.

    >>> bg = torch.rand(1, 3, 64, 64)
    >>> torch.equal(align_background(bg, bg), bg)
    True
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        raise InvalidArgumentError(
            "align_background seeks features with OpenCV, which no compiled or exported graph can do; build the model "
            "with align_background=False and call fgbgnet.models.registration.align_background on the pictures before"
        )
    if bg.shape[1] != 3:
        raise InvalidArgumentError(f"align_background reads RGB pictures; bg has {bg.shape[1]} channels")
    clean, frame = (_pixels(picture) for picture in (bg, fg_bg))
    moved = [_aligned(*pair) for pair in zip(clean, frame, strict=True)]
    if all(one is None for one in moved):
        return bg
    parts = [
        own if one is None else torch.from_numpy(one.transpose(2, 0, 1)).to(bg)
        for own, one in zip(bg, moved, strict=True)
    ]
    return torch.stack(parts)


def find_homography(clean: ByteArray, frame: ByteArray) -> npt.NDArray[np.float64] | None:
    """The homography from background to frame pixels, or None if it cannot be trusted.

    Args:
        clean: The background in grey, uint8 (H, W).
        frame: The frame in grey, of the same shape.

    Returns:
        float64 (3, 3).
    """
    height, width = clean.shape
    scale = max(1.0, _DETECTION_SIDE / min(height, width))
    points, found = _matches(clean, frame, scale)
    if len(points) < _LEAST_INLIERS:
        return None
    matrix, inliers = cv2.findHomography(points, found, cv2.USAC_MAGSAC, _REPROJECTION, maxIters=2000, confidence=0.999)
    if matrix is None or inliers.sum() < max(_LEAST_INLIERS, _LEAST_SHARE * len(points)):
        return None
    # Pixel centres: x of the enlarged picture is scale * (x + 0.5) - 0.5.
    enlarge = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(enlarge) @ matrix @ enlarge
    return matrix / matrix[2, 2] if _plausible(matrix, height, width) else None


def _pixels(pictures: Tensor) -> FloatArray:
    """(B, H, W, 3) on the CPU."""
    return np.ascontiguousarray(pictures.detach().float().cpu().permute(0, 2, 3, 1).numpy())


def _aligned(clean: FloatArray, frame: FloatArray) -> FloatArray | None:
    """The background warped to the frame, (H, W, 3), or None if it stays."""
    if np.array_equal(clean, frame):
        return None
    greys = [_grey(picture) for picture in (clean, frame)]
    matrix = find_homography(*greys)
    if matrix is None:
        return None
    size = (clean.shape[1], clean.shape[0])
    warped: FloatArray = np.asarray(
        cv2.warpPerspective(clean, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
    seen = cv2.warpPerspective(np.ones(clean.shape[:2], np.float32), matrix, size) > 1 - 1e-3
    before, after = (_difference(picture, frame, seen) for picture in (clean, warped))
    if not after < _BETTER * before:
        return None
    return np.where(seen[..., None], warped, frame).clip(0, 1).astype(np.float32)


def _matches(clean: ByteArray, frame: ByteArray, scale: float) -> tuple[FloatArray, FloatArray]:
    """Places of the features that are each other's nearest, in pixels of the enlarged pictures."""
    detector = cv2.ORB.create(_FEATURES, edgeThreshold=15, patchSize=31, fastThreshold=8)
    size = tuple(round(scale * length) for length in reversed(clean.shape))
    found: list[tuple[Any, Any]] = []
    for picture in (clean, frame):
        enlarged = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR) if scale > 1 else picture
        found.append(detector.detectAndCompute(enlarged, None))
    (points, descriptors), (others, other_descriptors) = found
    if descriptors is None or other_descriptors is None:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(descriptors, other_descriptors)
    return (
        np.array([points[pair.queryIdx].pt for pair in pairs], np.float32).reshape(-1, 2),
        np.array([others[pair.trainIdx].pt for pair in pairs], np.float32).reshape(-1, 2),
    )


def _plausible(matrix: npt.NDArray[np.float64], height: int, width: int) -> bool:
    """Whether the corners stay a convex quadrilateral, near to where they were."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    projected = np.column_stack([corners, np.ones(4)]) @ matrix.T
    if not (np.isfinite(projected).all() and (projected[:, 2] > 1e-6).all()):
        return False
    moved = projected[:, :2] / projected[:, 2:]
    near = np.linalg.norm(moved - corners, axis=1).max() <= _FURTHEST * np.hypot(height, width)
    return bool(near and cv2.isContourConvex(moved.astype(np.float32)))


def _grey(picture: FloatArray) -> ByteArray:
    grey: ByteArray = cv2.cvtColor(np.rint(picture.clip(0, 1) * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    return grey


def _difference(clean: FloatArray, frame: FloatArray, seen: npt.NDArray[np.bool_]) -> float:
    """How far two pictures are apart where both are seen: the mean of the smaller three quarters, without exposure."""
    if not seen.any():
        return float("inf")
    error = (frame - clean)[seen]
    error = np.abs(error - np.median(error, axis=0)).sum(-1)
    kept = np.partition(error, 3 * len(error) // 4)[: 3 * len(error) // 4 + 1]
    return float(kept.mean())


__all__ = ["align_background", "find_homography"]
