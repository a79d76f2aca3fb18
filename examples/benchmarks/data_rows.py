"""Part of `data.py`: what a manifest of many rows costs, each figure in a process of its own."""

import gc
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from fgbgnet.data import Manifest, PairedFgBgDataset

PARTS, BACKGROUNDS = 5, 100


def write_rows(path: Path, count: int) -> Path:
    """A manifest with the names of the data of 2020, with all columns."""
    per_part, per_background = count // PARTS, max(1, count // BACKGROUNDS)
    with path.open("w") as file:
        file.write("id,bg,fg_bg,mask,depth,bg_id,fg_id,depth_unit,depth_direction\n")
        for k in range(count):
            part, number = f"data_part{k // per_part + 1}.zip/data_{k // per_part + 1}", k + 1
            bg = f"Background/bg{k // per_background + 1}.jpg"
            file.write(
                f"{part}/Fg-Bg/fg-bg{number},{bg},{part}/Fg-Bg/fg-bg{number}.jpg,"
                f"{part}/Fg-Bg-Mask/fg-bg-mask{number}.jpg,{part}/Depth/depth{number}.jpg,"
                f"{bg},fg{k // 40 % BACKGROUNDS + 1},relative,near_small\n"
            )
    return path


def resident() -> float:
    """Megabytes of memory of this process; shared pages count by their share where the system tells."""
    for name, key in (("/proc/self/smaps_rollup", "Pss:"), ("/proc/self/status", "VmRSS:")):
        try:
            lines = Path(name).read_text().splitlines()
        except OSError:
            continue
        found = [int(line.split()[1]) for line in lines if line.startswith(key)]
        if found and found[0]:
            return found[0] / 1000
    return 0.0


class Peak:
    """Megabytes by which the memory of this process grows at most during a block, looked at every few milliseconds.

    The system's own peak is no help: a process inherits that of the one that started it.
    """

    def __enter__(self) -> "Peak":
        gc.collect()
        self._before = self._most = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self.growth = max(self._most, resident()) - self._before

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self._most = max(self._most, resident())


def in_process(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What ``work`` returns in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def reading(path: Path) -> dict[str, Any]:
    with Peak() as peak:
        Manifest.read(path)
    figures = {"read, peak megabytes": peak.growth}
    busy = time.process_time()
    figures["read, seconds"], manifest = seconds(lambda: Manifest.read(path))
    figures["read, seconds of a processor"] = time.process_time() - busy
    rows = np.random.default_rng(0).permutation(len(manifest))[: len(manifest) * 3 // 4]
    figures["select three quarters, seconds"], _ = seconds(lambda: manifest.select(rows))
    figures["pickle, seconds"], content = seconds(lambda: pickle.dumps(manifest))
    figures["pickle, megabytes"] = len(content) / 1e6
    figures["unpickle, seconds"], _ = seconds(lambda: pickle.loads(content))
    figures["write, seconds"], _ = seconds(lambda: manifest.write(path.with_name("written.csv")))
    return figures


class Rows(Dataset):
    """What `PairedFgBgDataset` asks of its manifest, without the pictures; and the memory of the worker at times."""

    def __init__(self, dataset: PairedFgBgDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[int, float]:
        names = ("id", "bg", "fg_bg", "mask", "depth", "depth_unit", "depth_direction", "depth_scale")
        length = sum(len(self.dataset.manifest.value(name, index)) for name in names)
        if index % (len(self) // 20):
            return length, -1.0
        gc.collect()
        return length, resident()


def epoch(path: Path, start: str) -> dict[str, Any]:
    loader = DataLoader(
        Rows(PairedFgBgDataset(path)), batch_size=256, shuffle=True, num_workers=2, multiprocessing_context=start
    )
    memory = [float(value) for _, batch in loader for value in batch if value >= 0]
    return {"first, megabytes": memory[0], "last, megabytes": memory[-1], "most, megabytes": max(memory)}


def measure_rows(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """Medians of several processes for reading; memory of two workers during an epoch, forked and spawned."""
    path = write_rows(folder / "many.csv", count)
    runs = [in_process(reading, path) for _ in range(rounds)]
    result: dict[str, Any] = {"rows": count, "file, megabytes": path.stat().st_size / 1e6}
    result |= {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
    for start in ("fork", "spawn") if hasattr(os, "fork") else ("spawn",):
        result |= {f"worker by {start}, {name}": value for name, value in in_process(epoch, path, start).items()}
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in result.items()}
