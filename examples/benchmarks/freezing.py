"""What moves in a frozen task while the other one learns: ``requires_grad_(False)`` beside ``freeze_branch``.

The encoder and the mask's branch are frozen after three steps of both tasks, and the depth is trained on. The largest
changes of the frozen weights, of the frozen BatchNorm statistics, and of the probability that the frozen task says::

    python examples/benchmarks/freezing.py                  # some minutes
    FGBGNET_SHORT=1 python examples/benchmarks/freezing.py  # seconds
    python examples/benchmarks/freezing.py --out docs/results/models/freezing.json
"""

import argparse
import copy
import os
from itertools import product
from pathlib import Path

import torch
from tqdm import tqdm

from fgbgnet import DualHeadUNet, DualTaskLoss, SceneDataset, freeze_branch, make_loader
from fgbgnet.files import write_json

ENCODERS = ("unet_small", "resnet18", "efficientnet-b0")
OPTIMIZERS = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, weight_decay=1e-2),
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-2),
}
CLEARINGS = ("to None", "to zero", "of what learns")
FROZEN = ("shared", "mask")


def clear(optimizer, clearing):
    if clearing != "of what learns":
        optimizer.zero_grad(set_to_none=clearing == "to None")
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.requires_grad:
                parameter.grad = None


def step(model, optimizer, batch, clearing, task):
    losses = DualTaskLoss()(model(batch["bg"], batch["fg_bg"]), batch)
    clear(optimizer, clearing)
    losses[task].backward()
    optimizer.step()


def frozen_state(model, batch):
    """Weights and statistics of what is frozen, and the mask's probability in evaluation mode."""
    branches = [model.branches()[name] for name in FROZEN]
    with torch.no_grad():
        mask = copy.deepcopy(model).eval()(batch["bg"], batch["fg_bg"], tasks="mask")["mask"]
    return {
        "weights": [parameter.detach().clone() for branch in branches for parameter in branch.parameters()],
        "statistics": [b.clone() for branch in branches for b in branch.buffers() if b.is_floating_point()],
        "probability": [mask.sigmoid()],
    }


def movement(encoder, optimizer, clearing, freeze, batches, steps):
    torch.manual_seed(0)
    model = DualHeadUNet(encoder, decoder_block="separable").train()
    algorithm = OPTIMIZERS[optimizer](model.parameters())
    for turn in range(3):
        step(model, algorithm, batches[turn % len(batches)], "to None", "total")
    freeze(model)
    before = frozen_state(model, batches[0])
    for turn in range(steps):
        step(model.train(), algorithm, batches[turn % len(batches)], clearing, "depth")
    after = frozen_state(model, batches[0])
    return {
        kind: max((float((a - b).abs().max()) for a, b in zip(before[kind], after[kind], strict=True)), default=0.0)
        for kind in before
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    steps, encoders = arguments.steps, ENCODERS
    if os.environ.get("FGBGNET_SHORT"):
        steps, encoders = 2, ENCODERS[:1]
    torch.set_num_threads(1)  # the figures do not depend on how sums are divided
    size = 32
    batches = list(make_loader(SceneDataset(16, size=size), batch_size=4, train=False))
    ways = {
        "requires_grad_(False)": lambda model: [model.branches()[name].requires_grad_(False) for name in FROZEN],
        "freeze_branch": lambda model: freeze_branch(model, *FROZEN),
    }
    rows = []
    print(f"largest change after {steps} steps of the depth: weights, BatchNorm statistics, probability of the mask")
    for encoder, optimizer, clearing in tqdm(list(product(encoders, OPTIMIZERS, CLEARINGS)), disable=None):
        row = {"encoder": encoder, "optimizer": optimizer, "gradients cleared": clearing}
        for name, freeze in ways.items():
            row[name] = movement(encoder, optimizer, clearing, freeze, batches, steps)
            changes = "".join(f"{change:10.2g}" for change in row[name].values())
            tqdm.write(f"{encoder:18}{optimizer:7}{clearing:16}{name:24}{changes}")
        rows.append(row)
    if arguments.out:
        command = f"python examples/benchmarks/freezing.py --steps {steps}"
        write_json(arguments.out, {"command": command, "steps": steps, "size": size, "rows": rows})


if __name__ == "__main__":
    main()
