"""Part of `training.py`: from nothing to good masks on a GPU, with scenes that are made there, too."""

import time

import torch
from tqdm import tqdm

from fgbgnet import DualTaskLoss, MaskLoss, SceneGenerator, create_model
from fgbgnet.metrics import MaskMetrics
from fgbgnet.training.schedule import warm_cosine

TARGET, SIZE, LIMIT = 0.95, 224, 120.0
MODEL, BATCH, RATE, EVERY = "fgbgnet_s", 64, 8e-3, 100
STORE, FRESH = 8192, 32
"""Scenes that are kept on the device, and how many of them every step replaces by new ones."""
KEYS = ("bg", "fg_bg", "mask")


class Store:
    """Scenes on the device, some of which are replaced at every step; it starts with one batch and grows."""

    def __init__(self, generator, capacity, fresh):
        self.generator, self.capacity, self.fresh, self.made = generator, capacity, fresh, 0
        side = generator.size
        self.layers = {
            key: torch.empty((capacity, 3 if key != "mask" else 1, *side), dtype=torch.uint8, device=generator.device)
            for key in KEYS
        }

    def add(self, count):
        scenes = self.generator.batch(range(self.made, self.made + count))
        places = (torch.arange(self.made, self.made + count) % self.capacity).to(self.generator.device)
        for key in KEYS:
            self.layers[key][places] = (scenes[key] * 255).round().byte()
        self.made += count

    def draw(self, count):
        """A random batch; half of the pairs are mirrored."""
        device = self.generator.device
        chosen = torch.randint(min(self.made, self.capacity), (count,), device=device)
        mirrored = torch.rand(count, 1, 1, 1, device=device) < 0.5
        batch = {key: layer[chosen].float() / 255 for key, layer in self.layers.items()}
        return {key: torch.where(mirrored, layer.flip(3), layer) for key, layer in batch.items()}


def train(device, size, batch_size, store_size, fresh, limit, every):
    """Trains until the limit; the rate follows the share of it that is used. Validation stands outside of the clock."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    model = create_model(MODEL).to(device)
    validation = SceneGenerator(size, seed=1, device=device)
    held_out = [validation.batch(range(first, first + 64)) for first in range(0, 512 if size == SIZE else 64, 64)]
    loss_function, curve = DualTaskLoss(MaskLoss()), []
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=1e-2)
    seconds, steps, start = 0.0, 0, time.perf_counter()
    store = Store(SceneGenerator(size, seed=0, device=device), store_size, fresh)
    store.add(batch_size)
    with tqdm(desc="gpu", unit="step", disable=None) as bar:
        while seconds < limit and not (curve and curve[-1]["iou"] >= TARGET):
            store.add(fresh)
            for group in optimizer.param_groups:
                group["lr"] = RATE * warm_cosine(min(1.0, seconds / limit), 0.1)
            batch = store.draw(batch_size)
            with torch.autocast(device.type, torch.bfloat16):
                outputs = model(batch["bg"], batch["fg_bg"], tasks=("mask",))
            optimizer.zero_grad()
            loss_function(outputs, batch)["total"].backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            steps += 1
            bar.update()
            if device.type == "cuda" and steps % 10 == 0:
                torch.cuda.synchronize()  # the clock must not run ahead of the device
            now = time.perf_counter()
            seconds, start = seconds + now - start, now
            if steps % every == 0 or seconds >= limit:
                if device.type == "cuda":
                    torch.cuda.synchronize()
                seconds += time.perf_counter() - start
                curve.append({"steps": steps, "seconds": seconds, "scenes": store.made, "iou": judge(model, held_out)})
                start = time.perf_counter()
    return curve


@torch.no_grad()
def judge(model, batches):
    model.eval()
    metric = MaskMetrics().to(batches[0]["bg"].device)
    for batch in batches:
        metric.update(model(batch["bg"], batch["fg_bg"], tasks=("mask",))["mask"], batch["mask"])
    model.train()
    return float(metric.compute()["iou"])


def gpu(short=False):
    """The curve of IoU over time on the GPU; in the short mode a few steps on whatever there is."""
    if short:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        curve = train(device, 32, 4, 16, 2, 1.0, 2)
        return {"device": "short mode", "curve": curve}
    if not torch.cuda.is_available():
        print("no GPU here: the part 'gpu' was not measured")
        return None
    curve = train(torch.device("cuda"), SIZE, BATCH, STORE, FRESH, LIMIT, EVERY)
    for entry in curve:
        print(f"gpu: {entry['steps']} steps, {entry['seconds']:.0f} s, IoU {entry['iou']:.3f}")
    return {"device": torch.cuda.get_device_name(), "model": MODEL, "size": SIZE, "batch_size": BATCH,
            "target": TARGET, "limit": LIMIT, "reached": curve[-1]["iou"] >= TARGET, "curve": curve}  # fmt: skip
