import pickle
import subprocess
import sys

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

import fgbgnet.metrics
from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.metrics import (
    DepthMetrics,
    MaskMetrics,
    compute_depth_metrics,
    compute_mask_metrics,
    depth_statistics,
    mask_statistics,
    mask_threshold_statistics,
)


class PretendedMps(torch.Tensor):
    """A tensor on a device without float64: whatever would give one there fails, as it does on Apple's."""

    @staticmethod
    def __new__(cls, real):
        return torch.Tensor._make_wrapper_subclass(cls, real.shape, dtype=real.dtype, device="mps")

    def __init__(self, real):
        self.held = real

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        unwrapped = [tree_map(lambda x: x.held if isinstance(x, cls) else x, tree) for tree in (args, kwargs)]
        if str(unwrapped[1].get("device")) == "cpu":
            return function(*unwrapped[0], **unwrapped[1])
        unwrapped[1].pop("device", None)
        result = function(*unwrapped[0], **unwrapped[1])
        if any(isinstance(x, torch.Tensor) and x.dtype == torch.float64 for x in tree_leaves(result)):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
        return tree_map(lambda x: cls(x) if isinstance(x, torch.Tensor) else x, result)


def batches():
    generator = torch.Generator().manual_seed(0)
    for size in (1, 3, 2):
        shape = (size, 1, 10, 12)
        truth = (torch.rand(shape, generator=generator) > 0.6).float()
        depth = 1 + torch.rand(shape, generator=generator)
        yield {
            "logits": torch.randn(shape, generator=generator) + truth,
            "mask": truth,
            "predicted": depth * (0.8 + 0.4 * torch.rand(shape, generator=generator)),
            "depth": depth,
            "valid": torch.rand(shape, generator=generator) > 0.2,
        }


def test_mask_module_equals_the_functions():
    metrics, together = MaskMetrics(threshold=0.4), 0
    for b in batches():
        metrics.update(b["logits"], b["mask"])
        together = together + mask_statistics(b["logits"], b["mask"], threshold=0.4)
    figures = {name: value.item() for name, value in metrics.compute().items()}
    assert figures == pytest.approx(compute_mask_metrics(together), nan_ok=True)
    assert figures["iou"] > 0


@pytest.mark.parametrize("aggregation", ["pixel", "image"])
def test_depth_module_equals_the_functions(aggregation):
    metrics, together = DepthMetrics(alignment="median", aggregation=aggregation, max_depth=1.9), 0
    for b in batches():
        layers = b["predicted"], b["depth"], b["valid"], b["mask"]
        metrics.update(*layers)
        together = together + depth_statistics(*layers, alignment="median", max_depth=1.9)
    expected = compute_depth_metrics(together, aggregation)
    figures = {name: value.item() for name, value in metrics.compute().items()}
    for region, prefix in (("foreground", "fg_"), ("contour", "contour_")):
        for name, value in expected.pop(region).items():
            assert figures.pop(prefix + name) == pytest.approx(value)
    assert figures == pytest.approx(expected)


def test_forward_returns_the_batch_and_accumulates():
    metrics, seen = MaskMetrics(), list(batches())
    for b in seen:
        alone = compute_mask_metrics(mask_statistics(b["logits"], b["mask"]))["iou"]
        assert metrics(b["logits"], b["mask"])["iou"].item() == pytest.approx(alone)
    together = sum(mask_statistics(b["logits"], b["mask"]) for b in seen)
    assert metrics.compute()["iou"].item() == pytest.approx(compute_mask_metrics(together)["iou"])
    metrics.reset()
    assert metrics.statistics.abs().sum() == 0


@pytest.mark.parametrize("metric", [MaskMetrics(), DepthMetrics()])
def test_processes_are_summed_and_modules_pickle(metric):
    assert metric._reductions["statistics"] is not None
    gathered = torch.stack([torch.ones(3), torch.full((3,), 2.0)])
    assert torch.equal(metric._reductions["statistics"](gathered), torch.full((3,), 3.0))
    assert type(pickle.loads(pickle.dumps(metric))) is type(metric)


