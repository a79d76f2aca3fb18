"""An audit from start to end: read, measure, decide."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from fgbgnet.data.arrays import ByteArray, FloatArray
from fgbgnet.data.assemble import DepthDeclaration
from fgbgnet.data.audit.backgrounds import MAX_BACKGROUNDS, BackgroundPool, evenly
from fgbgnet.data.audit.decide import decide
from fgbgnet.data.audit.depth_signals import spread_out
from fgbgnet.data.audit.facts import Measurement
from fgbgnet.data.audit.measure import Measurer
from fgbgnet.data.audit.reading import Layer, read_depth_layer, read_picture
from fgbgnet.data.audit.result import Audit
from fgbgnet.data.audit.views import small_depth, working_size
from fgbgnet.data.loader import init_worker
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.manifest_checks import DECLARATION
from fgbgnet.data.similar import thumbnail
from fgbgnet.errors import InvalidArgumentError

T = TypeVar("T")

_CHUNK = 16
_REFERENCES = 24


def check_manifest(
    manifest: Manifest, *, limit: int | None = None, num_workers: int | None = None, progress: bool = True
) -> Audit:
    """Audits the quadruples of a manifest: are they what the table says?

    A bad file is a finding, never an exception. See `docs/concepts/audit.md` for how each kind is decided.

    Args:
        manifest: The table.
        limit: Look at so many rows only, spread evenly; all by default. Groups and splits are those of the whole
            table all the same, and so are the backgrounds that come into question.
        num_workers: Processes; by default one for each CPU, and none for few rows.
        progress: Whether to show a progress bar.

    Raises:
        InvalidArgumentError: If a number is out of its range.

    >>> import tempfile
    >>> from PIL import Image
    >>> folder = tempfile.mkdtemp()
    >>> Image.new("RGB", (64, 64), "grey").save(f"{folder}/room.png")
    >>> Image.new("L", (64, 64), 255).save(f"{folder}/mask.png")
    >>> audit = check_manifest(Manifest.from_lists("room.png", ["room.png"], ["mask.png"], root=folder))
    >>> audit.ok, [finding.kind for finding in audit.findings]
    (False, ['mask_full'])
    """
    if limit is not None and limit < 1:
        raise InvalidArgumentError(f"limit is {limit}; expected at least 1, or None for all samples")
    if num_workers is not None and num_workers < 0:
        raise InvalidArgumentError(f"num_workers is {num_workers}; expected 0 (this process) or more")
    rows = _rows(manifest, limit)
    workers = _workers(len(rows)) if num_workers is None else num_workers
    shown = partial(tqdm, disable=None if progress else True)
    paths = _backgrounds(manifest, rows)
    with shown(total=len(paths), desc="backgrounds", unit="picture", leave=False) as bar:
        thumbs = dict(_counted(_mapped(_Thumbs(manifest, paths), workers if len(paths) > 200 else 0), bar))
    kept = evenly([path for path, thumb in thumbs.items() if thumb is not None])
    pool = BackgroundPool(kept, _stacked([thumbs[path] for path in kept]))
    measurer = Measurer(manifest, pool, _references(manifest, rows))
    with shown(total=len(rows), desc="check", unit="sample") as bar:
        measurements = list(_counted(_mapped(_Chunks(measurer, _in_order(manifest, rows)), workers), bar))
    measurements.sort(key=lambda m: m.row)
    return decide(manifest, rows, measurements, thumbs, limit is not None, progress)


def _rows(manifest: Manifest, limit: int | None) -> npt.NDArray[np.int64]:
    count = len(manifest)
    chosen = count if limit is None else min(limit, count)
    return np.unique(np.linspace(0, count - 1, chosen).round().astype(np.int64))


def _workers(count: int) -> int:
    return (os.cpu_count() or 1) if count >= 200 else 0


def _in_order(manifest: Manifest, rows: npt.NDArray[np.int64]) -> list[int]:
    """Rows of one background together, so that it is decoded once."""
    names = manifest.column("bg")[rows]
    ordered: list[int] = rows[np.argsort(names, kind="stable")].tolist()
    return ordered


class _Chunks(Dataset[list[Measurement]]):
    """Measurements of rows."""

    def __init__(self, measurer: Measurer, rows: Sequence[int]) -> None:
        self.measurer, self.rows = measurer, rows

    def __len__(self) -> int:
        return -(-len(self.rows) // _CHUNK)

    def __getitem__(self, index: int) -> list[Measurement]:
        return [self.measurer(row) for row in self.rows[index * _CHUNK : (index + 1) * _CHUNK]]


class _Thumbs(Dataset[list[tuple[str, ByteArray | None]]]):
    """Thumbnails of pictures, with their paths; None where one cannot be read."""

    def __init__(self, manifest: Manifest, paths: Sequence[str]) -> None:
        self.manifest, self.paths = manifest, paths

    def __len__(self) -> int:
        return -(-len(self.paths) // _CHUNK)

    def __getitem__(self, index: int) -> list[tuple[str, ByteArray | None]]:
        found = []
        for path in self.paths[index * _CHUNK : (index + 1) * _CHUNK]:
            picture, _ = read_picture(self.manifest, path)
            found.append((path, None if picture is None else thumbnail(picture)))
        return found


def _mapped(dataset: _Chunks | _Thumbs, workers: int) -> Iterator[Any]:
    """What a data set gives, in order, made by so many processes (0: this one)."""
    workers = min(workers, max(0, len(dataset) - 1))
    loader: DataLoader[Any] = DataLoader(
        dataset, None, num_workers=workers, worker_init_fn=init_worker, collate_fn=_unchanged
    )
    yield from loader


def _counted(parts: Iterable[list[T]], bar: "tqdm[Any]") -> Iterator[T]:
    """What is in the parts, one after the other."""
    for part in parts:
        bar.update(len(part))
        yield from part


def _unchanged(part: list[Any]) -> list[Any]:
    """By default arrays become tensors in shared memory, each of which keeps a file open for as long as it lives."""
    return part


def _backgrounds(manifest: Manifest, rows: npt.NDArray[np.int64]) -> list[str]:
    """Paths of the backgrounds of some rows; and of others, since the right one may be among them."""
    own: list[str] = np.unique(manifest.column("bg")[rows]).tolist()
    others = sorted(manifest.distinct("bg").difference(own))
    return own + evenly(others, max(0, MAX_BACKGROUNDS - len(own)))


def _stacked(thumbs: Sequence[ByteArray | None]) -> FloatArray:
    pictures = [thumb.reshape(-1, 3) for thumb in thumbs if thumb is not None]
    return np.stack(pictures).astype(np.float32) if pictures else np.zeros((0, 1, 3), np.float32)


def _references(manifest: Manifest, rows: npt.NDArray[np.int64]) -> dict[int, FloatArray]:
    """A few depth maps, spread evenly, by row."""
    with_depth = rows[manifest.column("depth")[rows] != ""]
    found: dict[int, FloatArray] = {}
    if not len(with_depth):
        return found
    for row in with_depth[np.unique(np.linspace(0, len(with_depth) - 1, _REFERENCES).round().astype(int))].tolist():
        cells = {name: manifest.value(name, row) for name in ("depth", *DECLARATION)}
        layers = Layer()
        read_depth_layer(manifest, cells["depth"], DepthDeclaration.from_row(cells), layers)
        if layers.depth is None or layers.depth_valid is None:
            continue
        depth, valid = small_depth(layers.depth, layers.depth_valid, working_size(layers.depth.shape))
        spread = spread_out(depth, valid)
        if spread is not None:
            found[row] = spread
    return found


__all__ = ["check_manifest"]
