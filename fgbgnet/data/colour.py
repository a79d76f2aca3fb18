"""Colour changes that treat two pictures of one scene exactly alike."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.layers import Layers

_LUMA = np.array([0.299, 0.587, 0.114])
_TO_YIQ = np.array([_LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
Range = tuple[float, float]


@dataclass(frozen=True)
class SharedColorJitter:
    """Brightness, contrast, saturation and hue of both pictures, by one draw: equal pixels stay equal.

    ``ColorJitter`` of torchvision and albumentations turns up the contrast about the mean of each picture. Whatever is
    new in the frame moves that mean, and with it every pixel of the frame away from its equal in the background. Here
    the mean of ``bg`` is the pivot of both. The four changes are one affine map of RGB, so that their order does not
    matter, and values are cut off at black and white once.

    Args:
        brightness: Range of the factor of all values.
        contrast: Range of the factor of the distance from the mean grey of ``bg``.
        saturation: Range of the factor of the distance from grey.
        hue: Range of the rotation about the grey axis, 1 = a full turn.
        p: Probability that anything happens.

    >>> bg, frame = np.full((2, 8, 8, 3), 90, np.uint8)
    >>> frame[:4] = 250
    >>> layers = Layers.without_depth(bg, frame, np.ones((8, 8), np.uint8))
    >>> out = SharedColorJitter(p=1)(layers, np.random.default_rng(1))
    >>> bool((out.bg == out.fg_bg)[4:].all()), bool((out.bg == bg).all())
    (True, False)
    """

    brightness: Range = (0.8, 1.2)
    contrast: Range = (0.8, 1.2)
    saturation: Range = (0.8, 1.2)
    hue: Range = (-0.02, 0.02)
    p: float = 0.8

    def __call__(self, layers: Layers, rng: np.random.Generator) -> Layers:
        """Draws a change and makes it in both pictures."""
        chance, *parts = rng.random(5).tolist()
        if chance >= self.p:
            return layers
        spans = (self.brightness, self.contrast, self.saturation, self.hue)
        brightness, contrast, saturation, hue = (
            low + part * (high - low) for part, (low, high) in zip(parts, spans, strict=True)
        )
        grey = float(_LUMA @ cv2.mean(layers.bg)[:3])
        # Double precision takes four times as long.
        matrix = colour_matrix(brightness, contrast, saturation, hue, grey).astype(np.float32)
        bg, fg_bg = (np.asarray(cv2.transform(picture, matrix), np.uint8) for picture in (layers.bg, layers.fg_bg))
        return layers.with_pictures(bg, fg_bg)


def colour_matrix(
    brightness: float, contrast: float, saturation: float, hue: float, grey: float
) -> npt.NDArray[np.float64]:
    """The affine map of RGB that makes all four changes, (3, 4).

    Hue and saturation are a rotation and a scaling of the two colour axes of YIQ (the NTSC standard of 1953), which
    leave luma as it is.

    Args:
        brightness: Factor of all values.
        contrast: Factor of the distance from ``grey``.
        saturation: Factor of the distance from the grey of the same luma.
        hue: Rotation, 1 = a full turn.
        grey: Where the contrast turns, in the unit of the values.

    >>> colour_matrix(1, 1, 0, 0, 0)[:, :3].round(3).tolist()  # grey of the same luma
    [[0.299, 0.587, 0.114], [0.299, 0.587, 0.114], [0.299, 0.587, 0.114]]
    """
    cosine, sine = saturation * math.cos(2 * math.pi * hue), saturation * math.sin(2 * math.pi * hue)
    chroma = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    linear = brightness * contrast * (_FROM_YIQ @ chroma @ _TO_YIQ)
    return np.column_stack([linear, np.full(3, brightness * (1 - contrast) * grey)])


__all__ = ["SharedColorJitter", "colour_matrix"]
