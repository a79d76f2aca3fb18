"""
A plain PyTorch loop
====================

The pieces stand alone: data, model, loss and metrics in a loop of your own, without Lightning.
"""

import os
import tempfile

import torch

from fgbgnet import (
    DepthLoss,
    DualTaskLoss,
    SceneDataset,
    create_model,
    eval_transform,
    make_loader,
    seeded_split,
    train_transform,
)
from fgbgnet.metrics import compute_depth_metrics, compute_mask_metrics, depth_statistics, mask_statistics
from fgbgnet.plotting import plot_sample

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
SCENES, SIZE, EPOCHS = (48, 48, 2) if SHORT else (2000, 64, 10)

# %%
# Data: generated rooms, four frames to a background. Whole backgrounds are held out.

rooms = SceneDataset(SCENES, size=SIZE, scenes_per_background=4)
train, val = seeded_split(rooms, (0.8, 0.2), transforms=(train_transform(SIZE), eval_transform(SIZE)))
train_loader = make_loader(train, batch_size=16, train=True, seed=0)
val_loader = make_loader(val, batch_size=16, train=False)

# %%
# Model, loss, optimiser. Pictures go in as they are, in [0, 1]: the model normalises them itself.

torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"
model = create_model("fgbgnet_xs", input_size=SIZE).to(device)
model.set_priors(foreground=0.1, depth=3.0)  # where learning starts: a tenth is foreground, three metres away
loss_function = DualTaskLoss(depth=DepthLoss(space="log"))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=EPOCHS * len(train_loader))


def to_device(batch):
    return {key: value.to(device) if torch.is_tensor(value) else value for key, value in batch.items()}


# %%
# The loop. Metrics are sums that add up over batches: pooled, not averages of averages.

for epoch in range(EPOCHS):
    model.train()
    for batch in map(to_device, train_loader):
        losses = loss_function(model(batch["bg"], batch["fg_bg"]), batch)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        schedule.step()

    model.eval()
    mask_sums = depth_sums = 0
    with torch.inference_mode():
        for batch in map(to_device, val_loader):
            outputs = model(batch["bg"], batch["fg_bg"])
            mask_sums += mask_statistics(outputs["mask"], batch["mask"])
            depth_sums += depth_statistics(outputs["depth"], batch["depth"], batch["depth_valid"])
    mask, depth = compute_mask_metrics(mask_sums), compute_depth_metrics(depth_sums)
    print(f"epoch {epoch}: loss {losses['total']:.3f}, IoU {mask['iou']:.3f}, AbsRel {depth['abs_rel']:.3f}")

# %%
# Keep it, load it, use it. The folder holds the configuration and the weights; loading never touches the network.

with tempfile.TemporaryDirectory() as folder:
    model.save_pretrained(folder)
    model = type(model).from_pretrained(folder)

sample = val[0]
plot_sample(sample, model.predict(sample["bg"], sample["fg_bg"]))
