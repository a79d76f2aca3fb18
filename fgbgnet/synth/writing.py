"""Quadruples on disk: what `write_scenes` and `compose` share, and scenes as files."""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import write_json
from fgbgnet.synth.geometry import Array
from fgbgnet.synth.scene_dataset import SceneDataset
from fgbgnet.types import PathInput, Sample


def encode(pixels: Array, quality: int | None = None) -> bytes:
    """uint8 or uint16 (H, W) or uint8 (H, W, 3) -> bytes of a PNG, or of a JPEG if there is a quality."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if quality is None:
        image.save(buffer, "PNG", compress_level=3)
    else:
        # From quality 90 upwards colours are kept at full resolution, as careful tools do.
        image.save(buffer, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2)
    return buffer.getvalue()


def put(path: Path, content: bytes) -> None:
    """Writes a file that is whole or not there after a kill at any moment.

    Unlike `fgbgnet.files.write_bytes` it does not wait for the disk, which would take longer than making the sample:
    after a power failure the last files may have to be removed and made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Marks a folder as made with these settings, so that a second run goes on with the same and with nothing else.

    Raises:
        InvalidArgumentError: If the folder was made with other settings.
    """
    record = out / "settings.json"
    wanted = json.loads(json.dumps(settings))
    if record.exists():
        there = json.loads(record.read_text(encoding="utf-8"))
        changed = [f"{k}: {there.get(k)} there, {wanted.get(k)} now" for k in wanted if there.get(k) != wanted[k]]
        if changed:
            raise InvalidArgumentError(
                f"{out} was made with other settings ({'; '.join(changed)}); give another folder, or remove this one"
            )
    else:
        write_json(record, wanted)


def check_quality(quality: int | None) -> None:
    """Refuses a JPEG quality outside 1 to 100."""
    if quality is not None and not 1 <= quality <= 100:
        raise InvalidArgumentError(f"quality is {quality}; expected 1 to 100 for JPEG, or None for PNG")


class _SceneFiles(Dataset[list[dict[str, bytes]]]):
    """Batches of scenes as the files that they make, for the workers of a loader."""

    def __init__(
        self, scenes: SceneDataset, names: Mapping[str, list[str]], quality: int | None, batches: list[list[int]]
    ) -> None:
        self.scenes, self.names, self.quality, self.batches = scenes.with_transform(None), names, quality, batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> list[dict[str, bytes]]:
        rows = self.batches[index]
        return [self._encode(k, sample) for k, sample in zip(rows, self.scenes.__getitems__(rows), strict=True)]

    def _encode(self, k: int, sample: Sample) -> dict[str, bytes]:
        bg, fg_bg = ((sample[key] * 255).round().byte().permute(1, 2, 0).numpy() for key in ("bg", "fg_bg"))
        millimetres = (sample["depth"][0].double().numpy() * 1000).round().clip(0, 65535).astype(np.uint16)
        return {
            self.names["bg"][k]: encode(bg, self.quality),
            self.names["fg_bg"][k]: encode(fg_bg, self.quality),
            self.names["mask"][k]: encode((sample["mask"][0] * 255).byte().numpy()),
            self.names["depth"][k]: encode(millimetres),
        }


def write_scenes(
    dataset: SceneDataset,
    out: PathInput,
    *,
    quality: int | None = None,
    batch_size: int = 16,
    num_workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Writes scenes as quadruples: ``bg/``, ``fg_bg/``, ``mask/``, ``depth/`` and ``manifest.csv``.

    Every file is whole or not there; a run that was interrupted goes on where it stopped, with the same result. The
    manifest is written last. Masks are PNG with 0 and 255, depth is 16-bit PNG in millimetres, 0 where not valid. What
    is read back differs from ``dataset[i]`` by nothing but the rounding of depth to a millimetre (PNG pictures). A
    transform of the data set is not applied.

    Args:
        dataset: Scenes.
        out: Folder; made if needed.
        quality: JPEG quality of the pictures, or None for PNG.
        batch_size: Scenes rendered at a time.
        num_workers: Processes that render, each on one core; one for each core by default. 0 renders in this one.
        progress: Whether to show a progress bar.

    Returns:
        Path of the manifest.

    Raises:
        InvalidArgumentError: If there is no scene, the quality is out of range, or the folder holds other scenes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_scenes(SceneDataset(2, size=32), folder, progress=False).name
    'manifest.csv'
    """
    from fgbgnet.data.loader import init_worker  # here: the data room imports fgbgnet.synth.perturb
    from fgbgnet.data.manifest import Manifest

    check_quality(quality)
    if len(dataset) == 0:
        raise InvalidArgumentError("the data set has no scenes; expected at least one")
    out, suffix = Path(out), ".png" if quality is None else ".jpg"
    shared = dataset.scenes_per_background
    claim(out, {"kind": "scenes", "size": dataset.generator.size, "seed": dataset.seed, "quality": quality,
                "scenes_per_background": shared})  # fmt: skip
    num_workers = (os.cpu_count() or 1) if num_workers is None else num_workers
    numbers = dataset.numbers.tolist()
    names = {
        "bg": [f"bg/bg_{number // shared:08d}{suffix}" for number in numbers],
        "fg_bg": [f"fg_bg/{name}{suffix}" for name in dataset.ids],
        "mask": [f"mask/{name}.png" for name in dataset.ids],
        "depth": [f"depth/{name}.png" for name in dataset.ids],
    }
    todo = [k for k in range(len(numbers)) if not all((out / names[key][k]).exists() for key in names)]
    files = _SceneFiles(dataset, names, quality, [todo[k : k + batch_size] for k in range(0, len(todo), batch_size)])
    workers = min(num_workers, len(files) - 1)  # one batch is made sooner than a process is started
    loader: DataLoader[Any] = DataLoader(files, None, num_workers=max(workers, 0), worker_init_fn=init_worker)
    with tqdm(total=len(numbers), initial=len(numbers) - len(todo), unit="scene", disable=not progress) as bar:
        for batch in loader:
            for scene in batch:
                for name, content in scene.items():
                    if not (out / name).exists():
                        put(out / name, content)
                bar.update()
    manifest = Manifest(
        {
            "id": dataset.ids,
            **names,
            "bg_id": dataset.group_ids("bg").tolist(),
            "fg_id": dataset.group_ids("fg").tolist(),
            "depth_unit": ["metres"] * len(numbers),
            "depth_direction": ["near_small"] * len(numbers),
        },
        out,
    )
    return manifest.write(out / "manifest.csv")


__all__ = ["check_quality", "claim", "encode", "put", "write_scenes"]
