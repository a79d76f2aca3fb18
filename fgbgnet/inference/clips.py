"""Videos of what a model says about a fixed camera."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from fgbgnet.data.arrays import ByteArray
from fgbgnet.errors import InvalidArgumentError, OutputError
from fgbgnet.files import atomic_path, check_output
from fgbgnet.inference.sources import FrameSource
from fgbgnet.inference.video import FrameReader
from fgbgnet.models import DualHeadUNet, PredictMixin
from fgbgnet.pictures import PictureInput, load_picture
from fgbgnet.plotting import mask_overlay
from fgbgnet.prediction import Prediction
from fgbgnet.types import PathInput

CODECS = {".avi": "MJPG", ".mp4": "mp4v"}
DEFAULT_FPS = 25.0


class FrameWriter:
    """Writes frames into a video, which is there when its ``with`` block ends well, and not before.

    Args:
        path: ``.avi`` (Motion JPEG) or ``.mp4`` (MPEG-4).
        fps: Frames per second.

    Raises:
        InvalidArgumentError: If the path or the rate will not do.

    >>> import tempfile
    >>> from fgbgnet.inference import FrameReader
    >>> path = tempfile.mkdtemp() + "/clip.avi"
    >>> with FrameWriter(path, fps=5) as video:
    ...     for level in (0, 100, 200):
    ...         video.write(np.full((48, 64, 3), level, np.uint8))
    >>> with FrameReader(path) as frames:
    ...     len(list(frames)), frames.fps
    (3, 5.0)
    """

    def __init__(self, path: PathInput, fps: float = DEFAULT_FPS) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in CODECS:
            raise InvalidArgumentError(f"{path}: expected the name of a video that ends with {' or '.join(CODECS)}")
        if not 0 < fps < 1e4:
            raise InvalidArgumentError(f"fps={fps}; expected a number above 0")
        check_output(path, folder=False)
        self.fps = fps
        self.count = 0
        """Frames that were written."""
        self._shape: tuple[int, ...] = ()
        self._video: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._temporary = self._stack.enter_context(atomic_path(self.path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._video is not None:
            self._video.release()
        if error is None and self.count == 0:
            error = InvalidArgumentError(f"no frame was written, so there is no {self.path}")
            self._stack.__exit__(type(error), error, None)
            raise error
        self._stack.__exit__(kind, error, trace)

    def write(self, frame: ByteArray | Tensor) -> None:
        """Adds a frame.

        Args:
            frame: An array, uint8 (H, W, 3), or a tensor, uint8 (3, H, W); RGB, all of one size.

        Raises:
            InvalidArgumentError: If it is something else.
            OutputError: If the video cannot be written.
        """
        import cv2

        rgb = frame.permute(1, 2, 0).numpy() if isinstance(frame, Tensor) and frame.ndim == 3 else np.asarray(frame)
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or self._shape not in ((), rgb.shape):
            raise InvalidArgumentError(
                f"a frame is {rgb.dtype} {rgb.shape}; expected uint8 {self._shape or '(H, W, 3)'}, as the first one"
            )
        if self._video is None:
            self._shape = rgb.shape
            codec = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
            self._video = cv2.VideoWriter(str(self._temporary), codec, self.fps, (rgb.shape[1], rgb.shape[0]))
            if not self._video.isOpened():
                raise OutputError(f"OpenCV cannot write {self.path} with frames of {rgb.shape[1]} x {rgb.shape[0]}")
        self._video.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self.count += 1


def predict_video(
    model: PredictMixin,
    bg: PictureInput,
    source: FrameSource,
    out: PathInput,
    *,
    threshold: float = 0.5,
    progress: bool = True,
) -> int:
    """Writes a video in which the foreground of each frame is tinted.

    The background's features are computed once with models that can keep them, see
    `fgbgnet.DualHeadUNet.fix_background`.

    Args:
        model: Anything with `fgbgnet.models.PredictMixin` that predicts masks.
        bg: The clean background, such as of `median_background`.
        source: As for `FrameReader`.
        out: The video, ``.avi`` or ``.mp4``; with the rate of the source, or 25 frames per second.
        threshold: Probability above which a pixel is foreground, in (0, 1).
        progress: Whether to show a progress bar.

    Returns:
        How many frames were written.

    Raises:
        MissingFileError, PictureError: If the source or the background cannot be read.
        InvalidArgumentError: If an argument is out of range, or the model predicts no mask.
    """
    clean = load_picture(bg, "bg")
    predict = _predictor(model, clean)
    with FrameReader(source) as reader, FrameWriter(out, reader.fps or DEFAULT_FPS) as video:
        total, hidden = reader.announced, None if progress else True
        for frame in tqdm(reader, total=total, unit="frame", disable=hidden):
            prediction = predict(frame, threshold=threshold)
            if prediction.mask is None:
                raise InvalidArgumentError("this model predicts no mask; expected one with the task 'mask'")
            video.write(mask_overlay(prediction.fg_bg, prediction.mask))
        return video.count


def _predictor(model: PredictMixin, bg: Tensor) -> Callable[..., Prediction]:
    """Frame -> prediction."""
    if isinstance(model, DualHeadUNet):
        with suppress(InvalidArgumentError):  # this one looks at both pictures together
            return model.fix_background(bg).predict
    return partial(model.predict, bg)


__all__ = ["CODECS", "DEFAULT_FPS", "FrameWriter", "predict_video"]
