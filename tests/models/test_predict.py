import dataclasses
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.models import DualHeadUNet, PredictMixin


class BrightPixels(PredictMixin):
    """Mask: where the frame is brighter than the background; depth: 1 + the frame's red."""

    def forward(self, bg, fg_bg, tasks=None):
        return {"mask": (fg_bg - bg).mean(1, keepdim=True) * 50, "depth": 1 + fg_bg[:, :1]}


@pytest.fixture
def pictures(tmp_path):
    bg = np.zeros((20, 30, 3), np.uint8)
    frame = bg.copy()
    frame[5:10, 8:20] = 255
    Image.fromarray(bg).save(tmp_path / "bg.png")
    Image.fromarray(frame).save(tmp_path / "frame.png")
    return tmp_path, bg, frame


def test_every_kind_of_picture_gives_the_same_prediction(pictures):
    folder, bg, frame = pictures
    tensors = [torch.from_numpy(p).permute(2, 0, 1) for p in (bg, frame)]
    kinds = {
        "path": (folder / "bg.png", str(folder / "frame.png")),
        "pillow": (Image.fromarray(bg), Image.fromarray(frame).convert("RGBA")),
        "array": (bg, frame),
        "grey array": (bg[..., 0], frame[..., :1]),
        "float array": (bg / 255, (frame / 255).astype(np.float32)),
        "uint16 tensor": tuple(torch.from_numpy(p.astype(np.uint16) * 257).permute(2, 0, 1) for p in (bg, frame)),
        "bool array": (bg > 0, frame > 0),
        "bool tensor": tuple(t > 0 for t in tensors),
        "uint16 array": (bg.astype(np.uint16), frame.astype(np.uint16) * 257),
        "tensor": tuple(t.float() / 255 for t in tensors),
        "batch of one": tuple(t[None] for t in tensors),
    }
    for kind, pair in kinds.items():
        prediction = BrightPixels().predict(*pair)
        assert prediction.mask.dtype == torch.bool, kind
        assert np.array_equal(prediction.mask.numpy(), frame[..., 0] > 0), kind
        assert torch.allclose(prediction.depth, 1 + torch.from_numpy(frame[..., 0] / 255).float()), kind


def test_sizes_differ_and_pictures_are_squashed_as_in_training():
    model = DualHeadUNet("unet_small", input_size=32)
    seen = []
    model.shared.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[-2:])))
    prediction = model.predict(np.zeros((33, 47, 3), np.uint8), np.zeros((60, 120, 3), np.uint8))
    assert prediction.mask.shape == prediction.depth.shape == prediction.mask_probability.shape == (60, 120)
    assert prediction.bg.shape == prediction.fg_bg.shape == (3, 60, 120)
    assert seen == [(32, 32)]


def test_a_wide_picture_is_predicted_as_the_square_that_it_is_squashed_to():
    torch.manual_seed(0)
    model = DualHeadUNet("unet_small", input_size=32).eval()
    bg, fg_bg = torch.rand(2, 3, 40, 80)
    squashed = [F.interpolate(p[None], (32, 32), mode="bilinear", antialias=True) for p in (bg, fg_bg)]
    with torch.no_grad():
        logits = model(*squashed)["mask"]
    expected = F.interpolate(logits, (40, 80), mode="bilinear", antialias=True)[0, 0]
    prediction = model.predict(bg, fg_bg)
    assert torch.allclose(prediction.mask_probability, expected.sigmoid(), atol=1e-5)
    threshold = expected.sigmoid().median().item()  # an untrained network is on one side of a half everywhere
    mask = model.predict(bg, fg_bg, threshold=threshold).mask
    assert mask.any()
    assert (mask != (expected.sigmoid() > threshold)).float().mean() < 0.01


def test_the_square_is_the_geometry_of_the_evaluation_transform():
    """A mark lies at the same place for predict and for eval_transform, to a pixel."""
    from fgbgnet.data import eval_transform

    frame = torch.zeros(3, 48, 96)
    frame[:, 12:24, 60:84] = 1
    seen = []
    model = BrightPixels()
    model.input_size = 24
    model.register_forward_hook(lambda _, inputs, __: seen.append(inputs[1][0]))
    model.predict(torch.zeros(3, 48, 96), frame)
    nothing = torch.zeros(1, 48, 96)
    sample = {"bg": frame * 0, "fg_bg": frame, "mask": nothing, "depth": nothing, "depth_valid": nothing > 0, "id": ""}
    expected = eval_transform(24)(sample)["fg_bg"]
    assert seen[0].shape == expected.shape
    assert torch.equal(seen[0] > 0.5, expected > 0.5)


def test_leaves_the_mode_of_each_part_and_the_statistics_alone():
    model = DualHeadUNet("unet_small").train()
    model.shared.eval()  # as a user does who keeps the statistics of a pretrained encoder
    modes = [part.training for part in model.modules()]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.predict(np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8))
    assert [part.training for part in model.modules()] == modes
    model.summary(16)
    assert [part.training for part in model.modules()] == modes
    assert model.training
    assert not model.shared.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_modes_come_back_after_an_error():
    model = DualHeadUNet("unet_small").train()
    model.mask_branch.eval()
    modes = [part.training for part in model.modules()]
    model.depth_branch.forward = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        model.predict(np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8))
    assert [part.training for part in model.modules()] == modes


