"""The pictures of a manifest: read ahead, named by what they show, put before a teacher in batches."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.teachers.teacher import Teacher


@dataclass(frozen=True)
class Picture:
    """A picture as stored."""

    path: Path
    content: bytes

    @cached_property
    def name(self) -> str:
        """Name of its map: what its file is called, and what is in it, so that a changed picture gets another map."""
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", self.path.stem)[:60]
        return f"{stem}_{blake2b(self.content, digest_size=8).hexdigest()}.png"

    def decode(self) -> Tensor:
        """uint8 (3, H, W), RGB."""
        from fgbgnet.pictures import open_picture, to_rgb

        rgb = to_rgb(open_picture(self.content, str(self.path)), str(self.path))
        return torch.from_numpy(rgb).permute(2, 0, 1).contiguous()


def read_pictures(paths: Sequence[Path], ahead: int, pool: Executor) -> Iterator[Picture]:
    """Pictures of folders and zip archives in their order; so many are read while others are worked on.

    Raises:
        MissingFileError, PictureError: If one cannot be read.
    """
    waiting: deque[Future[Picture]] = deque()
    for path in paths:
        waiting.append(pool.submit(_read, path))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def estimate(teacher: Teacher, pictures: Sequence[Picture], pool: Executor) -> list[Tensor]:
    """Depth of each picture, float32 (H, W); those of one size go before the teacher together.

    Raises:
        PictureError: If one cannot be decoded.
        InvalidArgumentError: If the teacher returns anything but depth; the first picture is named.
    """
    decoded = list(pool.map(Picture.decode, pictures))
    sizes: dict[tuple[int, ...], list[int]] = {}
    for index, pixels in enumerate(decoded):
        sizes.setdefault(tuple(pixels.shape), []).append(index)
    depths: dict[int, Tensor] = {}
    for indices in sizes.values():
        try:
            depths |= zip(indices, teacher(torch.stack([decoded[index] for index in indices])), strict=True)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{error} (the batch begins with {pictures[indices[0]].path})") from error
    return [depths[index] for index in range(len(pictures))]


def _read(path: Path) -> Picture:
    from fgbgnet.data.storage import read_bytes  # here: the data room needs albumentations

    return Picture(path, read_bytes(path))


__all__ = ["Picture", "estimate", "read_pictures"]
