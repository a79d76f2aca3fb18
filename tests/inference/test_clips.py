import numpy as np
import pytest
import torch

from fgbgnet.errors import InvalidArgumentError, MissingFileError
from fgbgnet.evaluation import Difference
from fgbgnet.inference import FrameReader, FrameWriter, predict_video
from fgbgnet.models import DualHeadUNet
from fgbgnet.plotting import mask_overlay
from tests.inference.networks import speaking


@pytest.fixture
def clip(tmp_path):
    """A bright square that moves over a grey room."""
    room = np.full((48, 64, 3), 90, np.uint8)
    with FrameWriter(tmp_path / "clip.avi", fps=8) as video:
        for n in range(6):
            frame = room.copy()
            frame[16:32, 8 * n : 8 * n + 16] = (250, 240, 230)
            video.write(frame)
    return tmp_path / "clip.avi", room


def test_the_foreground_is_tinted(clip, tmp_path):
    path, room = clip
    assert predict_video(Difference(), room, path, tmp_path / "out.avi", progress=False) == 6
    with FrameReader(tmp_path / "out.avi") as frames:
        assert frames.fps == 8
        for n, frame in enumerate(frames):
            red, green, _ = frame.float()
            tinted = green > red + 30
            assert tinted[19:29, 8 * n + 3 : min(8 * n + 13, 64)].all()
            assert not tinted[:, : max(8 * n - 3, 0)].any()
            assert not tinted[:12].any()


def test_siamese_models_encode_the_background_once(clip, tmp_path):
    path, room = clip
    model = speaking(fusion="siamese", encoder_depth=2)
    calls = []
    model.shared.encoder.register_forward_hook(lambda *_: calls.append(1))
    predict_video(model, room, path, tmp_path / "out.avi", progress=False)
    assert len(calls) == 1 + 6
    calls.clear()
    predict_video(speaking(encoder_depth=2), room, path, tmp_path / "out.avi", progress=False)
    assert calls == []


def test_wrong_arguments(clip, tmp_path):
    path, room = clip
    depth = DualHeadUNet("unet_small", tasks="depth")
    for arguments, error, words in (
        ((depth, room, path, tmp_path / "o.avi"), InvalidArgumentError, "predicts no mask"),
        ((Difference(), room, path, tmp_path / "o.png"), InvalidArgumentError, "name of a video"),
        ((Difference(), room, tmp_path / "no.avi", tmp_path / "o.avi"), MissingFileError, "no video"),
        ((Difference(), tmp_path / "no.png", path, tmp_path / "o.avi"), MissingFileError, "no picture"),
    ):
        with pytest.raises(error, match=words):
            predict_video(*arguments, progress=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.avi"]


def test_overlay():
    frame = torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1).expand(3, 2, 2)
    mask = torch.tensor([[True, False], [False, False]])
    picture = mask_overlay(frame, mask)
    assert picture.dtype == np.uint8
    assert picture[0, 0].tolist() == [169, 88, 36]
    assert picture[1, 1].tolist() == [170, 42, 42]
