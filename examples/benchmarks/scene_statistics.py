"""How much generated scenes look like photographs, in figures: colour, contrast, edges, spectrum, depth.

The same numbers are taken of generated scenes and of real pictures, all at one size; each is the mean over the pictures
with their standard deviation::

    python examples/benchmarks/scene_statistics.py --photos FOLDER --depth MANIFEST --out statistics.json
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from fgbgnet import PairedFgBgDataset
from fgbgnet.files import write_json
from fgbgnet.synth import SceneGenerator
from fgbgnet.synth.composites.cutouts import find_pictures, load_background
from fgbgnet.synth.scenes.generator import GENERATOR_VERSION

SIZE = 128


def picture_figures(rgb: np.ndarray) -> dict[str, float]:
    """Figures of one picture, (H, W, 3) in [0, 1]."""
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    dy, dx = np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1]
    gradient = np.hypot(dx, dy)
    window = np.hanning(len(grey))[:, None] * np.hanning(grey.shape[1])[None]
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(len(grey))[:, None], np.fft.fftfreq(grey.shape[1])[None])
    band = (frequency > 0.03) & (frequency < 0.35)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band] + 1e-9), 1)[0]
    return {
        "luminance": float(grey.mean()),
        "contrast (sd of luminance)": float(grey.std()),
        "saturation (max - min)": float(np.ptp(rgb, axis=2).mean()),
        "dark share (< 0.1)": float((grey < 0.1).mean()),
        "bright share (> 0.9)": float((grey > 0.9).mean()),
        "edge share (gradient > 0.1)": float((gradient > 0.1).mean()),
        "flat share (gradient < 0.01)": float((gradient < 0.01).mean()),
        "gradient kurtosis": float((dx**4).mean() / ((dx**2).mean() ** 2 + 1e-12)),
        "slope of the power spectrum": float(slope),
    }


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 to 1, ties at their middle."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return ((np.cumsum(counts) - counts / 2) / counts.sum())[inverse]


def depth_figures(depth: np.ndarray, valid: np.ndarray) -> dict[str, float]:
    """Figures of one depth map that no unit, scale or tone curve changes; the sky counts as farthest."""
    rank = ranks(np.where(valid, depth, np.inf).ravel()).reshape(depth.shape)
    rows, _ = np.mgrid[: depth.shape[0], : depth.shape[1]]
    thirds = np.array_split(rank, 3, axis=0)
    return {
        "rank correlation of depth with height in the picture": float(np.corrcoef(rank.ravel(), -rows.ravel())[0, 1]),
        "mean rank, upper third": float(thirds[0].mean()),
        "mean rank, middle third": float(thirds[1].mean()),
        "mean rank, lower third": float(thirds[2].mean()),
        "rank at the centre minus at the sides": float(
            rank[:, 48:80].mean() - rank[:, [*range(32), *range(96, 128)]].mean()
        ),
    }


def summary(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {
        key: {"mean": float(np.mean([r[key] for r in rows])), "sd": float(np.std([r[key] for r in rows]))}
        for key in rows[0]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", action="append", default=[], help="folder of photographs; repeatable")
    parser.add_argument("--depth", action="append", default=[], help="manifest of pictures with depth; repeatable")
    parser.add_argument("--n", type=int, default=8 if os.environ.get("FGBGNET_SHORT") else 300, help="generated scenes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    scenes = SceneGenerator(SIZE, arguments.seed).batch(range(arguments.n))
    pictures = {"scenes": summary([picture_figures(x) for x in scenes["bg"].permute(0, 2, 3, 1).double().numpy()])}
    valid = scenes["depth_valid"][:, 0].numpy()
    depths = {
        "scenes": summary([depth_figures(d, v) for d, v in zip(scenes["depth"][:, 0].numpy(), valid, strict=True)])
    }
    photos = [path for folder in arguments.photos for path in find_pictures(folder, "--photos")]
    if photos:
        rows = [picture_figures(load_background(path, (SIZE, SIZE)) / 255) for path in photos]
        pictures[f"photographs ({len(rows)})"] = summary(rows)
    rows = []
    for manifest in arguments.depth:
        for sample in PairedFgBgDataset(manifest):
            depth, valid = (
                np.asarray(Image.fromarray(sample[key][0].numpy()).resize((SIZE, SIZE), Image.Resampling.NEAREST))
                for key in ("depth", "depth_valid")
            )
            rows.append(depth_figures(depth, valid))
    if rows:
        depths[f"given depth maps ({len(rows)})"] = summary(rows)
    for table in (pictures, depths):
        print("\n" + " " * 54 + "".join(f"{name:>28}" for name in table))
        for key in next(iter(table.values())):
            print(f"{key:54}" + "".join(f"{t[key]['mean']:17.3f} +- {t[key]['sd']:7.3f}" for t in table.values()))
    if arguments.out:
        command = "python examples/benchmarks/scene_statistics.py --photos FOLDER --depth MANIFEST --out FILE"
        record = {"command": command, "generator_version": GENERATOR_VERSION, "size": SIZE, "n": arguments.n,
                  "pictures": pictures, "depth": depths}  # fmt: skip
        write_json(arguments.out, json.loads(json.dumps(record)))


if __name__ == "__main__":
    main()
