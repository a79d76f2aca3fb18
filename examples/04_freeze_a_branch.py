"""
Freeze a branch
===============

``freeze_branch`` holds a branch still to the last bit while the other task learns. Clearing ``requires_grad`` does not,
and this page measures by how much.
"""

import os

import torch

from fgbgnet import DualTaskLoss, SceneDataset, create_model, freeze_branch, frozen, frozen_branches, make_loader

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
STEPS = 5 if SHORT else 50

batch = next(iter(make_loader(SceneDataset(8, size=48), batch_size=8, train=False)))
loss_function = DualTaskLoss()


def step(model, optimizer, task):
    """One step of the usual kind: both heads run, one of the losses counts ("total": both)."""
    losses = loss_function(model(batch["bg"], batch["fg_bg"]), batch)
    optimizer.zero_grad(set_to_none=False)  # the default until PyTorch 2.0
    losses[task].backward()
    optimizer.step()


def depth_branch(model):
    """Its parameters, its BatchNorm statistics, and what it predicts."""
    training = model.training
    with torch.inference_mode():
        depth = model.eval()(batch["bg"], batch["fg_bg"], tasks=("depth",))["depth"]
    model.train(training)
    branch = model.depth_branch
    weights = torch.cat([parameter.detach().flatten() for parameter in branch.parameters()])
    statistics = torch.cat([buffer for buffer in branch.buffers() if buffer.is_floating_point()])
    return [weights, statistics, depth]


def largest_changes(freeze):
    """How far the depth branch moves while the mask alone is trained."""
    torch.manual_seed(0)
    model = create_model("fgbgnet_xs").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    for _ in range(2):
        step(model, optimizer, "total")  # both tasks at first: the optimiser gets its momentum
    freeze(model)
    before = [layer.clone() for layer in depth_branch(model)]
    for _ in range(STEPS):
        step(model, optimizer, "mask")
    return [(now - then).abs().max().item() for now, then in zip(depth_branch(model), before, strict=True)]


# %%
# Four ways to leave the depth alone
# ----------------------------------
# - Nothing: the loss of the mask alone, and hope.
# - ``requires_grad_(False)``: momentum and weight decay still move the parameters, and BatchNorm statistics drift.
# - ``freeze_branch(model, "depth")``: parameters and statistics keep every bit. The prediction still changes, because
#   the shared encoder goes on learning.
# - ``freeze_branch(model, "shared", "depth")``: the prediction keeps every bit too.

ways = {
    "nothing": lambda model: None,
    "requires_grad_(False)": lambda model: model.depth_branch.requires_grad_(False),
    'freeze_branch("depth")': lambda model: freeze_branch(model, "depth"),
    'freeze_branch("shared", "depth")': lambda model: freeze_branch(model, "shared", "depth"),
}
changes = {name: largest_changes(way) for name, way in ways.items()}

print(f"largest change after {STEPS} steps of the mask")
print(f"{'':34}{'parameters':>12}{'statistics':>12}{'prediction':>12}")
for name, row in changes.items():
    print(f"{name:34}" + "".join(f"{change:12.2g}" for change in row))

# %%
# The promise, as assertions:

assert changes['freeze_branch("depth")'][:2] == [0, 0]
assert changes['freeze_branch("shared", "depth")'] == [0, 0, 0]
assert min(changes["requires_grad_(False)"]) > 0

# %%
# For a while only
# ----------------
# ``frozen`` freezes for the length of a block; ``unfreeze_branch`` undoes ``freeze_branch``.

model = create_model("fgbgnet_xs").train()
with frozen(model, "depth"):
    model.train()  # a frozen branch stays in evaluation mode all the same
    print(frozen_branches(model), model.mask_branch.training, model.depth_branch.training)
print(frozen_branches(model), model.mask_branch.training, model.depth_branch.training)
