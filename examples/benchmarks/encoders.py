"""Tries every encoder: forward and backward in a `DualHeadUNet` at 64 × 96, and the split against the library's own.

Results are appended to a CSV file, row by row; a second call goes on where the first one was interrupted::

    python examples/benchmarks/encoders.py --out docs/results/models/encoders.csv          # hours on one core
    python examples/benchmarks/encoders.py --out docs/results/models/encoders.csv --table  # and the package's table
    FGBGNET_SHORT=1 python examples/benchmarks/encoders.py                                 # a few encoders, seconds

Encoders are built in processes of their own, a few in each, so that memory is given back and a crash costs one row.
Very large ones are run on the meta device, which computes shapes only; models of timm without a pyramid are named as
such. Column ``difference`` is the largest one between the encoder split at every stage and the library's own forward,
over features and gradients, in training and in evaluation, with the same weights and the same random numbers.
"""

import argparse
import csv
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from unittest import mock

import torch
from tqdm import tqdm

from fgbgnet import DualHeadUNet
from fgbgnet.errors import FgBgError
from fgbgnet.files import write_bytes
from fgbgnet.models import StagedEncoder, build_encoder, count_parameters
from fgbgnet.models.encoders import adapter, catalogue, names

COLUMNS = (
    "name", "source", "family", "works", "parameters", "strides", "splittable", "size", "device", "difference",
    "in_place", "seconds", "error",
)  # fmt: skip
TABLE_COLUMNS = ("name", "works", "parameters", "strides", "splittable")
SHORT = ("unet_small", "resnet18", "dpn68", "tu-mobilenetv3_small_050", "tu-test_vit", "tu-hiera_tiny_224")
PER_PROCESS = 40
LARGE = 400_000_000  # parameters: four bytes each, twice with gradients
GRADIENTS = 100_000_000


def build(name, in_channels):
    """An encoder, the library's module that it was made of, and which of its features are used."""
    seen = []

    def spy(library, levels, channels_last=False):
        seen.append((library, [level.place for level in levels], channels_last))
        return adapter.adapted(library, levels, channels_last)

    with (
        mock.patch.multiple("fgbgnet.models.encoders.timm", adapted=spy),
        mock.patch.multiple("fgbgnet.models.encoders.smp", adapted=spy),
    ):
        encoder = build_encoder(name, in_channels)
    return encoder, seen[0] if seen else None


def run_all(modules, forward, picture, weights):
    """Features, and gradients of a weighted sum of them."""
    torch.manual_seed(0)
    features = forward(picture)
    gradients = []
    if any(module.training for module in modules):
        parameters = [p for module in modules for p in module.parameters()]
        total = sum((feature * weight).sum() for feature, weight in zip(features, weights, strict=True))
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    return [feature.detach().clone() for feature in features], gradients


def split_everywhere(encoder):
    """The encoder's forward, one stage after the other through `StagedEncoder.split`."""
    parts, rest = [], encoder
    while len(rest.stages) > 1:
        part, rest = rest.split(1)
        parts.append(part)
    parts.append(rest)

    def forward(x):
        features = []
        for part in parts:
            (x,) = part(x)
            features.append(x)
        return features

    return forward


def compare(encoder, source, picture):
    """The largest difference to the library's own forward, and whether a stage writes into its input."""
    library, places, channels_last = source

    def original(x):
        features = library(x)
        chosen = [features[place] for place in places]
        return [feature.permute(0, 3, 1, 2) for feature in chosen] if channels_last else chosen

    split, worst = split_everywhere(encoder), 0.0
    with torch.no_grad():
        encoder.eval()
        generator = torch.Generator().manual_seed(1)
        weights = [torch.rand(feature.shape, generator=generator) for feature in encoder(picture)]
        kept, in_place = picture, False
        for stage in encoder.stages:
            before = kept.clone()
            after = stage(kept)
            in_place = in_place or not torch.equal(before, kept)
            kept = after
    # Gradients of a very large one take minutes, and its stages are the library's own modules whatever their size.
    for mode in (False, True) if count_parameters(encoder) < GRADIENTS else (False,):
        library.train(mode)
        encoder.train(mode)
        with torch.set_grad_enabled(mode):
            pairs = [run_all([encoder], forward, picture, weights) for forward in (original, split)]
        for one, other in zip(*(features + list(gradients) for features, gradients in pairs), strict=True):
            if (one is None) != (other is None):
                return float("inf"), in_place
            if one is not None:
                worst = max(worst, float((one - other).abs().max()))
    return worst, in_place


def bare_encoder(name):
    """For one picture, without memory for its weights if that is possible."""
    try:
        with torch.device("meta"):
            return build_encoder(name, 3)
    except RuntimeError:  # some compute with their first weights
        return build_encoder(name, 3)


