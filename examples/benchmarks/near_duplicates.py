"""How many copies of pictures are found, how many other pictures are taken for copies, and how long the search takes.

Copies are made by one change each and compared with their originals; all originals are compared with each other. The
search among hashes is compared with a comparison of all with all, in turns::

    python examples/benchmarks/near_duplicates.py --photos FOLDER --out near_duplicates.json
"""

import argparse
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fgbgnet.data import hash_thumbnails, near_duplicates, read_rgb, same_picture, similar_pictures, thumbnail
from fgbgnet.files import write_json
from fgbgnet.synth import SceneGenerator
from fgbgnet.synth.composites.cutouts import find_pictures

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
DISTANCE = 8
MANY = [2_000] if SHORT else [20_000, 100_000, 400_000]


def jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    content = io.BytesIO()
    Image.fromarray(rgb).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def resized(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(rgb).resize((max(width, 1), max(height, 1)), Image.Resampling.BICUBIC))


def scaled(rgb: np.ndarray, factor: float) -> np.ndarray:
    return resized(rgb, round(rgb.shape[1] * factor), round(rgb.shape[0] * factor))


def lit(rgb: np.ndarray, gain: float = 1, offset: float = 0, gamma: float = 1) -> np.ndarray:
    return np.clip(255 * (rgb / 255) ** gamma * gain + offset, 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG, quality 75": lambda x: jpeg(x, 75),
    "JPEG, quality 30": lambda x: jpeg(x, 30),
    "half the size": lambda x: scaled(x, 0.5),
    "squeezed to 64 x 64": lambda x: resized(x, 64, 64),
    "gain 0.85": lambda x: lit(x, gain=0.85),
    "gain 1.2": lambda x: lit(x, gain=1.2),
    "offset 20": lambda x: lit(x, offset=20),
    "gamma 0.7": lambda x: lit(x, gamma=0.7),
    "0.6 of the size, gain 1.1, offset -8, JPEG 50": lambda x: jpeg(lit(scaled(x, 0.6), 1.1, -8), 50),
    "1 % cut off at one side": lambda x: x[:, max(1, round(x.shape[1] * 0.01)) :],
    "3 % cut off at one side": lambda x: x[:, max(1, round(x.shape[1] * 0.03)) :],
    "6 % cut off at one side": lambda x: x[:, max(1, round(x.shape[1] * 0.06)) :],
}


def recall(pictures: list[np.ndarray]) -> dict[str, dict[str, float]]:
    """Share of the copies found, and the largest distance of a hash, by change."""
    thumbs = np.stack([thumbnail(picture) for picture in pictures])
    hashes = hash_thumbnails(thumbs)
    found = {}
    for name, change in CHANGES.items():
        copies = np.stack([thumbnail(np.ascontiguousarray(change(picture))) for picture in pictures])
        distances = np.bitwise_count(hashes ^ hash_thumbnails(copies))
        same = np.array([same_picture(a, b) for a, b in zip(thumbs, copies, strict=True)])
        found[name] = {"found": float((same & (distances <= DISTANCE)).mean()), "largest": int(distances.max())}
    return found


def originals(pictures: list[np.ndarray]) -> dict[str, int]:
    """Pairs of originals that the hashes, and then the thumbnails, take for copies."""
    thumbs = np.stack([thumbnail(picture) for picture in pictures])
    hashes = hash_thumbnails(thumbs)
    return {
        "n": len(thumbs),
        "pairs": len(thumbs) * (len(thumbs) - 1) // 2,
        "plain": int((hashes == 0).sum()),
        "candidates": len(near_duplicates(hashes, DISTANCE)),
        "copies": len(similar_pictures(thumbs, DISTANCE)),
        "copies_or_mirrored": len(similar_pictures(thumbs, DISTANCE, mirrored=True)),
    }


def compare_all(hashes: np.ndarray) -> int:
    """The search without bands: the number of pairs."""
    return sum(
        int((np.bitwise_count(value ^ hashes[i + 1 :]) <= DISTANCE).sum()) for i, value in enumerate(hashes[:-1])
    )


def search(rounds: int) -> dict[str, dict[str, float]]:
    """Seconds of the search among random hashes of which a hundredth are copies, beside the comparison of all."""
    rng = np.random.default_rng(0)
    figures = {}
    for count in MANY:
        hashes = rng.integers(1, 2**64, count, dtype=np.uint64)
        hashes[: count // 100] = hashes[count // 100 : 2 * (count // 100)] ^ np.uint64(0b1011)
        rows = []
        for _ in range(rounds):
            start = time.perf_counter()
            pairs = len(near_duplicates(hashes, DISTANCE))
            seconds = time.perf_counter() - start
            ratio = None
            if count <= MANY[0]:
                start = time.perf_counter()
                if compare_all(hashes) != pairs:
                    raise AssertionError("the search and the comparison of all differ")
                ratio = (time.perf_counter() - start) / seconds
            rows.append((seconds, ratio))
        seconds = [row[0] for row in rows]
        ratios = [row[1] for row in rows if row[1] is not None]
        figures[str(count)] = {
            "pairs": pairs,
            "seconds": float(np.median(seconds)),
            "least": min(seconds),
            "most": max(seconds),
            "all_with_all_over_search": float(np.median(ratios)) if ratios else None,
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", action="append", default=[], help="folder of photographs; repeatable")
    parser.add_argument("--n", type=int, default=40 if SHORT else 2000, help="generated scenes")
    parser.add_argument("--rounds", type=int, default=1 if SHORT else 3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    generator = SceneGenerator(96, arguments.seed)
    scenes: list[np.ndarray] = []
    for start in range(0, arguments.n, 50):
        batch = generator.batch(range(start, min(start + 50, arguments.n)))["bg"]
        scenes += list((batch.permute(0, 2, 3, 1) * 255).round().byte().numpy())
    sources = {"scenes": scenes}
    photos = [read_rgb(path) for folder in arguments.photos for path in find_pictures(folder, "--photos")]
    if photos:
        sources["photographs"] = photos
    record = {
        "command": "python examples/benchmarks/near_duplicates.py --photos FOLDER --out FILE",
        "max_distance": DISTANCE,
        "recall": {name: recall(pictures) for name, pictures in sources.items()},
        "originals": {name: originals(pictures) for name, pictures in sources.items()},
        "search": search(arguments.rounds),
    }
    for name, figures in record["recall"].items():
        print(f"{name}: {record['originals'][name]}")
        for change, values in figures.items():
            print(f"  {change:48}{values['found']:8.1%} found, largest distance {values['largest']}")
    for count, values in record["search"].items():
        print(f"{count} hashes: {values}")
    if arguments.out:
        write_json(arguments.out, record)


if __name__ == "__main__":
    main()
