"""What training costs: a race, both tasks at once or in turns, and the wait for data.

All parts on generated scenes, on the threads that torch is given. Parts that are in the result file already stay there,
and a race that was interrupted goes on from ``--work``::

    python examples/benchmarks/training.py --out training.json         # hours, most of them the classic network's
    python examples/benchmarks/training.py --parts race --minutes 45   # ends the race with a bound
    FGBGNET_SHORT=1 python examples/benchmarks/training.py             # a minute
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import torch
from training_gpu import gpu
from training_loader import loader
from training_race import race
from training_tasks import joint

from fgbgnet.files import write_json

SHORT = bool(os.environ.get("FGBGNET_SHORT"))


def command_of(part, arguments):
    """What repeats a part, wherever its files were."""
    used = {"race": ("minutes", "seeds"), "joint": ("seeds", "steps")}.get(part, ())
    options = [f"--{name} {getattr(arguments, name):g}" for name in used]
    return " ".join([f"python examples/benchmarks/training.py --parts {part}", *options])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {
        "race": lambda: race(work, arguments.minutes, arguments.seeds, SHORT),
        "joint": lambda: joint(work, arguments.seeds, arguments.steps, SHORT),
        "loader": lambda: loader(work, SHORT),
        "gpu": lambda: gpu(SHORT),
    }
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--minutes", type=float, default=240, help="of training for each candidate of the race")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400, help="for each task, of the part joint")
    parser.add_argument("--work", type=Path, help="folder of scenes and unfinished runs, to go on with")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        results = {}
        if arguments.out and arguments.out.exists():
            results = json.loads(arguments.out.read_text(encoding="utf-8"))
        for part in arguments.parts:
            command = command_of(part, arguments)
            found = parts[part]()
            if found is None:
                continue
            results[part] = {"command": command, "torch": torch.__version__, **found}
            if arguments.out:
                write_json(arguments.out, results)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))))
    main()
