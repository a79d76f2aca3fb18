import pytest
import torch

from fgbgnet.errors import InvalidArgumentError, PictureError, UnknownNameError
from fgbgnet.models import DualHeadUNet

MODELS = [
    {},
    {"merge": "abs_diff"},
    {"shared_stages": 2},
    {"cross_task": True},
    {"cross_task": True, "shared_stages": 3, "uncertainty": ("mask", "depth")},
    {"upsampling": 2, "decoder_block": "separable"},
]


def siamese(encoder="unet_small", **arguments):
    torch.manual_seed(0)
    return DualHeadUNet(encoder, fusion="siamese", **arguments)


@pytest.mark.parametrize("arguments", MODELS, ids=str)
def test_the_bits_of_the_model(arguments):
    model = siamese(**arguments).eval()
    bg, frames = torch.rand(1, 3, 45, 70), torch.rand(3, 1, 3, 45, 70)
    camera = model.fix_background(bg[0])
    with torch.no_grad():
        for frame in frames:
            expected = model(bg, frame)
            outputs = camera(frame)
            assert list(outputs) == list(expected)
            assert all(torch.equal(outputs[key], expected[key]) for key in expected)
            assert torch.equal(camera(frame, tasks="depth")["depth"], expected["depth"])


@pytest.mark.parametrize("encoder", ["resnet18", "tu-mobilenetv3_small_050", "tu-convnext_atto"])
def test_real_encoders(encoder):
    model = siamese(encoder).eval()
    bg, frame = torch.rand(2, 1, 3, 64, 96)
    camera = model.fix_background(bg[0])
    with torch.no_grad():
        expected = model(bg, frame)
    assert all(torch.equal(layer, expected[key]) for key, layer in camera(frame).items())


@pytest.mark.parametrize("arguments", MODELS, ids=str)
def test_the_background_is_encoded_once(arguments):
    model = siamese(**arguments).train()  # its mode does not matter, and stays
    camera = model.fix_background(torch.rand(3, 32, 32))
    camera(torch.rand(1, 3, 32, 32))
    calls = []
    model.shared.encoder.register_forward_hook(lambda *_: calls.append("trunk"))
    for name, branch in model.task_branches().items():
        branch.decoder.register_forward_hook(lambda *_, name=name: calls.append(name))
        if branch.tail is not None:
            branch.tail.encoder.register_forward_hook(lambda *_, name=name: calls.append(f"{name} tail"))
    camera(torch.rand(1, 3, 32, 32))
    tails = ["mask tail", "depth tail"] if "shared_stages" in arguments else []
    assert sorted(calls) == sorted(["trunk", "mask", "depth", *tails])
    assert model.training


def test_batches_of_frames():
    model = siamese(cross_task=True, shared_stages=2).eval()
    bg, frames = torch.rand(1, 3, 32, 48), torch.rand(4, 3, 32, 48)
    outputs = model.fix_background(bg[0])(frames)
    with torch.no_grad():
        expected = model(bg.expand(4, -1, -1, -1), frames)
    for key in expected:
        torch.testing.assert_close(outputs[key], expected[key], rtol=1e-5, atol=1e-5)


def test_changed_weights_are_noticed():
    model = siamese().eval()
    bg, frame = torch.rand(2, 1, 3, 32, 32)
    camera = model.fix_background(bg[0])
    before = camera(frame)["mask"]
    with torch.no_grad():
        model.shared.encoder.stages[0][0].weight.mul_(1.5)
        expected = model(bg, frame)["mask"]
    assert torch.equal(camera(frame)["mask"], expected)
    assert not torch.equal(expected, before)
    model.double()
    with torch.no_grad():
        assert torch.equal(camera(frame)["mask"], model(bg, frame)["mask"])
    other = siamese().eval()
    model.float().load_state_dict(other.state_dict())
    with torch.no_grad():
        assert torch.equal(camera(frame)["mask"], other(bg, frame)["mask"])


def test_autocast_is_noticed():
    model = siamese().eval()
    bg, frame = torch.rand(2, 1, 3, 32, 32)
    camera = model.fix_background(bg[0])
    with torch.no_grad():
        for enabled in (False, True, False):
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                assert torch.equal(camera(frame)["mask"], model(bg, frame)["mask"])


@pytest.mark.parametrize("input_size", [None, 32])
def test_predict_says_what_the_models_predict_says(input_size):
    model = siamese(input_size=input_size).eval()
    bg, frame = torch.rand(2, 3, 40, 56)
    camera = model.fix_background(bg)
    for picture in (frame, torch.rand(3, 40, 56)):
        expected, got = model.predict(bg, picture, threshold=0.4), camera.predict(picture, threshold=0.4)
        assert torch.equal(got.mask, expected.mask)
        assert torch.equal(got.mask_probability, expected.mask_probability)
        assert torch.equal(got.depth, expected.depth)
    assert len(camera._kept) == 1
    larger = camera.predict(torch.rand(3, 80, 112))
    assert larger.mask.shape == larger.depth.shape == larger.bg.shape[-2:] == (80, 112)


def test_no_gradients_and_no_training_of_statistics():
    model = siamese("resnet18").train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    outputs = model.fix_background(torch.rand(3, 32, 32))(torch.rand(2, 3, 32, 32))
    assert not any(layer.requires_grad for layer in outputs.values())
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("fusion", ["early", "early_diff"])
def test_early_fusion_says_that_nothing_can_be_kept(fusion):
    model = DualHeadUNet("unet_small", fusion=fusion)
    with pytest.raises(InvalidArgumentError, match=f"fusion='{fusion}' stacks .* use a model with fusion='siamese'"):
        model.fix_background(torch.rand(3, 32, 32))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (torch.rand(1, 3, 32, 33), "expected the same"),
        (torch.rand(3, 32, 32), "expected the same"),
        (torch.rand(1, 1, 32, 32), "expected the same"),
        (torch.randint(0, 255, (1, 3, 32, 32)), "expected floats"),
        (255 * torch.rand(1, 3, 32, 32), "Divide bytes by 255"),
    ],
)
def test_wrong_frames(frame, words):
    camera = siamese().fix_background(torch.rand(3, 32, 32))
    with pytest.raises(InvalidArgumentError, match=words):
        camera(frame)


def test_wrong_arguments(tmp_path):
    (tmp_path / "no.png").write_text("no picture")
    model = siamese()
    with pytest.raises(PictureError):
        model.fix_background(tmp_path / "no.png")
    camera = model.fix_background(torch.rand(3, 32, 32))
    with pytest.raises(UnknownNameError, match="'depth'"):
        camera(torch.rand(1, 3, 32, 32), tasks="dept")
    with pytest.raises(InvalidArgumentError, match="threshold"):
        camera.predict(torch.rand(3, 32, 32), threshold=2)
