"""One member of every family of both libraries, the smallest that takes 64 x 96."""

import pytest
import torch

from fgbgnet.models import DualHeadUNet, StagedEncoder, list_encoders
from tests.models.encoders.libraries import assert_same_bits, built, in_parts, values_of

FAST = (
    "unet_small", "resnet18", "vgg11", "densenet121", "efficientnet-b0", "mobilenet_v2", "xception",
    "timm-efficientnet-b0", "timm-skresnet18", "mit_b0", "mobileone_s0", "dpn68",
    "tu-test_efficientnet", "tu-lcnet_035", "tu-repghostnet_050", "tu-test_mambaout", "tu-test_nfnet",
    "tu-test_byobnet", "tu-test_convnext", "tu-ghostnet_050", "tu-test_resnet", "tu-starnet_s050",
    "tu-efficientvit_b0", "tu-dla46x_c", "tu-mobilevit_xxs", "tu-edgenext_xx_small", "tu-ese_vovnet19b_slim_dw",
    "tu-hgnetv2_b0", "tu-lcnetv2_small", "tu-efficientvit_m0", "tu-cpubone_nano", "tu-fasternet_t0", "tu-regnetx_002",
    "tu-cspnext_tiny", "tu-iformer_t", "tu-hardcorenas_b", "tu-cs3darknet_s", "tu-hrnet_w18_small",
    "tu-inception_next_atto", "tu-swiftformer_xs", "tu-fastvit_t8", "tu-rexnet_100", "tu-pvt_v2_b0", "tu-repvit_m1",
    "tu-tiny_vit_5m_224", "tu-efficientvim_m1", "tu-shvit_s1", "tu-densenet121", "tu-dpn48b", "tu-resnest14d",
    "tu-vgg11", "tu-lowformer_b0", "tu-resnetv2_18", "tu-legacy_seresnet18", "tu-poolformerv2_s12", "tu-skresnet18",
    "tu-crossvit_tiny_240",
)  # fmt: skip
FIXED = (
    "tu-test_coatnet", "tu-efficientformerv2_s0", "tu-pit_ti_224", "tu-coat_tiny",
    "tu-levit_128s", "tu-visformer_tiny", "tu-efficientformer_l1", "tu-gcvit_xxtiny", "tu-nest_tiny",
    "tu-hiera_tiny_224",
)  # fmt: skip
LARGE = (
    "senet154", "inceptionv4", "inceptionresnetv2", "tu-halonet_h1", "tu-selecsls42", "tu-legacy_xception",
    "tu-inception_v3", "tu-sequencer2d_s", "tu-res2next50", "tu-rdnet_tiny", "tu-mvitv2_tiny", "tu-twins_svt_small",
    "tu-xception41p", "tu-sam2_hiera_tiny", "tu-swin_tiny_patch4_window7_224", "tu-swinv2_cr_tiny_224",
    "tu-swinv2_tiny_window8_256", "tu-davit_tiny", "tu-focalnet_tiny_srf", "tu-tresnet_m", "tu-nextvit_small",
    "tu-inception_v4", "tu-inception_resnet_v2", "tu-mobilenetv5_base", "tu-pnasnet5large", "tu-nasnetalarge",
)  # fmt: skip
RGB_ONLY = ("tu-csatv2",)


def check_forward_and_backward(model, height=64, width=96):
    bg, fg_bg = torch.rand(2, 2, 3, height, width)
    outputs = model.train()(bg, fg_bg)
    assert {task: tuple(output.shape) for task, output in outputs.items()} == dict.fromkeys(
        ("mask", "depth"), (2, 1, height, width)
    )
    assert all(output.isfinite().all() for output in outputs.values())
    (outputs["mask"].mean() + outputs["depth"].mean()).backward()
    with_gradient = [p for p in model.shared.parameters() if p.grad is not None]
    assert all(p.grad.isfinite().all() for p in with_gradient)
    assert len(with_gradient) > 0.8 * len(list(model.shared.parameters()))


def check_split(encoder, original, height=64, width=96):
    """Split behind every stage, it has the bits of the library's own forward."""
    picture = torch.rand(2, 6, height, width)
    forward = in_parts(encoder, *range(1, len(encoder.strides)))
    for mode in (False, True):
        encoder.train(mode)
        assert_same_bits(values_of(encoder, original, picture), values_of(encoder, forward, picture))


def check(name, size=(64, 96)):
    if not name.startswith("unet"):
        encoder, original = built(name)
        if isinstance(encoder, StagedEncoder):
            check_split(encoder, original, *size)
        encoder.zero_grad(set_to_none=True)
    else:
        encoder = name
    check_forward_and_backward(DualHeadUNet(encoder, decoder_block="separable"), *size)


@pytest.mark.parametrize("name", FAST)
def test_family(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_family(name):
    check(name, (256, 256) if "halo" in name else (96, 128))


@pytest.mark.slow
@pytest.mark.parametrize("name", FIXED)
def test_family_of_fixed_size(name):
    encoder, _ = built(name)
    check(name, encoder.input_sizes.fixed)


@pytest.mark.parametrize("name", RGB_ONLY)
def test_family_that_reads_rgb_only(name):
    check_forward_and_backward(DualHeadUNet(name, fusion="siamese", decoder_block="separable"))


def test_no_family_is_left_out():
    tried = {*FAST, *FIXED, *LARGE, *RGB_ONLY}
    families = {(encoder.source, encoder.family) for encoder in list_encoders()}
    assert families == {(e.source, e.family) for e in list_encoders() if e.name in tried}
