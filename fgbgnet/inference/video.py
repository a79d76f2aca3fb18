"""Frames of a fixed camera: read beside the network's work, and the background that is in all of them."""

import threading
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from fgbgnet.data.arrays import ByteArray
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.inference.sources import FrameSource, open_source
from fgbgnet.models.checks import checked_count


class FrameReader:
    """Reads frames in a thread, so that decoding and the network's work go on at the same time.

    Of a file or a folder no frame is lost: the thread waits while ``capacity`` frames are waiting. Of a camera or a
    stream the newest frame wins, since it would lag behind otherwise. Errors of the thread are raised where frames are
    asked for, behind the frames that came before. Use it in a ``with`` block, which ends the thread and releases the
    source.

    Args:
        source: Path of a video that OpenCV can read; of a folder of pictures (or one in a zip archive), which come in
            natural order; number of a camera; URL of a stream; or any iterable of frames, uint8 (H, W, 3), RGB.
        latest: Whether the newest frame replaces one that was not asked for yet. By default so with cameras and
            streams; with iterables as you like; not possible with files and folders, which would be skimmed.
        capacity: How many frames wait at most.
        dtype: ``torch.uint8``, which ``predict`` takes; or ``torch.float32`` for values in [0, 1].

    Attributes:
        fps: Frames per second; None if the source does not say.
        announced: How many frames the source says that it has; None if it does not say.
        dropped: How many frames were replaced by newer ones so far.

    Raises:
        MissingFileError: If there is no such file.
        PictureError: If the source cannot be opened.
        InvalidArgumentError: If an argument is out of range.

    >>> import numpy as np
    >>> with FrameReader(np.full((2, 3, 3), level, np.uint8) for level in range(4)) as frames:
    ...     [(tuple(frame.shape), int(frame.max())) for frame in frames]
    [((3, 2, 3), 0), ((3, 2, 3), 1), ((3, 2, 3), 2), ((3, 2, 3), 3)]
    """

    def __init__(
        self,
        source: FrameSource,
        *,
        latest: bool | None = None,
        capacity: int = 8,
        dtype: torch.dtype = torch.uint8,
    ) -> None:
        if dtype not in (torch.uint8, torch.float32):
            raise InvalidArgumentError(f"dtype={dtype}; expected torch.uint8 or torch.float32")
        self._capacity = checked_count("capacity", capacity)
        self._source = open_source(source)
        if latest and self._source.live is False:
            self._close_source()
            raise InvalidArgumentError(
                f"latest=True, but {self._source.name} is no live source: all of it would be read at once and skipped"
            )
        self.latest = bool(self._source.live) if latest is None else latest
        self.fps, self.announced = self._source.fps, self._source.announced
        self.dropped = 0
        self._dtype = dtype
        self._waiting: deque[Tensor] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="FrameReader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tensor:
        """The next frame, (3, H, W), RGB; waits for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended or self._closed)
            if self._closed:
                raise StopIteration
            if self._waiting:
                self._changed.notify_all()
                return self._waiting.popleft()
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the thread and releases the source; frames that were not asked for are gone."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join()

    def _read(self) -> None:
        try:
            for frame in self._source.frames:
                if not self._offer(self._to_tensor(frame)):
                    return
        except BaseException as error:
            self._error = error
        finally:
            self._close_source()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _offer(self, frame: Tensor) -> bool:
        """Adds a frame, now or when there is room; False once the reader is closed."""
        with self._changed:
            if self.latest:
                self.dropped += len(self._waiting)
                self._waiting.clear()
            else:
                self._changed.wait_for(lambda: len(self._waiting) < self._capacity or self._closed)
            if not self._closed:
                self._waiting.append(frame)
                self._changed.notify_all()
            return not self._closed

    def _to_tensor(self, frame: ByteArray) -> Tensor:
        tensor = torch.from_numpy(frame).permute(2, 0, 1)
        return tensor.contiguous() if self._dtype == torch.uint8 else tensor.float().div_(255).contiguous()

    def _close_source(self) -> None:
        close = getattr(self._source.frames, "close", None)
        if close is not None:
            close()


def median_background(frames: Iterable[Tensor], memory: int = 128 * 2**20) -> Tensor:
    """The clean background of a fixed camera: the median of each pixel and channel over frames.

    A pixel is right if it was bare in more than half of the frames; so take frames over a time in which everything
    moves on.

    Args:
        frames: Frames of one size, uint8 or float (3, H, W), such as ``itertools.islice(reader, 100)``; all are kept in
            memory.
        memory: Bytes that are sorted at a time.

    Returns:
        The median, of the frames' shape and type; of an even number the mean of the middle two, rounded for uint8.

    Raises:
        InvalidArgumentError: If there is no frame, or they differ in shape or type.

    >>> frames = [torch.full((3, 2, 2), level, dtype=torch.uint8) for level in (10, 200, 12)]
    >>> median_background(frames).unique().tolist()
    [12]
    """
    kept = list(frames)
    if not kept:
        raise InvalidArgumentError("no frames to take a median of; expected at least one")
    first = kept[0]
    for index, frame in enumerate(kept):
        if frame.ndim != 3 or frame.shape != first.shape or frame.dtype != first.dtype:
            raise InvalidArgumentError(
                f"frame {index} is {frame.dtype} {tuple(frame.shape)}, the first {first.dtype} {tuple(first.shape)}; "
                "expected frames of one camera, (3, H, W)"
            )
    median = torch.empty_like(first)
    rows = max(1, memory // (len(kept) * first[:, :1].numel() * first.element_size()))
    for top in range(0, first.shape[1], rows):
        part = slice(top, top + rows)
        ordered = torch.stack([frame[:, part] for frame in kept]).sort(dim=0).values
        middle = (ordered[(len(kept) - 1) // 2].float() + ordered[len(kept) // 2].float()) / 2
        median[:, part] = middle if first.is_floating_point() else middle.round()
    return median


__all__ = ["FrameReader", "median_background"]
