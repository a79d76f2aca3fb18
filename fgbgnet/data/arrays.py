"""What masks and depth maps share while they are decoded."""

import io
from tokenize import TokenError
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fgbgnet.errors import PictureError

ByteArray: TypeAlias = npt.NDArray[np.uint8]
FloatArray: TypeAlias = npt.NDArray[np.float32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

MAX_COLOURED_SHARE = 0.05
"""Of the pixels of a mask or a depth map."""
_COLOURED = 32  # difference between channels that compression alone does not make


def load_array(content: bytes, name: str) -> npt.NDArray[Any]:
    """Reads the bytes of an ``.npy`` file: numbers (H, W).

    Raises:
        PictureError: If they are something else.
    """
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, TokenError, MemoryError) as error:  # of a broken header
        raise PictureError(f"{name} is not a NumPy array ({error}); write it again with numpy.save") from error
    if isinstance(array, np.ndarray) and array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if not isinstance(array, np.ndarray) or array.ndim != 2 or not array.size or array.dtype.kind not in "biuf":
        shape, kind = getattr(array, "shape", None), getattr(array, "dtype", type(array).__name__)
        raise PictureError(f"{name} holds {kind} of shape {shape}; expected numbers (H, W)")
    return array


def coloured_share(rgb: ByteArray) -> float:
    """Share of the pixels whose channels (H, W, 3) differ more than compression alone makes them."""
    red, green, blue = np.moveaxis(rgb, 2, 0)  # not np.ptp, which is slow over a short last axis
    span = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return float(np.count_nonzero(span > _COLOURED) / span.size)


__all__ = ["MAX_COLOURED_SHARE", "BoolArray", "ByteArray", "FloatArray", "coloured_share", "load_array"]
