import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.models import DualHeadUNet, Encoder, StagedEncoder, build_encoder
from tests.models.encoders.libraries import assert_same_bits, built, in_parts, values_of

SOURCES = [
    "unet_small",
    "resnet18",
    "mit_b0",
    "vgg11",
    "mobileone_s0",
    "tu-lcnet_050",
    "tu-test_convnext",
    "tu-darknet17",
]


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_depth_is_the_deepest_stride(name, depth):
    if name in ("mit_b0", "tu-test_convnext") and depth == 1:  # their first stride is 4
        with pytest.raises(InvalidArgumentError, match="encoder_depth"):
            build_encoder(name, 6, depth)
        return
    encoder = build_encoder(name, 6, depth).eval()
    assert encoder.strides[-1] == 2 ** min(depth, 4 if name == "unet_small" else 5)
    assert all(a < b for a, b in zip(encoder.strides, encoder.strides[1:], strict=False))
    features = encoder(torch.rand(1, 6, 64, 96))
    for feature, channels, stride in zip(features, encoder.out_channels, encoder.strides, strict=True):
        assert feature.shape == (1, channels, 64 // stride, 96 // stride)
    whole = build_encoder(name, 6)
    assert len(list(encoder.parameters())) <= len(list(whole.parameters()))


@pytest.mark.parametrize("name", ["unet_small", "resnet18", "mobileone_s0", "tu-lcnet_050", "tu-test_convnext"])
@pytest.mark.parametrize(("channels", "fusion"), [(3, "early"), (3, "early_diff"), (3, "siamese"), (1, "siamese")])
def test_channels_a_single_odd_picture(name, channels, fusion):
    model = DualHeadUNet(name, fusion=fusion, in_channels=channels, decoder_block="separable").eval()
    bg, fg_bg = torch.rand(2, 1, channels, 45, 71)
    assert model(bg, fg_bg)["depth"].shape == (1, 1, 45, 71)


def test_vgg_has_a_feature_of_the_pictures_own_size_in_both_libraries():
    assert build_encoder("vgg11", 3).strides == build_encoder("tu-vgg11", 3).strides == (1, 2, 4, 8, 16, 32)


def test_repeated_strides_keep_the_deepest_feature():
    encoder = build_encoder("tu-sequencer2d_s", 3).eval()
    assert encoder.strides == (7, 14)
    with torch.no_grad():
        features = encoder(torch.rand(1, 3, 56, 70))
    assert [tuple(feature.shape) for feature in features] == [(1, 192, 8, 10), (1, 384, 4, 5)]
    assert DualHeadUNet(encoder, fusion="siamese").eval()(*torch.rand(2, 1, 3, 50, 61))["mask"].shape[-2:] == (50, 61)


@pytest.mark.parametrize(
    ("name", "options"),
    [("efficientnet-b0", {}), ("mit_b0", {}), ("tu-test_convnext", {"drop_path_rate": 0.5}), ("tu-lcnet_035", {})],
)
def test_drop_path_follows_the_mode_and_the_split(name, options):
    encoder, original = built(name, 6, **options)
    picture = torch.rand(4, 6, 64, 96)
    forward = in_parts(encoder, 2)
    encoder.train()
    assert_same_bits(values_of(encoder, original, picture), values_of(encoder, forward, picture))
    for module in encoder.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()  # what still differs is drop-path
    with torch.no_grad():
        one, other = encoder(picture)[-1], encoder(picture)[-1]
    assert torch.equal(one, other) == (name == "tu-lcnet_035")
    encoder.eval()
    with torch.no_grad():
        assert torch.equal(encoder(picture)[-1], encoder(picture)[-1])


def test_options_reach_timm_and_nobody_else():
    assert build_encoder("tu-hiera_tiny_224", 3, img_size=64).input_sizes.fixed == (64, 64)
    with pytest.raises(InvalidArgumentError, match="only encoders of timm"):
        build_encoder("resnet18", 3, drop_path_rate=0.1)
    with pytest.raises(InvalidArgumentError, match="no_such_thing"):
        build_encoder("tu-test_convnext", 3, no_such_thing=1)


def test_names_of_timm_need_no_prefix_where_no_other_is_meant():
    model = DualHeadUNet("test_convnext")
    assert model.arguments["encoder_name"] == "tu-test_convnext"
    assert DualHeadUNet("resnet18").arguments["encoder_name"] == "resnet18"


@pytest.mark.parametrize("name", ["resnet18", "tu-test_convnext"])
@pytest.mark.parametrize("shared_stages", [1, 2, 3])
def test_a_split_model_equals_the_whole_one_with_the_same_weights(name, shared_stages):
    whole = DualHeadUNet(name).eval()
    split = DualHeadUNet(name, shared_stages=shared_stages).eval()
    stages = whole.shared.encoder.stages
    split.shared.encoder.stages.load_state_dict(stages[:shared_stages].state_dict())
    for branch, reference in zip(split.task_branches().values(), whole.task_branches().values(), strict=True):
        branch.tail.encoder.stages.load_state_dict(stages[shared_stages:].state_dict())
        branch.decoder.load_state_dict(reference.decoder.state_dict())
        branch.head.load_state_dict(reference.head.state_dict())
    bg, fg_bg = torch.rand(2, 1, 3, 64, 96)
    with torch.no_grad():
        assert_same_bits(split(bg, fg_bg), whole(bg, fg_bg))


def test_split_models_are_saved_and_built_again(tmp_path):
    model = DualHeadUNet("tu-test_convnext", shared_stages=2, fusion="siamese").eval()
    again = DualHeadUNet.from_pretrained(model.save_pretrained(tmp_path))
    bg, fg_bg = torch.rand(2, 1, 3, 64, 96)
    with torch.no_grad():
        assert_same_bits(again(bg, fg_bg), model(bg, fg_bg))


@pytest.fixture
def local_hub(tmp_path, monkeypatch):
    """The hub's files come from this folder; reading and adapting them is the libraries' own work."""
    (tmp_path / "config.json").write_text('{"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}')

    def download(*_, filename, **__):
        return str(tmp_path / "config.json" if filename == "config.json" else tmp_path / "model.safetensors")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", download)
    monkeypatch.setattr("timm.models._hub.hf_hub_download", download)
    return tmp_path


def pretrained_file(name, folder):
    """A file as the hub has it; random weights."""
    if name.startswith("tu-"):
        import timm

        weights = timm.create_model(name.removeprefix("tu-")).state_dict()
    else:
        from segmentation_models_pytorch.encoders import get_encoder

        weights = get_encoder(name, weights=None).state_dict()
    save_file(weights, folder / "model.safetensors")
    return list(weights.values())


@pytest.mark.parametrize("name", ["resnet18", "tu-test_convnext"])
@pytest.mark.parametrize("fusion", ["early", "siamese"])
def test_pretrained_weights_go_into_both_copies(name, fusion, local_hub):
    saved = pretrained_file(name, local_hub)
    model = DualHeadUNet(name, encoder_weights=True, shared_stages=2, fusion=fusion, fusion_init="mean")
    tails = [dict(branch.tail.encoder.named_parameters()) for branch in model.task_branches().values()]
    assert tails[0].keys() == tails[1].keys()
    for key, parameter in tails[0].items():
        assert torch.equal(parameter, tails[1][key])
        assert parameter.data_ptr() != tails[1][key].data_ptr()
        assert any(weight.shape == parameter.shape and torch.equal(weight, parameter) for weight in saved), key
    stem = next(m for m in model.shared.modules() if isinstance(m, nn.Conv2d)).weight
    expected = next(w for w in saved if w.ndim == 4)
    repeated = expected if fusion == "siamese" else torch.cat([expected, expected], dim=1) / 2
    assert torch.allclose(stem, repeated)
    if name == "resnet18":
        assert model.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])


