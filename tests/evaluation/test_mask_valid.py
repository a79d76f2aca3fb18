"""Pixels whose label is not known, from a sample to the figures of a model and of its floors."""

import pytest
import torch
from torch import nn

from fgbgnet.evaluation import Difference, evaluate
from fgbgnet.training.module import DualTaskModule

SIZE = 32


def sample(name, unknown=True):
    """A square in front of a grey wall; in the upper half, where no label is known, the truth says the opposite."""
    bg = torch.full((3, SIZE, SIZE), 0.4)
    square = torch.zeros(1, SIZE, SIZE)
    square[:, 8:24, 10:20] = 1
    valid = torch.ones(1, SIZE, SIZE, dtype=torch.bool)
    valid[:, :16] = not unknown
    return {
        "bg": bg,
        "fg_bg": bg + 0.5 * square,
        "mask": torch.where(valid, square, 1 - square),
        "depth": 3 - square,
        "depth_valid": torch.ones(1, SIZE, SIZE, dtype=torch.bool),
        "id": name,
    } | ({"mask_valid": valid} if unknown else {})


class Perfect(nn.Module):
    depth_unit = "metres"

    def forward(self, bg, fg_bg, tasks=("mask", "depth")):
        square = (fg_bg - bg)[:, :1] * 2
        return {"mask": 20 * square - 10, "depth": 3 - square}


@pytest.mark.parametrize("unknown", [(True, True, True), (True, False, True), (False, False, False)])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_only_known_pixels_count_in_any_figure(unknown, batch_size):
    data = [sample(str(index), say) for index, say in enumerate(unknown)]
    result = evaluate(Perfect(), data, batch_size=batch_size, progress=False)
    assert result.mask["iou"] == result.mask["boundary_iou"] == result.mask["iou_image_mean"] == 1
    assert result.depth["foreground"]["rmse"] == 0
    for name in ("difference", "difference_oracle", "compensated_difference"):
        assert result.floors[name]["iou"] == 1
    fitted = evaluate(Perfect(), data, floor_data=data, progress=False)
    assert fitted.floors["difference"]["iou"] == 1
    assert (
        Difference().fit([{**row, **{k: v[None] for k, v in row.items() if k != "id"}} for row in data]).threshold < 0.5
    )


def test_validity_moves_with_the_frame():
    data = [sample(str(index)) for index in range(3)]
    result = evaluate(Perfect(), data, perturbation=("shift", 5, "fg_bg"), floors=False, progress=False)
    # Moved pixels are rounded to whole ones; one row of the wrong half alone would cost more than a tenth.
    assert result.mask["iou"] > 0.95


def test_training_learns_and_is_judged_by_known_pixels():
    batch = {key: value[None] for key, value in sample("a").items() if key != "id"} | {"id": ["a"]}
    module = DualTaskModule(Perfect())
    module.log = lambda *args, **options: None
    module.validation_step(batch, 0)
    assert module.val_metrics["mask"].compute()["iou"] == 1
    assert module.training_step(batch, 0) < 1e-3
    without = {key: value for key, value in batch.items() if key != "mask_valid"}
    assert module.training_step(without, 0) > 1
