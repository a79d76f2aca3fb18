import math

import numpy as np
import pytest
import torch

from fgbgnet.data import Manifest, PairedFgBgDataset, train_transform
from fgbgnet.errors import InvalidArgumentError


def test_against_numpy_on_all_pixels_at_once(quadruples):
    dataset = PairedFgBgDataset(quadruples, train_transform(16))  # the transform must not matter
    stored = list(dataset.with_transform(None))
    statistics = dataset.statistics()
    for name in ("bg", "fg_bg"):
        values = torch.stack([s[name] for s in stored]).double().numpy()
        np.testing.assert_allclose(statistics[name]["mean"], values.mean((0, 2, 3)), rtol=1e-6)
        np.testing.assert_allclose(statistics[name]["std"], values.std((0, 2, 3)), rtol=1e-6)
    masks = torch.stack([s["mask"] for s in stored]).double().numpy()
    assert statistics["mask"]["mean"] == pytest.approx(masks.mean())
    assert statistics["mask"]["std"] == pytest.approx(masks.std())
    assert statistics["mask"]["empty"] == 1
    depth = torch.cat([s["depth"][s["depth_valid"]] for s in stored]).double().numpy()
    expected = {"mean": depth.mean(), "std": depth.std(), "min": depth.min(), "max": depth.max()}
    assert statistics["depth"] == pytest.approx(expected | {"valid": depth.size / masks.size})
    assert statistics["n"] == 12
    assert statistics["sizes"] == {(48, 64): 12}


def test_limit_spreads_evenly(quadruples):
    dataset = PairedFgBgDataset(quadruples)
    assert dataset.statistics(limit=5)["n"] == 5
    assert dataset.statistics(limit=100)["n"] == 12
    ends = dataset.statistics(limit=2)
    assert ends["fg_bg"] == dataset.subset([0, 11]).statistics()["fg_bg"]
    with pytest.raises(InvalidArgumentError, match="limit is 0"):
        dataset.statistics(limit=0)


def test_without_depth(quadruples):
    manifest = Manifest.read(quadruples)
    columns = {name: manifest.column(name) for name in ("bg", "fg_bg", "mask")}
    depth = PairedFgBgDataset(Manifest(columns, manifest.root)).statistics()["depth"]
    assert depth["valid"] == 0
    assert all(math.isnan(depth[name]) for name in ("mean", "std", "min", "max"))