def try_one(name, large):
    """One row of the results."""
    row = dict.fromkeys(COLUMNS, "")
    info = catalogue.encoder_info(name)
    row.update(name=name, source=info.source, family=info.family, works="no")
    start = time.perf_counter()
    try:
        bare = bare_encoder(name)
        row.update(parameters=count_parameters(bare), strides=" ".join(map(str, bare.strides)))
        row["splittable"] = "yes" if isinstance(bare, StagedEncoder) else "no"
        device = "cpu" if row["parameters"] <= large else "meta"
        rgb_only = any(name.startswith(f"tu-{pattern.rstrip('*')}") for pattern in ("csatv2",))
        fusion = "siamese" if rgb_only else "early"
        height, width = bare.input_sizes.fixed if bare.input_sizes and bare.input_sizes.fixed else (64, 96)
        row.update(size=f"{height}x{width}", device=device)
        del bare
        with torch.device(device):
            encoder, source = build(name, 3 if rgb_only else 6)
            model = DualHeadUNet(encoder, fusion=fusion, decoder_block="separable")
            bg, fg_bg = torch.rand(2, 2, 3, height, width)
        check(model, bg, fg_bg)
        if device == "cpu" and isinstance(encoder, StagedEncoder) and source:
            encoder.zero_grad(set_to_none=True)
            side = model.normalize(bg)
            picture = side if rgb_only else torch.cat([side, model.normalize(fg_bg)], dim=1)
            worst, in_place = compare(encoder, source, picture)
            row.update(difference=worst, in_place="yes" if in_place else "no")
        row["works"] = "yes"
    except FgBgError as error:
        row["error"] = str(error)
    except Exception as error:  # whatever a library does with one of its models is a result here
        row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    row["seconds"] = round(time.perf_counter() - start, 1)
    return row


def check(model, bg, fg_bg):
    """Forward, on a real device backward too; shapes and values must be sound."""
    outputs = model.train()(bg, fg_bg)
    for output in outputs.values():
        assert output.shape == (len(bg), 1, *bg.shape[-2:]), output.shape
    if bg.device.type == "meta":
        return
    assert all(output.isfinite().all() for output in outputs.values()), "an output is not finite"
    sum(output.mean() for output in outputs.values()).backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients, "no gradients"
    assert all(gradient.isfinite().all() for gradient in gradients), "a gradient is not finite"


def append(path, row):
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def read(path):
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def run(path, todo, large):
    """Runs the encoders that are left, a few per process."""
    bar = tqdm(total=len(todo), unit="encoder", disable=None)
    while todo:
        chunk = todo[:PER_PROCESS]
        ended = subprocess.run(
            [sys.executable, __file__, "--out", path, "--large", str(large), "--names", *chunk], check=False
        ).returncode
        if ended > 0:
            sys.exit(ended)  # a mistake in this script, or an interruption
        done = read(path)
        missing = [name for name in chunk if name not in done]
        if missing:  # the first of these took the process down with it, out of memory for example
            info = catalogue.encoder_info(missing[0])
            row = dict.fromkeys(COLUMNS, "")
            row.update(name=info.name, source=info.source, family=info.family, works="no", error="the process died")
            append(path, row)
        bar.update(len(chunk) - max(0, len(missing) - 1))
        todo = missing[1:] + todo[PER_PROCESS:]
    bar.close()


def write_table(path):
    """What `list_encoders` knows without building anything."""
    lines = [",".join(TABLE_COLUMNS)]
    lines += [",".join(row[column] for column in TABLE_COLUMNS) for row in read(path).values()]
    write_bytes(catalogue.TABLE, ("\n".join(lines) + "\n").encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the CSV file; rows that it has are not computed again")
    parser.add_argument("--names", nargs="+", help="these encoders only, in this process")
    parser.add_argument("--large", type=int, default=LARGE, help="with more parameters: meta device, shapes only")
    parser.add_argument("--table", action="store_true", help="write the table of the package from the results")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    path = arguments.out or Path(tempfile.mkdtemp()) / "encoders.csv"
    if arguments.names:
        for name in arguments.names:
            append(path, try_one(name, arguments.large))
        return
    chosen = SHORT if os.environ.get("FGBGNET_SHORT") else names.known_names()
    done = read(path)
    todo = [name for name in chosen if name not in done]
    run(path, sorted(todo, key=lambda name: catalogue.encoder_info(name).parameters or 0), arguments.large)
    rows = [row for name, row in read(path).items() if name in set(chosen)]
    working = [row for row in rows if row["works"] == "yes"]
    split = [row for row in working if row["splittable"] == "yes"]
    differences = [float(row["difference"]) for row in split if row["difference"]]
    print(f"{len(working)} of {len(rows)} work, {len(split)} can be split")
    print(f"largest difference between a split encoder and the library's own: {max(differences, default=0)}")
    if arguments.table:
        write_table(path)


if __name__ == "__main__":
    main()
