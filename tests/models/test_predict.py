import re

import numpy as np
import pytest
import torch
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
        "uint16 array": (bg.astype(np.uint16), frame.astype(np.uint16) * 257),
        "tensor": tuple(t.float() / 255 for t in tensors),
        "batch of one": tuple(t[None] for t in tensors),
    }
    for kind, pair in kinds.items():
        prediction = BrightPixels().predict(*pair)
        assert prediction.mask.dtype == torch.bool, kind
        assert np.array_equal(prediction.mask.numpy(), frame[..., 0] > 0), kind
        assert torch.allclose(prediction.depth, 1 + torch.from_numpy(frame[..., 0] / 255).float()), kind


def test_sizes_differ_and_working_size():
    model = DualHeadUNet("unet_small", input_size=32)
    seen = []
    model.shared.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[-2:])))
    prediction = model.predict(np.zeros((33, 47, 3), np.uint8), np.zeros((60, 120, 3), np.uint8))
    assert prediction.mask.shape == prediction.depth.shape == prediction.mask_probability.shape == (60, 120)
    assert prediction.bg.shape == prediction.fg_bg.shape == (3, 60, 120)
    height, width = seen[0]
    assert 0.5 < height * width / 32**2 < 2  # padded to a multiple of 16
    assert height < width


def test_leaves_the_mode_and_the_statistics_alone():
    model = DualHeadUNet("unet_small").train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.predict(np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8))
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


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
