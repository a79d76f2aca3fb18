import itertools
import socket
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fgbgnet.errors import FgBgError, InvalidArgumentError, UnknownNameError, WeightsError
from fgbgnet.models import DualHeadUNet, Encoder, StagedEncoder, build_encoder, create_model, list_encoders, list_models
from fgbgnet.models.decoder import UNetDecoder, upsampling_strides

FAMILIES = ["unet_small", "resnet18", "mobilenet_v2", "mit_b0", "tu-mobilenetv3_small_050", "tu-convnext_atto"]


def pair(*size, batch=2):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(batch, 3, *size, generator=generator) for _ in range(2)]


def test_classic_has_exactly_the_parameters_of_the_seeds_network():
    assert sum(p.numel() for p in create_model("classic").parameters()) == 33_389_314
    again = DualHeadUNet("unet", shared_stages=3)
    assert sum(p.numel() for p in again.parameters()) == 33_389_314


def test_classic_by_hand():
    """Count from the layers' formula, independently of the modules."""

    def double(i, o, m=None):
        m = m or o
        return (9 * i * m + m) + 2 * m + (9 * m * o + o) + 2 * o

    shared = double(6, 64) + double(64, 128) + double(128, 256)
    up = [(1024, 256), (512, 128), (256, 64), (128, 64)]
    branch = double(256, 512) + double(512, 512) + sum(double(i, o, i // 2) for i, o in up) + 64 + 1
    counts = {n: sum(p.numel() for p in b.parameters()) for n, b in create_model("classic").branches().items()}
    assert counts == {"shared": shared, "mask": branch, "depth": branch}


@pytest.mark.parametrize("encoder", FAMILIES)
@pytest.mark.parametrize("fusion", ["early", "early_diff", "siamese"])
def test_any_size_in_same_size_out_and_gradients_everywhere(encoder, fusion):
    model = DualHeadUNet(encoder, fusion=fusion)
    outputs = model(*pair(45, 70))
    assert {task: tuple(o.shape) for task, o in outputs.items()} == dict.fromkeys(("mask", "depth"), (2, 1, 45, 70))
    assert (outputs["depth"] > 0).all()
    (outputs["mask"].mean() + outputs["depth"].mean()).backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not [n for n in without if "decoder" in n or "head" in n]
    # An encoder may own a last stage that a feature pyramid does not read, but no more than that.
    assert len(without) < 0.2 * len(list(model.parameters()))


@pytest.mark.parametrize("merge", ["concat", "abs_diff"])
def test_siamese_shares_its_encoder(merge):
    model = DualHeadUNet("unet_small", fusion="siamese", merge=merge).eval()
    bg, fg_bg = pair(32, 32)
    with torch.no_grad():
        one, other = model(bg, fg_bg)["mask"], model(fg_bg, bg)["mask"]
    same = torch.allclose(one, other, atol=1e-6)
    assert same == (merge == "abs_diff")


def test_one_task_computes_one_branch_only():
    model = DualHeadUNet("unet_small").eval()
    calls = []
    model.depth_branch.register_forward_hook(lambda *_: calls.append("depth"))
    with torch.no_grad():
        both, mask = model(*pair(32, 48)), model(*pair(32, 48), tasks=("mask",))
    assert list(mask) == ["mask"]
    assert torch.equal(mask["mask"], both["mask"])
    assert calls == ["depth"]


def test_pieces_add_up_to_forward():
    model = DualHeadUNet("resnet18").eval()
    bg, fg_bg = pair(64, 96)
    with torch.no_grad():
        features = model.encode(bg, fg_bg)
        assert torch.equal(model.decode(features, "depth"), model(bg, fg_bg)["depth"])


@pytest.mark.parametrize("size", [(50, 70), (45, 64), (33, 31)])
def test_odd_sizes_are_continued_beyond_the_bottom_right(size):
    """The same as replicating the last row and column by hand and cutting the result, up to the last corner."""
    model = DualHeadUNet("unet_small").eval()
    bg, fg_bg = pair(*size, batch=1)
    height, width = size
    padding = (0, -width % 16, 0, -height % 16)
    with torch.no_grad():
        result = model(bg, fg_bg)
        padded = model(*(F.pad(picture, padding, mode="replicate") for picture in (bg, fg_bg)))
    assert padded["mask"].shape[-2:] == (height + padding[3], width + padding[1])
    for task in ("mask", "depth"):
        expected = padded[task][..., :height, :width]
        assert torch.allclose(result[task], expected, atol=1e-5)
        assert not torch.allclose(expected, padded[task][..., -height:, -width:], atol=1e-5)


@pytest.mark.parametrize("shared_stages", [1, 2, 3, 4, 5])
def test_shared_stages_move_parameters_between_branches(shared_stages):
    model = DualHeadUNet("unet_small", shared_stages=shared_stages)
    assert len(model.shared.encoder.stages) == shared_stages
    assert model(*pair(32, 32))["mask"].shape == (2, 1, 32, 32)
    tails = [branch.tail for branch in (model.mask_branch, model.depth_branch)]
    if shared_stages == 5:
        assert tails == [None, None]
    else:
        assert not {id(p) for p in tails[0].parameters()} & {id(p) for p in tails[1].parameters()}


def test_split_encoder_equals_the_whole():
    encoder = build_encoder("unet_small", 6).eval()
    assert isinstance(encoder, StagedEncoder)
    x = torch.rand(1, 6, 32, 32)
    head, tail = encoder.split(2)
    with torch.no_grad():
        features = head(x)
        parts = [*features, *tail(features[-1])]
        assert all(torch.equal(a, b) for a, b in zip(parts, encoder(x), strict=True))


def test_normalisation_is_inside():
    model = DualHeadUNet("resnet18").eval()
    assert model.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    seen = []
    model.shared.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    bg = torch.full((1, 3, 32, 32), 0.5)
    with torch.no_grad():
        model(bg, bg)
    expected = (0.5 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(seen[0][0, :, 0, 0], expected)


@pytest.mark.parametrize("fusion", ["early", "early_diff"])
@pytest.mark.parametrize("encoder", ["unet_small", "resnet18", "tu-mobilenetv3_small_050"])
def test_difference_init_is_blind_to_equal_pictures(encoder, fusion):
    model = DualHeadUNet(encoder, fusion=fusion, fusion_init="difference")
    stem = next(m for m in model.shared.modules() if isinstance(m, nn.Conv2d))
    bg = torch.rand(1, 3, 16, 16)
    layers = [bg, bg] if fusion == "early" else [bg, bg, torch.zeros_like(bg)]
    other = [torch.zeros_like(layer) for layer in layers]
    assert torch.allclose(stem(torch.cat(layers, 1)), stem(torch.cat(other, 1)), atol=1e-5)


def test_frame_init_ignores_the_background_at_first():
    model = DualHeadUNet("resnet18", fusion_init="frame").eval()
    bg, fg_bg = pair(32, 32)
    with torch.no_grad():
        assert torch.allclose(model(bg, fg_bg)["mask"], model(torch.zeros_like(bg), fg_bg)["mask"], atol=1e-6)


def test_mean_init_treats_both_pictures_alike():
    model = DualHeadUNet("resnet18", fusion_init="mean").eval()
    bg, fg_bg = pair(32, 32)
    with torch.no_grad():
        assert torch.allclose(model(bg, fg_bg)["mask"], model(fg_bg, bg)["mask"], atol=1e-5)


def test_priors_are_what_an_untrained_head_says():
    for activation in ("log", "sigmoid", "linear"):
        model = DualHeadUNet("unet_small", depth_activation=activation)
        model.set_priors(foreground=0.2, depth=0.7)
        for branch in (model.mask_branch, model.depth_branch):
            nn.init.zeros_(branch.head.convolution.weight)
        outputs = model(*pair(16, 16))
        assert torch.allclose(outputs["mask"].sigmoid(), torch.tensor(0.2), atol=1e-6)
        assert torch.allclose(outputs["depth"], torch.tensor(0.7), atol=1e-6)


def test_depth_spans_what_its_unit_spans():
    for unit, low, high in (("metres", 0, float("inf")), ("relative", 0, 1)):
        model = DualHeadUNet("unet_small", depth_unit=unit)
        with torch.no_grad():
            model.depth_branch.head.convolution.weight.mul_(1000)  # far out on both sides
            depth = model(*pair(16, 16))["depth"]
        assert (depth >= low).all()
        assert (depth <= high).all()
        assert depth.max() > (1 if unit == "metres" else 0.9)


def test_own_encoder_module():
    class Tiny(Encoder):
        out_channels, strides = (4, 8), (2, 4)

        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(6, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1)

        def forward(self, x):
            first = self.a(x)
            return [first, self.b(first)]

    outputs = DualHeadUNet(Tiny(), decoder_channels=(8, 4))(*pair(30, 30))
    assert outputs["depth"].shape == (2, 1, 30, 30)
    with pytest.raises(InvalidArgumentError, match="derive it from"):
        DualHeadUNet(nn.Identity())


def test_every_card_builds_and_summarises():
    for card in list_models():
        model = create_model(card.name)
        text = model.summary(64)
        assert f"{sum(p.numel() for p in model.parameters()):,}" in text
        assert model.training


def test_summary_counts_multiply_accumulates():
    """The seed's network needs 53.8 GMACs at 224 px, as an independent counter found."""
    total = create_model("classic").summary(224).splitlines()[-1].split()
    assert float(total[2]) == pytest.approx(53.8, abs=0.1)


def test_upsampling_never_skips_a_halving():
    for strides in ([4, 8, 16], [2, 8, 32], [16, 32], [1, 4]):
        path = [strides[-1], *upsampling_strides(strides)]
        assert path[-1] == 1
        assert all(a == 2 * b for a, b in itertools.pairwise(path))
        assert set(strides) <= set(path)


def test_list_encoders_knows_all_three_sources():
    names = [encoder.name for encoder in list_encoders()]
    assert {"unet", "resnet34", "tu-convnext_atto"} <= set(names)
    assert list_encoders("no such*") == []


WRONG = [
    ({"encoder_name": "resnet43"}, UnknownNameError, "resnet34"),
    ({"encoder_name": "tu-convnext_ato"}, UnknownNameError, "tu-convnext_atto"),
    ({"encoder_name": "unet", "shared_stages": 6}, InvalidArgumentError, "1 to 5"),
    ({"encoder_name": "unet", "shared_stages": 0}, InvalidArgumentError, "1 to 5"),
    ({"encoder_name": "resnet18", "shared_stages": 6}, InvalidArgumentError, "1 to 5"),
    ({"encoder_name": "dpn68", "shared_stages": 3}, InvalidArgumentError, "cannot be split"),
    ({"encoder_name": "unet_small", "decoder_block": "thin"}, UnknownNameError, "separable"),
    ({"encoder_name": "unet_small", "upsampling": 3}, InvalidArgumentError, "upsampling=3"),
    ({"encoder_name": "unet_small", "encoder_depth": 1, "upsampling": 4}, InvalidArgumentError, "stride of 2"),
    ({"encoder_name": "unet_small", "uncertainty": "dept"}, UnknownNameError, "'depth'"),
    ({"encoder_name": "unet_small", "fusion": "erly"}, UnknownNameError, "'early'"),
    ({"encoder_name": "unet_small", "fusion": "siamese", "merge": "sum"}, UnknownNameError, "abs_diff"),
    ({"encoder_name": "unet_small", "fusion_init": "diff"}, UnknownNameError, "difference"),
    ({"encoder_name": "unet_small", "decoder_channels": (8, 8)}, InvalidArgumentError, "take 4 steps"),
    ({"encoder_name": "unet_small", "decoder_use_norm": "batch"}, UnknownNameError, "batchnorm"),
    ({"encoder_name": "unet_small", "decoder_interpolation": "cubic"}, UnknownNameError, "bilinear"),
    ({"encoder_name": "unet_small", "depth_activation": "exp"}, UnknownNameError, "log"),
    ({"encoder_name": "unet_small", "encoder_weights": "imagenet"}, InvalidArgumentError, "encoder_weights=None"),
    ({"encoder_name": "resnet18", "encoder_weights": "imagnet"}, UnknownNameError, "imagenet"),
    ({"encoder_name": "resnet18", "encoder_depth": 9}, InvalidArgumentError, "1 to 5"),
    ({"encoder_name": "tu-vit_tiny_patch16_224"}, InvalidArgumentError, "no pyramid"),
    ({"encoder_name": "unet_small", "tasks": ("masks",)}, UnknownNameError, "'mask'"),
    ({"encoder_name": "unet_small", "tasks": "masks"}, UnknownNameError, "'masks'.* nearest are 'mask'"),
    ({"encoder_name": "unet_small", "tasks": ()}, InvalidArgumentError, "no task"),
    ({"encoder_name": "unet_small", "depth_unit": "meters"}, UnknownNameError, "'metres'"),
    ({"encoder_name": "unet_small", "input_size": 0}, InvalidArgumentError, "input_size=0"),
    ({"encoder_name": "unet_small", "input_size": (64, 64)}, InvalidArgumentError, "whole number"),
    ({"encoder_name": "unet_small", "in_channels": 0}, InvalidArgumentError, "in_channels=0"),
    ({"encoder_name": "unet_small", "in_channels": -1}, InvalidArgumentError, "in_channels=-1"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), WRONG, ids=[str(w[0]) for w in WRONG])
def test_wrong_arguments_get_one_clear_error(arguments, error, words):
    with pytest.raises(error, match=words) as caught:
        DualHeadUNet(**arguments)
    assert isinstance(caught.value, FgBgError)
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("encoder", ["resnet18", "tu-mobilenetv3_small_050"])
def test_pretrained_weights_without_a_network_are_a_clear_error(encoder, monkeypatch):
    def no_network(*_, **__):
        raise socket.gaierror("Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the hub's client waits between its tries
    with pytest.raises(WeightsError, match="encoder_weights=None"):
        DualHeadUNet(encoder, encoder_weights="imagenet")


def test_create_model_names_the_nearest_argument():
    with pytest.raises(UnknownNameError, match="'encoder_name'"):
        create_model("fgbgnet_xs", encoder="resnet18")
    assert create_model("fgbgnet_xs", input_size=64).input_size == 64


WRONG_PAIRS = [
    (torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9)),
    (torch.rand(3, 8, 8), torch.rand(3, 8, 8)),
    (torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8)),
]


@pytest.mark.parametrize(("bg", "fg_bg"), WRONG_PAIRS)
def test_wrong_pictures(bg, fg_bg):
    with pytest.raises(InvalidArgumentError, match="expected the same"):
        DualHeadUNet("unet_small")(bg, fg_bg)


def test_decoder_rejects_channels_that_do_not_fit():
    with pytest.raises(InvalidArgumentError, match="5 steps"):
        UNetDecoder([8, 16], [4, 32], [8, 8])


def test_fixed_size_encoder_says_so():
    model = DualHeadUNet("tu-hiera_tiny_224")
    with pytest.raises(InvalidArgumentError, match=r"\(224, 224\) only"):
        model(*pair(64, 64))
