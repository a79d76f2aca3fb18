import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Subset

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.evaluation import CompensatedDifference, Difference, Evaluation, evaluate
from fgbgnet.evaluation.floors import even_subset
from fgbgnet.metrics import compute_depth_metrics, compute_mask_metrics, depth_statistics, mask_statistics
from fgbgnet.synth import SceneDataset
from fgbgnet.synth.perturb import perturb


class Scenes(list):
    """Samples with groups and a unit, as the datasets of the library have them."""

    depth_unit = "metres"

    def __init__(self, samples, backgrounds):
        super().__init__(samples)
        self.backgrounds = backgrounds

    def group_ids(self, by):
        assert by == "bg"
        return np.array(self.backgrounds)


def scenes(n=10, each=1, sizes=((24, 24),), valid=True):
    generator = torch.Generator().manual_seed(0)
    samples, names = [], []
    for index in range(n):
        height, width = sizes[index % len(sizes)]
        if index % each == 0:
            room = 0.3 + 0.3 * torch.rand(3, height, width, generator=generator)
        mask = torch.zeros(1, height, width)
        if index % 4:
            top = 2 + index % 5
            mask[:, top : top + 9, 5:14] = 1
        colour = 0.08 + 0.25 * torch.rand(3, 1, 1, generator=generator)
        noise = 0.08 * torch.rand(3, height, width, generator=generator)
        depth = (2 + index // each + torch.linspace(0, 1, width).expand(1, height, width)) - 1.5 * mask
        depth = depth + 0.2 * torch.rand(1, 1, 1, generator=generator)
        usable = torch.full((1, height, width), valid)
        usable[:, :2] = False
        samples.append(
            {
                "bg": room,
                "fg_bg": (room + colour * mask + noise).clamp(0, 1),
                "mask": mask,
                "depth": torch.where(usable, depth, 0),
                "depth_valid": usable,
                "id": f"scene {index}",
            }
        )
        names.append(f"room {index // each}")
    return Scenes(samples, names)


class Fake(nn.Module):
    """Brightness as a mask, redness as a depth; counts what it sees."""

    depth_unit = "metres"

    def __init__(self, tasks=("mask", "depth")):
        super().__init__()
        self.tasks, self.seen = tasks, []
        self.frozen, self.norm = nn.Dropout(0.5), nn.BatchNorm2d(3)

    def forward(self, bg, fg_bg, tasks=("mask", "depth")):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.seen.append(tuple(bg.shape))
        difference = self.norm(fg_bg) - self.norm(bg)
        layers = {"mask": 40 * difference.mean(1, keepdim=True) - 10, "depth": 1 + 4 * fg_bg[:, :1]}
        return {task: layers[task] for task in self.tasks}


def by_hand(model, dataset, alignment="none", aggregation="pixel", min_depth=1e-3):
    mask = depth = 0
    model = model.eval()
    with torch.inference_mode():
        for sample in dataset:
            batch = {key: value[None] for key, value in sample.items() if key != "id"}
            outputs = model(batch["bg"], batch["fg_bg"])
            mask = mask + mask_statistics(outputs["mask"], batch["mask"])
            layers = outputs["depth"], batch["depth"], batch["depth_valid"], batch["mask"]
            depth = depth + depth_statistics(*layers, alignment=alignment, min_depth=min_depth)
    return compute_mask_metrics(mask), compute_depth_metrics(depth, aggregation)


def flat(figures):
    return {
        f"{key}.{inner}" if inner else key: value
        for key, item in figures.items()
        for inner, value in (item.items() if isinstance(item, dict) else [("", item)])
    }


@pytest.mark.parametrize("batch_size", [1, 4, 16])
@pytest.mark.parametrize("sizes", [((24, 24),), ((24, 24), (24, 24), (20, 31))])
def test_figures_equal_those_computed_one_by_one(batch_size, sizes):
    data = scenes(sizes=sizes)
    result = evaluate(Fake(), data, batch_size=batch_size, floors=False, progress=False)
    mask, depth = by_hand(Fake(), data)
    assert result.n == 10
    assert result.floors == {}
    assert result.mask == pytest.approx(mask)
    assert flat(result.depth) == pytest.approx(flat(depth), rel=1e-5)
    assert 0.3 < mask["iou"] < 1


def test_batches_hold_one_size_each():
    model = Fake()
    evaluate(model, scenes(5, sizes=((24, 24), (24, 24), (20, 31))), batch_size=3, floors=False, progress=False)
    assert model.seen == [(2, 3, 24, 24), (1, 3, 20, 31), (2, 3, 24, 24)]


def test_workers_change_nothing():
    data = scenes(each=5)
    alone, helped = (evaluate(Fake(), data, num_workers=w, batch_size=3, progress=False) for w in (0, 2))
    assert alone.to_dict() == helped.to_dict()


def test_every_module_gets_its_mode_back_even_after_an_error():
    model = Fake().train()
    model.frozen.eval()
    evaluate(model, scenes(2), progress=False)
    assert [m.training for m in (model, model.norm, model.frozen)] == [True, True, False]
    with pytest.raises(InvalidArgumentError, match="expected 'mask', 'depth' or both"):
        evaluate(Fake(tasks=()).train(), scenes(2), progress=False)
    model.tasks = ("nothing",)
    with pytest.raises(KeyError):
        evaluate(model, scenes(2), progress=False)
    assert [m.training for m in (model, model.norm, model.frozen)] == [True, True, False]


def test_a_floor_evaluated_as_a_model_equals_itself_as_a_floor():
    data = scenes()
    for floor in (Difference(), CompensatedDifference()):
        result = evaluate(floor, data, progress=False)
        name = "difference" if type(floor) is Difference else "compensated_difference"
        beside = dict(result.floors[name])
        assert beside.pop("threshold") == 24 / 255
        assert beside == pytest.approx(result.mask)
        assert result.depth is None
        assert not {"global_mean", "background_mean"} & set(result.floors)


def test_the_oracle_is_the_best_threshold_on_the_evaluated_pictures():
    data = scenes()
    oracle = evaluate(Fake(), data, progress=False).floors["difference_oracle"]
    ious = [evaluate(Difference((k + 0.5) / 255), data, floors=False, progress=False).mask["iou"] for k in range(120)]
    assert oracle["iou"] == pytest.approx(max(ious))
    again = evaluate(Difference(oracle["threshold"]), data, floors=False, progress=False).mask
    for key in ("iou", "iou_image_mean", "f1", "precision", "recall", "dice_image_mean", "fpr_empty"):
        assert oracle[key] == pytest.approx(again[key])
    assert math.isnan(oracle["boundary_iou"])


def test_floor_data_sets_the_thresholds_and_the_mean():
    data, other = scenes(), scenes(6)
    for sample in other:
        sample["depth"] = sample["depth"] + 10 * sample["depth_valid"]
    result = evaluate(Fake(), data, floor_data=other, progress=False)
    batch = {key: torch.stack([s[key] for s in other]) for key in ("bg", "fg_bg", "mask", "depth", "depth_valid")}
    assert result.floors["difference"]["threshold"] == Difference().fit([batch]).threshold
    assert result.floors["global_mean"]["mean"] == pytest.approx(batch["depth"][batch["depth_valid"]].mean().item())
    assert result.protocol["floors_fitted_on"] == "floor_data"


def test_global_mean_floor_by_hand():
    data = scenes()
    figures = evaluate(Fake(), data, progress=False).floors["global_mean"]
    truth = torch.cat([s["depth"][s["depth_valid"]] for s in data])
    mean = truth.mean()
    assert figures["mean"] == pytest.approx(mean.item())
    assert figures["rmse"] == pytest.approx((truth - mean).square().mean().sqrt().item(), rel=1e-5)
    assert figures["abs_rel"] == pytest.approx(((truth - mean).abs() / truth).mean().item(), rel=1e-5)
    ratio = torch.maximum(truth / mean, mean / truth)
    assert figures["d1"] == pytest.approx((ratio < 1.25).float().mean().item(), rel=1e-5)


def test_background_mean_stands_only_where_backgrounds_repeat():
    assert "background_mean" not in evaluate(Fake(), scenes(), progress=False).floors
    floors = evaluate(Fake(), scenes(each=5), progress=False).floors
    assert floors["background_mean"]["coverage"] == 1
    assert floors["background_mean"]["rmse"] < floors["global_mean"]["rmse"]


def test_background_mean_from_other_data():
    data = scenes(each=5)
    half = Scenes(data[:5], data.backgrounds[:5])
    assert evaluate(Fake(), data, floor_data=half, progress=False).floors["background_mean"]["coverage"] == 0.5
    strangers = Scenes(data[:5], ["elsewhere"] * 5)
    assert "background_mean" not in evaluate(Fake(), data, floor_data=strangers, progress=False).floors


@pytest.mark.parametrize("task", ["mask", "depth"])
def test_a_model_of_one_task(task):
    result = evaluate(Fake(tasks=(task,)), scenes(), progress=False).to_dict()
    other = {"mask": "depth", "depth": "mask"}[task]
    assert result[other] is None
    assert result[task] is not None
    kinds = {"iou" if "iou" in floor else "rmse" for floor in result["floors"].values()}
    assert kinds == {"mask": {"iou"}, "depth": {"rmse"}}[task]


def test_without_valid_depth_the_figures_are_null(tmp_path):
    result = evaluate(Fake(), scenes(valid=False), progress=False)
    assert math.isnan(result.depth["rmse"])
    stored = json.loads(result.write(tmp_path / "deep" / "results.json").read_text())
    assert stored["depth"]["rmse"] is stored["depth"]["foreground"]["d1"] is None
    assert stored["n"] == 10
    assert "global_mean" not in stored["floors"]
    assert stored["mask"]["iou"] == result.mask["iou"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["results.json"]


def test_perturbation_moves_only_backgrounds_and_depends_on_the_id_alone():
    data = scenes()
    result = evaluate(Difference(), data, perturbation=("gain", 4), batch_size=3, progress=False)
    assert result.protocol["perturbation"] == {"name": "gain", "severity": 4, "applied_to": "bg"}
    assert result.mask["iou"] < evaluate(Difference(), data, progress=False).mask["iou"]
    assert result.floors["difference"]["iou"] == pytest.approx(result.mask["iou"])
    assert result.floors["compensated_difference"]["iou"] > result.mask["iou"]
    back = Scenes(data[::-1], data.backgrounds[::-1])
    reversed_ = evaluate(Difference(), back, perturbation=("gain", 4), batch_size=7, progress=False)
    assert reversed_.mask == pytest.approx(result.mask)
    seeded = evaluate(Difference(), data, perturbation=("gain", 4), seed=1, progress=False)
    assert seeded.mask["iou"] != result.mask["iou"]


def test_perturbation_equals_perturbing_by_hand():
    from fgbgnet.data.seeding import sample_seed

    data = scenes()
    seeds = [sample_seed(3, 0, sample["id"]) for sample in data]
    changed = [
        {**sample, "bg": perturb(sample["bg"][None], "mixed", 2, [seed])[0]}
        for sample, seed in zip(data, seeds, strict=True)
    ]
    expected = evaluate(Difference(), changed, floors=False, progress=False).mask
    result = evaluate(Difference(), data, perturbation=("mixed", 2), seed=3, floors=False, progress=False).mask
    assert result == pytest.approx(expected)


def test_the_frame_can_be_perturbed_and_its_truth_follows():
    data = scenes()
    for target, applied in ((None, "bg"), ("fg_bg", "fg_bg"), ("both", "both")):
        result = evaluate(Difference(), data, perturbation=("gain", 4, target), floors=False, progress=False)
        assert result.protocol["perturbation"] == {"name": "gain", "severity": 4, "applied_to": applied}
    empty = evaluate(Difference(), data, perturbation=("empty", 3), progress=False)
    assert empty.protocol["perturbation"]["applied_to"] == "bg"
    assert empty.mask["iou"] == 1
    worn = evaluate(Difference(), data, perturbation=("same_colour", 5), floors=False, progress=False)
    assert worn.protocol["perturbation"]["applied_to"] == "fg_bg"
    assert worn.mask["iou"] < evaluate(Difference(), data, floors=False, progress=False).mask["iou"]


@pytest.mark.parametrize("name", ["wrong_background", "added_object"])
def test_partners_do_not_depend_on_the_batch_size(name):
    data = scenes(12, sizes=((24, 24), (20, 31)))
    figures = [
        evaluate(Difference(), data, batch_size=size, perturbation=(name, 5), floors=False, progress=False).mask
        for size in (1, 5, 12)
    ]
    assert figures[0] == figures[1] == figures[2]


def test_a_wrong_background_is_that_of_the_next_scene():
    data = scenes(6, each=2)
    others = [data[index]["bg"] for index in (2, 2, 4, 4, 0, 0)]
    changed = [{**sample, "bg": other} for sample, other in zip(data, others, strict=True)]
    expected = evaluate(Difference(), changed, floors=False, progress=False).mask
    result = evaluate(Difference(), data, perturbation=("wrong_background", 5), floors=False, progress=False).mask
    assert result == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["wrong_background", "added_object"])
def test_partners_do_not_depend_on_what_the_dataset_knows(name):
    data = SceneDataset(8, size=24, scenes_per_background=4)
    assert len(set(data.group_ids("bg"))) == 2
    figures = [
        evaluate(Difference(), given, perturbation=(name, 5), batch_size=3, floors=False, progress=False).mask
        for given in (data, [data[index] for index in range(8)], Subset(data, range(8)))
    ]
    assert figures[0] == figures[1] == figures[2]


@pytest.mark.parametrize(
    ("model_unit", "truth_unit", "alignment"),
    [
        ("metres", "metres", "none"),
        ("relative", "metres", "scale_shift"),
        ("metres", "relative", "scale_shift"),
        ("relative", None, "scale_shift"),
        ("metres", None, "none"),
    ],
)
def test_alignment_follows_the_units(model_unit, truth_unit, alignment):
    data, model = scenes(), Fake()
    model.depth_unit = model_unit
    if truth_unit is None:
        data = list(data)
    else:
        data.depth_unit = truth_unit
    result = evaluate(model, data, floors=False, progress=False)
    assert result.protocol["depth_alignment"] == alignment
    min_depth = 1e-3 if (truth_unit or model_unit) == "metres" else 2 / 255
    expected = by_hand(Fake(), data, alignment, min_depth=min_depth)[1]
    assert result.depth["rmse"] == pytest.approx(expected["rmse"], rel=1e-5)


def test_alignment_and_aggregation_can_be_chosen():
    data = scenes()
    result = evaluate(Fake(), data, alignment="median", aggregation="image", floors=False, progress=False)
    assert flat(result.depth) == pytest.approx(flat(by_hand(Fake(), data, "median", "image")[1]), rel=1e-5)
    assert result.protocol["depth_aggregation"] == "image"


def test_protocol_is_complete():
    protocol = evaluate(Fake(), scenes(4, sizes=((24, 24), (20, 31))), progress=False).protocol
    assert protocol["sizes"] == [[20, 31], [24, 24]]
    assert protocol["model"] == "Fake"
    assert protocol["perturbation"] is None
    assert {"fgbgnet", "torch", "python"} <= set(protocol["versions"])
    for key in ("mask_threshold", "depth_unit", "depth_min", "seed", "floors_fitted_on", "size_handling", "boundary"):
        assert key in protocol


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"perturbation": ("gian", 1)}, UnknownNameError, "'gain'"),
        ({"perturbation": ("gain", 9)}, InvalidArgumentError, "severity"),
        ({"perturbation": ("gain", 1, "frame")}, UnknownNameError, "'fg_bg'"),
        ({"perturbation": ("same_colour", 1, "bg")}, InvalidArgumentError, "same_colour cannot"),
        ({"perturbation": 3}, InvalidArgumentError, r"perturbation is 3; expected \(name, severity"),
        ({"perturbation": True}, InvalidArgumentError, "perturbation is True; expected"),
        ({"perturbation": "ab"}, InvalidArgumentError, "perturbation is 'ab'; expected"),
        ({"perturbation": (["gain"], 3)}, InvalidArgumentError, r"expected \(name, severity"),
        ({"perturbation": ("mixed", "3")}, InvalidArgumentError, "severity is '3'; expected a number from 0 to 5"),
        ({"perturbation": ("mixed", True)}, InvalidArgumentError, "severity is True; expected a number"),
        ({"perturbation": ("gain",)}, InvalidArgumentError, r"expected \(name, severity\[, target\]\)"),
        ({"alignment": "mean"}, UnknownNameError, "median"),
        ({"aggregation": "batch"}, UnknownNameError, "pixel"),
        ({"threshold": 1.5}, InvalidArgumentError, "threshold"),
        ({"batch_size": 0}, InvalidArgumentError, "batch_size"),
        ({"floor_data": []}, InvalidArgumentError, "empty"),
    ],
)
def test_wrong_arguments_fail_before_the_work(arguments, error, message):
    model = Fake()
    with pytest.raises(error, match=message):
        evaluate(model, scenes(2), progress=False, **arguments)
    assert model.seen == []