def test_predicted_tensors_are_ordinary():
    """They can enter a loss, which tensors of inference_mode cannot."""
    picture = np.zeros((16, 16, 3), np.uint8)
    prediction = DualHeadUNet("unet_small").predict(picture, picture)
    weight = torch.ones(1, requires_grad=True)
    (weight * prediction.depth).sum().backward()
    assert weight.grad is not None
    assert not prediction.mask_probability.requires_grad


@pytest.mark.parametrize("in_channels", [1, 4])
def test_predict_is_for_rgb(in_channels):
    picture = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(InvalidArgumentError, match=f"in_channels={in_channels}"):
        DualHeadUNet("unet_small", in_channels=in_channels).predict(picture, picture)


def test_one_task_models_predict_one_layer():
    picture = np.zeros((16, 16, 3), np.uint8)
    prediction = DualHeadUNet("unet_small", tasks=("mask",)).predict(picture, picture)
    assert prediction.depth is None
    prediction = DualHeadUNet("unet_small", tasks=("depth",)).predict(picture, picture)
    assert prediction.mask is None
    assert prediction.depth.shape == (16, 16)


def test_threshold():
    picture = np.zeros((8, 8, 3), np.uint8)
    assert not BrightPixels().predict(picture, picture).mask.any()  # probability 0.5 is not above 0.5
    assert BrightPixels().predict(picture, picture, threshold=0.4).mask.all()
    with pytest.raises(InvalidArgumentError, match="between 0 and 1"):
        BrightPixels().predict(picture, picture, threshold=1)


GOOD = np.zeros((8, 8, 3), np.uint8)
WRONG = [
    (np.zeros((3, 8, 8), np.uint8), InvalidArgumentError, "channels last"),
    (np.zeros((8, 8, 3)) + 7, InvalidArgumentError, "Divide by 255"),
    (np.full((8, 8, 3), np.nan), InvalidArgumentError, "nan"),
    (np.zeros((8, 8, 3), np.int64), InvalidArgumentError, "uint8"),
    (np.zeros((8, 8, 3), complex), InvalidArgumentError, "uint8"),
    (np.full((8, 8, 3), "a"), InvalidArgumentError, "uint8"),
    (np.zeros((0, 8, 3), np.uint8), InvalidArgumentError, "no pixels"),
    (torch.zeros(2, 3, 8, 8), InvalidArgumentError, r"\(3, H, W\)"),
    (42, InvalidArgumentError, "expected a path"),
    ("no/such/file.png", MissingFileError, "no/such/file.png"),
]


@pytest.mark.parametrize(("picture", "error", "words"), WRONG)
def test_wrong_pictures(picture, error, words):
    for pair in ((picture, GOOD), (GOOD, picture)):
        with pytest.raises(error, match=words):
            BrightPixels().predict(*pair)


def test_files_that_are_no_pictures(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    for name in ("text.png", "cut.jpg", "."):
        with pytest.raises(PictureError, match=re.escape(str(tmp_path / name))):
            BrightPixels().predict(tmp_path / name, GOOD)


def test_save_and_plot(pictures, tmp_path):
    _, bg, frame = pictures
    prediction = BrightPixels().predict(bg, frame)
    folder = prediction.save(tmp_path / "out")
    mask, depth = (np.asarray(Image.open(folder / f"{name}.png")) for name in ("mask", "depth"))
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, prediction.mask.numpy() * np.uint8(255))
    assert depth.dtype == np.uint16
    assert np.array_equal(depth, np.rint(prediction.depth.numpy() * 1000))
    assert Image.open(folder / "overview.png").size[0] > 4 * 30
    assert len(prediction.plot().axes) == 4
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(("unit", "steps"), [("metres", 1000), ("relative", 65535)])
def test_a_saved_depth_map_says_how_to_read_it(tmp_path, unit, steps):
    model = BrightPixels()
    model.depth_unit = unit
    prediction = model.predict(GOOD, GOOD)
    prediction.depth[:] = torch.linspace(0, 1, 64).reshape(8, 8)
    prediction.depth[0, 0] = float("nan")
    picture = Image.open(prediction.save(tmp_path) / "depth.png")
    assert picture.text["unit"] == unit
    assert float(picture.text["scale"]) == 1 / steps
    distance = np.asarray(picture) * float(picture.text["scale"])
    assert np.allclose(distance, prediction.depth.nan_to_num(0).numpy(), atol=0.51 / steps)


def test_saving_over_another_prediction_leaves_none_of_its_layers(pictures, tmp_path):
    _, bg, frame = pictures
    both = BrightPixels().predict(bg, frame)
    both.save(tmp_path / "out")
    for gone in ("mask", "depth"):
        folder = dataclasses.replace(both, **{gone: None}).save(tmp_path / "out")
        kept = {"mask": "depth.png", "depth": "mask.png"}[gone]
        assert sorted(path.name for path in folder.iterdir()) == sorted([kept, "overview.png"])
        both.save(tmp_path / "out")
