"""Composites as the bytes of files."""

import struct
import zlib
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.composites.linear import Bytes
from fgbgnet.synth.folders import encode
from fgbgnet.synth.streams import stream

Chroma: TypeAlias = Literal["4:4:4", "4:2:2", "4:2:0"]
Quality: TypeAlias = int | tuple[int, int] | None

_SAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


@dataclass(frozen=True)
class Codec:
    """How pictures are compressed: always alike, or drawn for each.

    Raises:
        InvalidArgumentError: If a quality is not from 1 to 100, or a kind of chroma sub-sampling is not known.

    >>> Codec("quality", 90).draw(0, "fg_bg", 7)
    (90, '4:2:0')
    """

    name: str
    """Of the argument, for errors."""
    quality: Quality = 92
    """JPEG quality, a range of it, or None for PNG."""
    chroma: Chroma | tuple[Chroma, ...] = "4:2:0"
    """One kind of chroma sub-sampling, or several to draw from."""

    def __post_init__(self) -> None:
        if self.quality is not None:
            numbers = (self.quality, self.quality) if isinstance(self.quality, int) else self.quality
            good = isinstance(numbers, tuple | list) and len(numbers) == 2
            good = good and all(isinstance(q, int) and not isinstance(q, bool) for q in numbers)
            if not good or not 1 <= numbers[0] <= numbers[1] <= 100:
                raise InvalidArgumentError(
                    f"{self.name} is {self.quality!r}; expected 1 to 100 for JPEG, two rising ones to draw between, or "
                    "None for PNG"
                )
        kinds = isinstance(self.chroma, str | tuple | list) and self.chromas
        if not kinds or not all(kind in get_args(Chroma) for kind in kinds):
            raise InvalidArgumentError(f"chroma is {self.chroma!r}; expected one or several of {get_args(Chroma)}")

    @property
    def chromas(self) -> tuple[str, ...]:
        """The kinds of chroma sub-sampling to draw from."""
        return (self.chroma,) if isinstance(self.chroma, str) else tuple(self.chroma)

    @property
    def suffix(self) -> str:
        """Of the files."""
        return ".png" if self.quality is None else ".jpg"

    def draw(self, seed: int, name: str, number: int) -> tuple[int | None, str]:
        """Quality and chroma sub-sampling of a picture."""
        if self.quality is None or (isinstance(self.quality, int) and isinstance(self.chroma, str)):
            return self.quality, self.chromas[0]
        random = stream(seed, f"codec {name}", number)
        low, high = (self.quality, self.quality) if isinstance(self.quality, int) else self.quality
        return int(random.integers(low, high + 1)), self.chromas[int(random.integers(len(self.chromas)))]


def encode_picture(pixels: Bytes, quality: int | None, chroma: str) -> bytes:
    """uint8 RGB (H, W, 3) -> bytes of a JPEG, or of a PNG where there is no quality."""
    if quality is None:
        return encode(pixels)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLING[chroma]]
    content: Any = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1]
    return bytes(content)


def encode_grey(levels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """Grey (H, W) -> bytes of a PNG of 8 or 16 bits (W3C, Portable Network Graphics, third edition).

    Libraries try five filters for every row, which takes several times as long and saves little on masks. Here 8 bits
    are not filtered, and 16 bits are stored as differences from the row above.
    """
    height, width = levels.shape
    depth = levels.dtype.itemsize
    if depth == 1:
        lines = np.zeros((height, 1 + width), np.uint8)
        lines[:, 1:] = levels
    else:
        content = levels.astype(">u2").view(np.uint8).reshape(height, 2 * width)
        lines = np.full((height, 1 + 2 * width), 2, np.uint8)  # filter type 2: up
        lines[:, 1:] = content
        lines[1:, 1:] -= content[:-1]
    header = struct.pack(">IIBBBBB", width, height, 8 * depth, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.data, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
        for kind, body in chunks
    )


__all__ = ["Chroma", "Codec", "Quality", "encode_grey", "encode_picture"]