def test_an_unknown_unit_is_told():
    model = Fake()
    model.depth_unit = "meters"
    with pytest.raises(UnknownNameError, match="'metres'"):
        evaluate(model, scenes(2), progress=False)


def test_an_empty_dataset():
    with pytest.raises(InvalidArgumentError, match="empty"):
        evaluate(Fake(), [], progress=False)


def test_summary_has_a_row_for_the_model_and_each_floor():
    result = evaluate(Fake(), scenes(), progress=False)
    lines = result.summary().splitlines()
    assert lines[0].startswith("10 samples")
    assert [line.split()[0] for line in lines[1:]] == ["model", *result.floors]
    assert f"{result.mask['iou']:.4f}" in lines[1]
    assert f"{result.depth['rmse']:.4f}" in lines[1]
    assert len({len(line) for line in lines}) == 1


def test_results_that_json_cannot_hold_become_null():
    tree = Evaluation(1, {"iou": math.nan, "list": [math.inf, 1.0]}, None, {}, {"a": {"b": -math.inf}}).to_dict()
    assert tree["mask"] == {"iou": None, "list": [None, 1.0]}
    assert tree["protocol"] == {"a": {"b": None}}


@pytest.mark.parametrize(("count", "most"), [(1, 5), (5, 5), (1000, 7)])
def test_even_subset(count, most):
    indices = even_subset(count, most)
    assert len(indices) == len(set(indices)) == min(count, most)
    assert indices[0] == 0
    assert max(indices) < count
