"""What keeping the background's features saves.

Time per frame of ``model(bg, frame)`` and of ``model.fix_background(bg)(frame)`` at batch 1, alternated in one run, and
the largest difference between the two::

    python examples/benchmarks/fixed_camera.py                  # a minute or two
    FGBGNET_SHORT=1 python examples/benchmarks/fixed_camera.py  # seconds
    python examples/benchmarks/fixed_camera.py --out fixed_camera.json
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import torch
from tqdm import tqdm

from fgbgnet import DualHeadUNet, create_model, list_models
from fgbgnet.files import write_json


def models():
    """Every architecture of the zoo as a siamese network, and one with a split encoder and a cross-task step."""
    names = [card.name for card in list_models() if card.name != "classic"]
    yield from ((name, create_model(name, fusion="siamese")) for name in names)
    yield "fgbgnet_s, cross_task", create_model("fgbgnet_s", fusion="siamese", cross_task=True)
    yield "resnet18, abs_diff", DualHeadUNet("resnet18", fusion="siamese", merge="abs_diff", decoder_block="separable")


def milliseconds(work):
    start = time.perf_counter()
    result = work()
    return 1000 * (time.perf_counter() - start), result


def spread(values):
    low, median, high = statistics.quantiles(values, n=4)
    return {"low": low, "median": median, "high": high}


def measure(model, size, rounds):
    """Both ways in turn; ratios are of neighbours in time, so that a slow minute slows both."""
    model = model.eval().to(memory_format=torch.channels_last)
    bg, frame = torch.rand(2, 1, 3, size, size)
    camera = model.fix_background(bg[0])
    whole, kept, difference = [], [], 0.0
    with torch.no_grad():
        for turn in range(rounds + 2):
            milliseconds_whole, expected = milliseconds(lambda: model(bg, frame))
            milliseconds_kept, outputs = milliseconds(lambda: camera(frame))
            difference = max(difference, *(float((outputs[k] - expected[k]).abs().max()) for k in expected))
            if turn >= 2:  # the first ones prepare
                whole.append(milliseconds_whole)
                kept.append(milliseconds_kept)
    return {
        "milliseconds": {"whole": spread(whole), "kept": spread(kept)},
        "ratio": spread([a / b for a, b in zip(whole, kept, strict=True)]),
        "difference": difference,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    size, rounds = (64, 2) if os.environ.get("FGBGNET_SHORT") else (arguments.size, arguments.rounds)
    results = {}
    for name, model in tqdm(list(models()), desc="models", disable=None):
        torch.manual_seed(0)
        results[name] = measure(model, size, rounds)
    print(f"{size} px, batch 1, {torch.get_num_threads()} threads: milliseconds and how many times faster (quartiles)")
    for name, result in results.items():
        ms, ratio = result["milliseconds"], result["ratio"]
        print(
            f"{name:24} whole {ms['whole']['median']:7.1f}  kept {ms['kept']['median']:7.1f}  "
            f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})  difference {result['difference']:g}"
        )
    if arguments.out:
        command = f"python examples/benchmarks/fixed_camera.py --size {size} --rounds {rounds}"
        write_json(
            arguments.out,
            {"command": command, "size": size, "threads": torch.get_num_threads(), "models": results},
        )


if __name__ == "__main__":
    main()