class Bare(nn.Module):
    """The protocol without deriving from anything of ours."""

    out_channels, strides, mean, std = (4, 8), (2, 4), (0.5,) * 3, (0.5,) * 3

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(6, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1)

    def forward(self, x):
        first = self.a(x)
        return [first, self.b(first)]


def test_a_module_of_ones_own_needs_four_attributes_and_no_base_class():
    assert DualHeadUNet(Bare())(*torch.rand(2, 2, 3, 30, 33))["mask"].shape == (2, 1, 30, 33)
    with pytest.raises(InvalidArgumentError, match=r"Bare cannot be split.*StagedEncoder"):
        DualHeadUNet(Bare(), shared_stages=1)


def test_an_own_staged_encoder_can_be_split():
    stages = [nn.Conv2d(6, 4, 3, 2, 1), nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU())]
    model = DualHeadUNet(StagedEncoder(stages, (4, 8), (2, 4)), shared_stages=1)
    tails = [branch.tail.encoder.stages[0][0].weight for branch in model.task_branches().values()]
    assert torch.equal(*tails)
    assert tails[0] is not tails[1]


def test_an_own_encoder_says_which_sizes_it_takes():
    from fgbgnet.models import InputSizes

    encoder = Bare()
    encoder.input_sizes = InputSizes(multiple=16, minimum=40)
    model = DualHeadUNet(encoder)
    seen = []
    encoder.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[-2:])))
    assert model(*torch.rand(2, 1, 3, 20, 50))["mask"].shape[-2:] == (20, 50)
    assert seen == [(48, 64)]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"encoder_name": "dpn68", "shared_stages": 2}, InvalidArgumentError, "such as"),
        ({"encoder_name": "tu-hrnet_w18_small", "shared_stages": 2}, InvalidArgumentError, "'tu-"),
        ({"encoder_name": "tu-csatv2"}, InvalidArgumentError, "fusion='siamese'"),
        ({"encoder_name": "tu-test_convnext", "encoder_depth": 1}, InvalidArgumentError, "larger encoder_depth"),
        ({"encoder_name": "tu-test_convnext", "encoder_weights": "no_tag"}, UnknownNameError, "r160_in1k"),
        ({"encoder_name": "tu-efficientnet_b9"}, UnknownNameError, "tu-efficientnet_b8"),
        ({"encoder_name": "tu-darknet17", "encoder_weights": True}, InvalidArgumentError, "no pretrained weights"),
        ({"encoder_name": "mit_b0", "encoder_depth": 1}, InvalidArgumentError, "larger encoder_depth"),
    ],
)
def test_wrong_arguments(arguments, error, words):
    with pytest.raises(error, match=words) as caught:
        DualHeadUNet(**arguments)
    assert len(str(caught.value)) < 400


def test_encoder_is_the_base_of_all():
    for name in ("unet_small", "resnet18", "dpn68", "tu-lcnet_050"):
        assert isinstance(build_encoder(name, 3), Encoder)
