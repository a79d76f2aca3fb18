"""How long it takes to make the manifest of 400,000 quadruples from their names.

Three data sets of empty files: the names of layout A in five zip archives, as they were made in 2020; the same in flat
folders; and the names of layout D in flat folders. Each is indexed by the layout's name; ``auto`` needs pictures. Every
repetition is a fresh process, so that nothing is cached in it and its memory can be told; TMPDIR chooses the disk::

    python examples/benchmarks/data_index.py --out docs/results/data/index.json
"""

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from fgbgnet.data import index_layout
from fgbgnet.files import write_json

FULL, SHORT = 80_000, 40  # frames per part; there are five
CASES = {"A in five zip archives": "A", "A in flat folders": "A", "D in flat folders": "D"}


def names_a(size: int) -> Iterator[tuple[int, str]]:
    """Part and path of every file of layout A; small data are the first frames of every part."""
    for part in range(1, 6):
        for n in range((part - 1) * FULL + 1, (part - 1) * FULL + size + 1):
            for folder, stem in (("Fg-Bg", "fg-bg"), ("Fg-Bg-Mask", "fg-bg-mask"), ("Depth", "depth")):
                yield part, f"data_{part}/{folder}/{stem}{n}.jpg"


def names_d(size: int) -> Iterator[str]:
    """Paths of layout D: 100 backgrounds, foregrounds, and 40 places."""
    for i in range(5 * size):
        stem = f"bg{i // 40 % 100 + 1:03d}_fg{i // 4000 + 1:03d}_{i % 40 + 1:02d}"
        yield from (f"bg_fg/{stem}.jpeg", f"bg_fg_mask/{stem}_mask.jpeg", f"bg_fg_depth_map/{stem}_depth_map.jpeg")


def touch(root: Path, path: str) -> None:
    """Makes an empty file."""
    full = root / path
    try:
        os.close(os.open(full, os.O_CREAT | os.O_WRONLY))
    except FileNotFoundError:
        full.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(full, os.O_CREAT | os.O_WRONLY))


def make(case: str, root: Path, size: int) -> None:
    """Writes the data set of a case."""
    for b in range(1, 101):
        touch(root, f"bg/bg{b:03d}.jpg" if case.startswith("D") else f"Background/bg{b}.jpg")
    if "zip" in case:
        archives = {part: zipfile.ZipFile(root / f"data_part{part}.zip", "w") for part in range(1, 6)}
        for part, path in names_a(size):
            archives[part].writestr(zipfile.ZipInfo(path), b"")
        for archive in archives.values():
            archive.close()
        return
    for path in names_d(size) if case.startswith("D") else (path for _, path in names_a(size)):
        touch(root, path)


def memory() -> tuple[float, float]:
    """Megabytes of this process: now, and at most.

    Linux tells the highest in ``/proc``; its ``ru_maxrss`` would be that of the parent, which a child inherits.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return highest, highest
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    now, highest = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, highest


def index_once(root: Path, layout: str) -> dict[str, float]:
    """Seconds, seconds of the processor, and how far memory rises above what it was before, of one run."""
    before = memory()[0]
    wall, cpu = time.perf_counter(), time.process_time()
    manifest = index_layout(root, layout)
    seconds, processor = time.perf_counter() - wall, time.process_time() - cpu
    grown = memory()[1] - before
    return {"rows": len(manifest), "seconds": seconds, "processor_seconds": processor, "megabytes": grown}


def measure(case: str, size: int, repeats: int, folder: Path) -> dict[str, object]:
    """Medians and extremes over fresh processes."""
    root = folder / case.replace(" ", "_")
    make(case, root, size)
    runs = []
    for _ in range(repeats):
        command = [sys.executable, __file__, "--child", str(root), CASES[case]]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    result: dict[str, object] = {"rows": runs[0]["rows"]}
    for name in ("seconds", "processor_seconds", "megabytes"):
        values = sorted(run[name] for run in runs)
        result[name] = {"median": statistics.median(values), "lowest": values[0], "highest": values[-1]}
    return result


def main() -> None:
    """Measures, prints, and writes JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="JSON file for the result")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(index_once(Path(arguments.child[0]), arguments.child[1])))
        return
    short = os.environ.get("FGBGNET_SHORT") == "1"
    size, repeats = (SHORT, 1) if short else (FULL, arguments.repeats)
    command = shlex.join(["python", "examples/benchmarks/data_index.py", *sys.argv[1:]])
    content: dict[str, object] = {"command": command, "python": sys.version.split()[0], "repeats": repeats}
    content["processors"], content["load_before"] = os.cpu_count(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        content["cases"] = cases = {case: measure(case, size, repeats, Path(folder)) for case in CASES}
    for case, figures in cases.items():
        print(f"{case:24} {json.dumps(figures)}")
    if arguments.out:
        write_json(arguments.out, content)


if __name__ == "__main__":
    main()
