import pickle
import subprocess
import sys

import pytest
import torch

import fgbgnet.metrics
from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.metrics import (
    DepthMetrics,
    MaskMetrics,
    compute_depth_metrics,
    compute_mask_metrics,
    depth_statistics,
    mask_statistics,
)


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
