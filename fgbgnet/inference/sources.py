"""Where frames come from: video files, cameras, streams, folders, or any iterable."""

import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.decode import read_rgb
from fgbgnet.data.storage import is_folder, nearest_on_disk
from fgbgnet.errors import FgBgWarning, InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.inference.pairs import SUFFIXES, pictures_in
from fgbgnet.types import PathInput

FrameSource: TypeAlias = PathInput | int | Iterable[ByteArray]
"""Path of a video or of a folder of pictures, number of a camera, URL of a stream, or frames, uint8 (H, W, 3), RGB."""

VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"})


class OpenSource(NamedTuple):
    """A source that can be read.

    Attributes:
        name: How errors call it.
        frames: The frames, uint8 (H, W, 3), RGB; closing it releases the source.
        live: Whether frames come whether they are read or not: those of cameras and streams do, those of files do not;
            None if that is not known.
        fps: Frames per second; None if the source does not say.
        announced: How many frames there are; None if the source does not say.
    """

    name: str
    frames: Iterator[ByteArray]
    live: bool | None
    fps: float | None
    announced: int | None


def open_source(source: FrameSource) -> OpenSource:
    """Opens a source.

    Raises:
        MissingFileError: If there is no such file.
        PictureError: If OpenCV can read neither file, camera nor stream.
        InvalidArgumentError: If it is none of what can be read, or a folder without pictures.
    """
    if isinstance(source, int) and not isinstance(source, bool):
        return _capture(source, f"camera {source}", live=True)
    if isinstance(source, str) and "://" in source:
        return _capture(source, source, live=True)
    if isinstance(source, str | os.PathLike):
        return _open_path(os.fspath(source))
    if isinstance(source, Iterable):
        return OpenSource("the frames", _checked(source), live=None, fps=None, announced=None)
    raise InvalidArgumentError(
        f"source is a {type(source).__name__}; expected the path of a video or of a folder, the number of a camera, "
        "the URL of a stream, or an iterable of frames"
    )


def _open_path(path: str) -> OpenSource:
    if is_folder(path):
        files = list(pictures_in(path, "source").values())
        return OpenSource(path, (read_rgb(file) for file in files), live=False, fps=None, announced=len(files))
    if not Path(path).exists():
        raise MissingFileError(f"no video or folder at {path}{nearest_on_disk(path)}")
    if Path(path).suffix.lower() in SUFFIXES:  # OpenCV would take it for one of a numbered series
        raise InvalidArgumentError(f"{path} is a picture; expected a video, or a folder of pictures")
    return _capture(path, path, live=False)


def _capture(source: str | int, name: str, live: bool) -> OpenSource:
    import cv2

    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        raise PictureError(
            f"{name} cannot be opened; " + ("is it there, and free?" if live else "is it a video that OpenCV can read?")
        )
    fps, announced = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    known = not live and 0 < announced < 2**31  # what does not know it says anything
    count = int(announced) if known else None
    return OpenSource(name, _decoded(capture, name, live, fps, count), live, fps if 0 < fps < 1e4 else None, count)


def _decoded(capture: Any, name: str, live: bool, fps: float, announced: int | None) -> Iterator[ByteArray]:  # noqa: ANN401
    import cv2

    count = 0
    try:
        while True:
            there, frame = capture.read()
            if not there:
                break
            count += 1
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()
    # OpenCV says "no more" and "cannot be read" alike.
    if live:
        raise PictureError(f"{name} delivers no frames any more; {count} came")
    if count == 0:
        raise PictureError(f"{name} holds no frame that OpenCV can decode")
    if announced is not None and announced - count > max(fps, 1):
        warnings.warn(
            f"{name} ended after {count} of about {announced} frames: it may be damaged", FgBgWarning, stacklevel=2
        )


def _checked(frames: Iterable[ByteArray]) -> Iterator[ByteArray]:
    for index, frame in enumerate(frames):
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            kind = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise InvalidArgumentError(
                f"frame {index} of the source is {kind}; expected an array, uint8 (H, W, 3), RGB"
            )
        yield frame


__all__ = ["VIDEO_SUFFIXES", "FrameSource", "OpenSource", "open_source"]
