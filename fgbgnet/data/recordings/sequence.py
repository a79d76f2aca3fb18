"""One recording of a fixed camera with ground truth in the labels of CDnet: its files, and its background."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fgbgnet.data.arrays import BoolArray, ByteArray
from fgbgnet.data.decode import read_rgb
from fgbgnet.data.masks import read_mask
from fgbgnet.data.recordings.background import temporal_median
from fgbgnet.data.recordings.labels import BACKGROUND, FOREGROUND, is_empty, read_labels
from fgbgnet.data.recordings.tree import find_file, numbered_files
from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import ManifestError, PictureError

Bootstrapping: TypeAlias = Literal["skip", "masked_median"]

MIN_UNLABELLED = 50
"""So many frames without ground truth before the first foreground give a background; in fewer, what is about to be
labelled may stand still already."""


@dataclass(frozen=True)
class Recording:
    """Files of a recording, by the number of the frame."""

    name: str
    """``category/video``."""
    frames: dict[int, str]
    truths: dict[int, str]
    """Ground truth of the frames that are to be evaluated (``temporalROI.txt``)."""
    depths: dict[int, str]
    roi: str | None
    notes: tuple[str, ...]

    @classmethod
    def find(cls, name: str, folder: str) -> "Recording":
        """The recording in a folder.

        Raises:
            ManifestError: If ground truth has no frame, or ``temporalROI.txt`` cannot be understood.
        """
        frames, truths, depths = (
            numbered_files(os.path.join(folder, part), prefix)  # noqa: PTH118 - may lead into an archive
            for part, prefix in (("input", "in"), ("groundtruth", "gt"), ("depth", "d"))
        )
        roi, span = find_file(folder, ("ROI.bmp", "ROI.png")), find_file(folder, ("temporalROI.txt",))
        first, last = (0, max(truths, default=0)) if span is None else _read_span(span)
        truths = {number: path for number, path in truths.items() if first <= number <= last}
        alone = sorted(truths.keys() - frames.keys())
        if alone:
            raise ManifestError(
                f"{len(alone)} files of ground truth in {folder} have no frame, the first is {truths[alone[0]]}; copy "
                "the folder input again"
            )
        missing = {"ROI.bmp": roi, "temporalROI.txt": span}
        notes = [f"no {file}: everything counts" for file, path in missing.items() if path is None]
        return cls(name, frames, truths, depths, roi, tuple(notes))

    def region(self, shape: tuple[int, ...]) -> BoolArray:
        """Where pixels count in all frames, bool (H, W): ``ROI.bmp`` as a picture.

        Raises:
            PictureError: If it is not of the shape of the ground truth.
        """
        if self.roi is None:
            return np.ones(shape, np.bool_)
        region = read_mask(self.roi).view(np.bool_)
        if region.shape != shape:
            raise PictureError(
                f"{self.roi} is {region.shape[1]} x {region.shape[0]} pixels, the ground truth of {self.name} "
                f"{shape[1]} x {shape[0]}; they should have one size"
            )
        return region

    def labels(self, number: int, shape: tuple[int, ...] | None = None) -> ByteArray:
        """Ground truth of a frame, see `read_labels`.

        Raises:
            PictureError: If it has another shape than ``shape``.
        """
        labels = read_labels(self.truths[number])
        if shape is not None and labels.shape != shape:
            raise PictureError(
                f"{self.truths[number]} is {labels.shape[1]} x {labels.shape[0]} pixels, the ground truth before it "
                f"{shape[1]} x {shape[0]}; it should be that of one recording"
            )
        return labels

    def frames_before_foreground(self, region: BoolArray) -> tuple[list[int], str]:
        """Frames that show the background alone, and how that is known: ``labelled`` or ``unlabelled``; perhaps none.

        The frames labelled as empty before the first with foreground. Where there are none, all frames before that one,
        if they are at least `MIN_UNLABELLED` and the recording does not call itself bootstrapping: their median drops
        what moves through.
        """
        empty: list[int] = []
        first = None
        for number in self.truths:
            labels = self.labels(number, region.shape)
            if (labels[region] == FOREGROUND).any():
                first = number
                break
            if is_empty(labels, region):
                empty.append(number)
        if empty:
            return empty, "labelled"
        before = [number for number in self.frames if first is not None and number < first]
        if len(before) >= MIN_UNLABELLED and "bootstrap" not in self.name.lower():
            return before, "unlabelled"
        return [], "unlabelled"

    def background(self, numbers: Sequence[int], shape: tuple[int, ...], masked: bool) -> tuple[ByteArray, BoolArray]:
        """Median of some frames, and where at least one of them counts.

        Args:
            numbers: The frames.
            shape: Of their ground truth, (H, W).
            masked: Whether only what is labelled as background counts; everything otherwise.

        Raises:
            PictureError: If the frames have another size than the ground truth.
        """
        frames = [self.frames[number] for number in numbers]
        size = read_rgb(frames[0]).shape[:2]
        if size != shape:
            raise PictureError(
                f"{frames[0]} is {size[1]} x {size[0]} pixels, its ground truth {shape[1]} x {shape[0]}; they should "
                "have one size"
            )
        counts = [self.labels(number, shape) == BACKGROUND for number in numbers] if masked else None
        return temporal_median(frames, counts)


def _read_span(path: str) -> tuple[int, int]:
    text = read_bytes(path).decode("utf-8", "replace").split()
    try:
        first, last = map(int, text)
    except ValueError:
        first, last = 1, 0
    if not 0 <= first <= last:
        raise ManifestError(
            f"{path} holds {' '.join(text)[:40]!r}; expected the first and the last frame, such as 470 1700"
        )
    return first, last


__all__ = ["MIN_UNLABELLED", "Bootstrapping", "Recording"]
