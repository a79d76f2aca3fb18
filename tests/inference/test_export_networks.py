"""Every shape of network as a file: fusions, split encoders, heads, the classic, and encoders of several kinds."""

import pytest
import torch

from fgbgnet import create_model, load_model
from fgbgnet.inference import export_model
from tests.inference.exportable import SIZES, apart, pair, trained

SMALL = {"encoder_name": "unet_small", "encoder_depth": 2}
NETWORKS = {
    "early": SMALL,
    "siamese": SMALL | {"fusion": "siamese"},
    "abs_diff, split": SMALL | {"fusion": "siamese", "merge": "abs_diff", "shared_stages": 1},
    "correlation": SMALL | {"fusion": "siamese", "merge": "correlation"},
    "exchange": SMALL | {"fusion": "siamese", "merge": "exchange"},
    "split": SMALL | {"fusion": "early_diff", "shared_stages": 2},
    "cross_task": SMALL | {"fusion": "siamese", "cross_task": True, "uncertainty": ("mask", "depth")},
    "thin": {"encoder_name": "unet_small", "decoder_block": "separable", "upsampling": 2},
    "nearest, relative": SMALL | {"decoder_interpolation": "nearest", "depth_unit": "relative"},
    "group norm, grey": SMALL | {"decoder_use_norm": "groupnorm", "in_channels": 1},
}
ENCODERS = ("resnet18", "mobileone_s0", "tu-test_efficientnet", "tu-test_convnext", "tu-lcnet_035")


def check(model, folder, suffix, sizes=SIZES):
    path = folder / f"model.{suffix}"
    export_model(model, path, progress=False)
    runner = load_model(path)
    for size in sizes:
        pictures = pair(*size, channels=model.in_channels)
        with torch.no_grad():
            expected = model(*pictures)
        assert apart(runner(*pictures), {name: expected[name] for name in runner.facts.outputs}) < 1e-4, size


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["onnx", "pt2"])
@pytest.mark.parametrize("network", NETWORKS)
def test_networks(network, suffix, tmp_path):
    check(trained(size=(32, 48), **NETWORKS[network]), tmp_path, suffix)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoders(encoder, tmp_path):
    check(trained(encoder, fusion="siamese", decoder_block="separable"), tmp_path, "onnx")


@pytest.mark.slow
def test_the_classic(tmp_path):
    check(create_model("classic").eval(), tmp_path, "onnx", SIZES[:3])


@pytest.mark.slow
def test_half_precision_weights(tmp_path):
    model = trained("resnet18", decoder_block="separable")
    reports = {
        precision: export_model(model, tmp_path / f"{precision}.onnx", precision=precision, progress=False)
        for precision in ("fp32", "fp16")
    }
    weights = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    saved = (reports["fp32"].megabytes - reports["fp16"].megabytes) * 1e6
    assert saved == pytest.approx(2 * weights, rel=0.05)
    assert all(0 < value < 0.02 for value in reports["fp16"].differences.values())
