"""What a thin decoder costs in quality.

The encoder of ``fgbgnet_s`` with several decoders. All of a seed are trained side by side on the same batches of
generated scenes, each scene new and with the imperfect backgrounds of `train_transform`, and judged on scenes of
another seed, as they are and with everything wrong at once::

    python examples/benchmarks/decoders.py                  # about a quarter of an hour
    FGBGNET_SHORT=1 python examples/benchmarks/decoders.py  # seconds
    python examples/benchmarks/decoders.py --out decoders.json
"""

import argparse
import os
import statistics
from pathlib import Path

import torch
from tqdm import tqdm

from fgbgnet import SceneDataset, create_model, evaluate, make_loader, train_transform
from fgbgnet.files import write_json
from fgbgnet.losses import DepthLoss, DualTaskLoss
from fgbgnet.models import count_parameters

DECODERS = {
    "double, upsampling 1": {"decoder_block": "double", "upsampling": 1, "decoder_channels": (96, 64, 32, 24, 16)},
    "double, upsampling 4": {"decoder_block": "double", "upsampling": 4, "decoder_channels": (96, 64, 32)},
    "separable, upsampling 1": {"upsampling": 1, "decoder_channels": (256, 128, 64, 32, 16)},
    "separable, upsampling 2": {"upsampling": 2, "decoder_channels": (256, 128, 64, 32)},
    "separable, upsampling 4": {"upsampling": 4, "decoder_channels": (256, 128, 64)},
}
PERTURBATIONS = {"clean": None, "mixed 3": ("mixed", 3)}
LEARNING_RATE = 3e-3


class Training:
    """A network, and what its steps need."""

    def __init__(self, steps, **arguments):
        self.model = create_model("fgbgnet_s", **arguments).to(memory_format=torch.channels_last).train()
        self.model.set_priors(foreground=0.1, depth=3.0)
        self.criterion = DualTaskLoss(depth=DepthLoss(space="log"))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), LEARNING_RATE, weight_decay=1e-3)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, LEARNING_RATE, total_steps=steps)

    def step(self, batch):
        loss = self.criterion(self.model(batch["bg"], batch["fg_bg"]), batch)["total"]
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.schedule.step()


def figures(model, scenes):
    """Mask IoU, boundary IoU and AbsRel, clean and perturbed."""
    result = {}
    for title, perturbation in PERTURBATIONS.items():
        found = evaluate(model, scenes, perturbation=perturbation, floors=False, progress=False).to_dict()
        result[title] = {
            "iou": found["mask"]["iou"],
            "boundary_iou": found["mask"]["boundary_iou"],
            "abs_rel": found["depth"]["abs_rel"],
        }
    return result


def run(seed, size, batch_size, steps, judged):
    """The figures of every decoder after the same steps on the same batches."""
    trainings = {}
    for name, arguments in DECODERS.items():
        torch.manual_seed(seed)  # the encoders start alike
        trainings[name] = Training(steps, **arguments)
    train = SceneDataset(steps * batch_size, size, seed=2 * seed, transform=train_transform(size))
    for batch in tqdm(make_loader(train, batch_size, train=True, seed=seed), desc=f"seed {seed}", disable=None):
        for training in trainings.values():
            training.step(batch)
    unseen = SceneDataset(judged, size, seed=2 * seed + 1)
    return {name: figures(training.model.eval(), unseen) for name, training in trainings.items()}


def summary(name, runs):
    model = create_model("fgbgnet_s", **DECODERS[name])
    values = {
        title: {key: [run[name][title][key] for run in runs] for key in runs[0][name][title]} for title in PERTURBATIONS
    }
    return {
        "parameters": count_parameters(model),
        "gmacs": float(model.summary(224).splitlines()[-1].split()[2]),
        "figures": values,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--judged", type=int, default=256, help="scenes that the figures are of")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    size, batch_size, steps = arguments.size, arguments.batch_size, arguments.steps
    seeds, judged = arguments.seeds, arguments.judged
    if os.environ.get("FGBGNET_SHORT"):
        size, batch_size, steps, seeds, judged = 32, 4, 2, 1, 4
    runs = [run(seed, size, batch_size, steps, judged) for seed in range(seeds)]
    results = {name: summary(name, runs) for name in DECODERS}
    print(f"{size} px, {steps} steps of {batch_size}, {judged} unseen scenes: mean of {seeds} seeds, clean / mixed 3")
    for name, result in results.items():
        cells = [
            f"{key} " + " / ".join(f"{statistics.mean(result['figures'][title][key]):.3f}" for title in PERTURBATIONS)
            for key in ("iou", "boundary_iou", "abs_rel")
        ]
        print(f"{name:26} {result['parameters'] / 1e6:.2f} M  {result['gmacs']:.3f} GMACs  {'   '.join(cells)}")
    if arguments.out:
        command = (
            f"python examples/benchmarks/decoders.py --size {size} --batch-size {batch_size} --steps {steps} "
            f"--seeds {seeds} --judged {judged}"
        )
        write_json(arguments.out, {"command": command, "scenes": judged, "decoders": results})


if __name__ == "__main__":
    main()
