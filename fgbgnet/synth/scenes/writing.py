"""Scenes as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.arguments import allowed_cpus, check_quality, integer
from fgbgnet.synth.folders import claim, encode, present, put
from fgbgnet.synth.scenes.dataset import SceneDataset
from fgbgnet.synth.scenes.generator import GENERATOR_VERSION
from fgbgnet.types import PathInput, Sample


class _SceneFiles(Dataset[list[dict[str, bytes]]]):
    """Batches of scenes as the files that they make, for the workers of a loader."""

    def __init__(
        self, scenes: SceneDataset, names: Mapping[str, list[str]], quality: int | None, batches: list[list[int]]
    ) -> None:
        self.scenes, self.names, self.quality, self.batches = scenes, names, quality, batches

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

    Every file is whole or not there; a run that was interrupted goes on where it stopped, with the same result. So does
    a run with more scenes of the same kind, if the earlier ones are among them; any other is refused: one folder, one
    data set. The manifest is written last. Masks are PNG with 0 and 255, depth is 16-bit PNG in millimetres, 0 where
    not valid. What is read back differs from ``dataset[i]`` by nothing but the rounding of depth to a millimetre (PNG
    pictures). A transform of the data set is not applied. Of a fresh data set the scenes of its current epoch are
    written.

    Args:
        dataset: Scenes.
        out: Folder, new or empty or of an earlier run; made if needed.
        quality: JPEG quality of the pictures, or None for PNG.
        batch_size: Scenes rendered at a time.
        num_workers: Processes that render; by default one for each CPU that this process may use. Each has a single
            thread: threads that share a small picture wait for each other, on a busy machine most of the time. 0
            renders in this process, with as many threads as torch has here.
        progress: Whether to show a progress bar.

    Returns:
        Path of the manifest.

    Raises:
        InvalidArgumentError: If there is no scene, a number is out of range, or the folder holds anything but the same
            scenes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_scenes(SceneDataset(2, size=32), folder, progress=False).name
    'manifest.csv'
    """
    from fgbgnet.data.loader import init_worker  # here: the data room needs albumentations

    check_quality(quality)
    batch_size = integer("batch_size", batch_size, 1)
    workers = allowed_cpus() if num_workers is None else integer("num_workers", num_workers, 0)
    if len(dataset) == 0:
        raise InvalidArgumentError("the data set has no scenes; expected at least one")
    out, dataset = Path(out), dataset.with_transform(None)  # a copy: nobody changes its epoch meanwhile
    claim(
        out,
        {"kind": "scenes", "generator_version": GENERATOR_VERSION, "size": dataset.generator.size,
         "seed": dataset.seed, "scenes_per_background": dataset.scenes_per_background, "quality": quality},
        "a run with these settings and at least these scenes",
        dataset.numbers,
    )  # fmt: skip
    names = _names(dataset, ".png" if quality is None else ".jpg")
    todo = [k for k in range(len(dataset)) if not all(present(out / names[key][k]) for key in names)]
    files = _SceneFiles(dataset, names, quality, [todo[k : k + batch_size] for k in range(0, len(todo), batch_size)])
    workers = max(0, min(workers, len(files) - 1))  # one batch is made sooner than a process is started
    loader: DataLoader[Any] = DataLoader(files, None, num_workers=workers, worker_init_fn=init_worker)
    with tqdm(total=len(dataset), initial=len(dataset) - len(todo), unit="scene", disable=not progress) as bar:
        for batch in loader:
            for scene in batch:
                for name, content in scene.items():
                    if not present(out / name):
                        put(out / name, content)
                bar.update()
    return _write_manifest(dataset, names, out)


def _names(dataset: SceneDataset, suffix: str) -> dict[str, list[str]]:
    return {
        "bg": [f"bg/bg_{number // dataset.scenes_per_background:08d}{suffix}" for number in dataset.numbers.tolist()],
        "fg_bg": [f"fg_bg/{name}{suffix}" for name in dataset.ids],
        "mask": [f"mask/{name}.png" for name in dataset.ids],
        "depth": [f"depth/{name}.png" for name in dataset.ids],
    }


def _write_manifest(dataset: SceneDataset, names: Mapping[str, list[str]], out: Path) -> Path:
    from fgbgnet.data.manifest import Manifest

    numbers = dataset.numbers  # not the groups: of fresh scenes those do not name what is shown
    columns = {
        "id": dataset.ids,
        **names,
        "bg_id": (numbers // dataset.scenes_per_background).tolist(),
        "fg_id": numbers.tolist(),
        "depth_unit": ["metres"] * len(dataset),
        "depth_direction": ["near_small"] * len(dataset),
    }
    return Manifest(columns, out).write(out / "manifest.csv")


__all__ = ["write_scenes"]