@pytest.mark.parametrize("aggregation", ["pixel", "image"])
def test_two_processes_give_the_figures_of_all_batches(aggregation):
    one, other, alone = (DepthMetrics(aggregation=aggregation) for _ in range(3))
    for number, b in enumerate(batches()):
        layers = b["predicted"], b["depth"], b["valid"], b["mask"]
        alone.update(*layers)
        (one if number % 2 else other).update(*layers)
    assert one.compute()["rmse"] != pytest.approx(alone.compute()["rmse"].item(), rel=1e-4)
    one.sync(dist_sync_fn=lambda state, group=None: [state, other.statistics], distributed_available=lambda: True)
    assert torch.allclose(one.statistics, alone.statistics, equal_nan=True)
    one.unsync()
    assert not torch.allclose(one.statistics, alone.statistics)


@pytest.mark.parametrize("metric", [MaskMetrics(), DepthMetrics()])
def test_sums_stay_on_the_cpu_when_a_device_has_no_float64(metric):
    def to_mps(tensor):
        if tensor.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
        return PretendedMps(tensor)

    truth = torch.ones(1, 1, 8, 8)
    metric.update(3 * truth, truth)
    before = metric.statistics.clone()
    metric._apply(to_mps)
    assert metric.device.type == "mps"
    assert (metric.statistics.device.type, metric.statistics.dtype) == ("cpu", torch.float64)
    assert torch.equal(metric.statistics, before)
    metric.update(PretendedMps(3 * truth), PretendedMps(truth))
    assert torch.equal(metric.statistics, 2 * before)
    metric.reset()
    assert metric.statistics.device.type == "cpu"


def test_figures_are_float32_on_the_device_of_the_module():
    for metric in (MaskMetrics(), DepthMetrics()):
        truth = torch.ones(1, 1, 8, 8)
        metric.update(3 * truth, truth)
        metric._device = torch.device("meta")  # where the module would be
        assert {(value.device.type, value.dtype, value.ndim) for value in metric.compute().values()} == {
            ("meta", torch.float32, 0)
        }


def test_statistics_of_a_device_without_float64_equal_those_of_the_cpu():
    with pytest.raises(TypeError, match="float64"):
        PretendedMps(torch.ones(3)).double()
    for b in batches():
        there = {key: PretendedMps(layer) for key, layer in b.items()}
        expected = mask_statistics(b["logits"], b["mask"])
        assert torch.equal(mask_statistics(there["logits"], there["mask"]), expected)
        grid = torch.linspace(-1, 1, 5)
        rows = mask_threshold_statistics(there["logits"], there["mask"], PretendedMps(grid))
        assert torch.equal(rows, mask_threshold_statistics(b["logits"], b["mask"], grid))
        for alignment in ("none", "median", "scale_shift"):
            layers = [[layers[key] for key in ("predicted", "depth", "valid", "mask")] for layers in (there, b)]
            there_, here = (depth_statistics(*four, alignment=alignment) for four in layers)
            assert torch.equal(there_, here)


def test_half_does_not_touch_the_counts():
    assert MaskMetrics().half().statistics.dtype == torch.float64


def test_metrics_do_not_import_torchmetrics_until_asked():
    code = (
        "import sys, fgbgnet.metrics as m; m.compute_mask_metrics; assert 'torchmetrics' not in sys.modules;"
        "m.MaskMetrics; assert 'torchmetrics' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_torchmetrics_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['torchmetrics'] = None\n"
        "import fgbgnet.metrics as m\n"
        "try: m.MaskMetrics\n"
        "except ImportError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "fgbgnet[train]" in result.stdout


def test_unknown_names():
    with pytest.raises(AttributeError, match="Nothing"):
        fgbgnet.metrics.Nothing  # noqa: B018
    assert all(hasattr(fgbgnet.metrics, name) for name in fgbgnet.metrics.__all__)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: MaskMetrics(threshold=0), InvalidArgumentError),
        (lambda: DepthMetrics(alignment="affine"), UnknownNameError),
        (lambda: DepthMetrics(aggregation="mean"), UnknownNameError),
        (lambda: DepthMetrics(min_depth=0), InvalidArgumentError),
    ],
)
def test_wrong_arguments(make, error):
    with pytest.raises(error):
        make()
