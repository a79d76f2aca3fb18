import threading
import zipfile

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from fgbgnet.errors import FgBgWarning, InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.inference import FrameReader, FrameWriter, median_background


def numbered(count, height=6, width=8):
    """Frames that hold their number."""
    return [np.full((height, width, 3), n, np.uint8) for n in range(count)]


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "FrameReader"]


@pytest.fixture
def clip(tmp_path):
    """A video of twelve frames, whose red is 20 times their number; blue is constant."""
    path = tmp_path / "clip.avi"
    with FrameWriter(path, fps=10) as video:
        for n in range(12):
            video.write(
                np.dstack([np.full((48, 64), 20 * n), np.zeros((48, 64)), np.full((48, 64), 90)]).astype(np.uint8)
            )
    return path


@pytest.mark.parametrize("capacity", [1, 3, 50])
def test_no_frame_of_a_file_is_lost(clip, capacity):
    with FrameReader(clip, capacity=capacity) as frames:
        assert (frames.fps, frames.announced, frames.latest) == (10.0, 12, False)
        seen = list(frames)
        assert list(frames) == []
    assert frames.dropped == 0
    assert len(seen) == 12
    for n, frame in enumerate(seen):
        assert (frame.dtype, tuple(frame.shape)) == (torch.uint8, (3, 48, 64))
        assert [float(level) for level in frame.float().mean((1, 2))] == pytest.approx([20 * n, 0, 90], abs=6)
    assert not readers()


def test_floats(clip):
    with FrameReader(clip) as whole, FrameReader(clip, dtype=torch.float32) as shares:
        for byte, share in zip(whole, shares, strict=True):
            assert torch.equal(share, byte.float() / 255)


def test_folders_and_archives_in_natural_order(tmp_path):
    (tmp_path / "frames").mkdir()
    for n in (10, 9, 100):
        Image.new("RGB", (8, 6), (n, 0, 0)).save(tmp_path / f"frames/f{n}.png")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (tmp_path / "frames").iterdir():
            archive.write(path, path.name)
    for source in (tmp_path / "frames", str(tmp_path / "all.zip")):
        with FrameReader(source) as frames:
            assert frames.announced == 3
            assert [int(frame.max()) for frame in frames] == [9, 10, 100]


def test_the_newest_frame_of_a_live_source_wins():
    go, offered = threading.Event(), threading.Event()

    def camera():
        yield from numbered(5)
        offered.set()
        assert go.wait(60)
        yield from numbered(9)[5:]

    with FrameReader(camera(), latest=True) as frames:
        assert offered.wait(60)  # the fifth was taken when the camera was asked for the sixth
        assert int(next(frames).max()) == 4
        assert frames.dropped == 4
        go.set()
        rest = [int(frame.max()) for frame in frames]
    assert rest == sorted(rest)
    assert rest[-1] == 8
    assert len(rest) + frames.dropped == 8


def test_at_most_so_many_frames_wait():
    asked = []

    def source():
        for n, frame in enumerate(numbered(50)):
            asked.append(n)
            yield frame

    with FrameReader(source(), capacity=3) as frames:
        for n, frame in enumerate(frames):
            assert int(frame.max()) == n
            assert len(asked) <= n + 6  # three wait, one is out, one is held, and one may have been asked for since


def test_errors_come_behind_the_frames_before_them():
    def source():
        yield from numbered(3)
        raise RuntimeError("the cable is loose")

    with FrameReader(source()) as frames:
        assert [int(next(frames).max()) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(RuntimeError, match="the cable is loose"):
            next(frames)
        assert list(frames) == []


def test_a_damaged_picture_in_a_folder(tmp_path):
    for n in range(3):
        Image.new("RGB", (8, 6)).save(tmp_path / f"{n}.png")
    (tmp_path / "1.png").write_bytes(b"no picture")
    with FrameReader(tmp_path) as frames:
        next(frames)
        with pytest.raises(PictureError, match=r"1\.png"):
            next(frames)


@pytest.mark.parametrize("latest", [False, True])
def test_a_reader_that_is_left_early_ends(latest):
    released = threading.Event()

    def endless():
        try:
            while True:
                yield numbered(1)[0]
        finally:
            released.set()

    def leave():
        with FrameReader(endless(), latest=latest) as frames:
            next(frames)
            left.append(frames)
            raise ZeroDivisionError

    left = []
    with pytest.raises(ZeroDivisionError):
        leave()
    assert released.is_set()
    assert not readers()
    assert list(left[0]) == []


def test_a_video_that_was_cut_says_so(tmp_path):
    path = tmp_path / "clip.avi"
    rng = np.random.default_rng(0)
    with FrameWriter(path, fps=5) as video:
        for _ in range(30):
            video.write(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with FrameReader(path) as frames:
        if frames.announced is None:
            pytest.skip("this OpenCV does not know how many frames a cut file had")
        with pytest.raises(FgBgWarning, match="of about 30 frames: it may be damaged"):
            list(frames)


def test_sources_that_cannot_be_opened(tmp_path, clip):
    (tmp_path / "text.avi").write_text("no video")
    (tmp_path / "empty").mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "one_01.png")
    for source, error, words in (
        (tmp_path / "clip.mp4", MissingFileError, r"no video or folder at .*; the nearest are 'clip\.avi'"),
        (tmp_path / "text.avi", PictureError, r"text\.avi cannot be opened"),
        (tmp_path / "one_01.png", InvalidArgumentError, "is a picture"),
        (tmp_path / "empty", InvalidArgumentError, "holds no picture"),
        (4242, PictureError, "camera 4242 cannot be opened"),
        (3.5, InvalidArgumentError, "source is a float"),
        (True, InvalidArgumentError, "source is a bool"),
    ):
        with pytest.raises(error, match=words):
            FrameReader(source)
    for arguments, words in (({"latest": True}, "no live source"), ({"capacity": 0}, "capacity=0"),
                             ({"dtype": torch.float16}, "float16")):  # fmt: skip
        with pytest.raises(InvalidArgumentError, match=words):
            FrameReader(clip, **arguments)
    for frame in (np.zeros((6, 8), np.uint8), np.zeros((6, 8, 3)), torch.zeros(3, 6, 8)):
        with FrameReader([frame]) as frames, pytest.raises(InvalidArgumentError, match="frame 0 of the source"):
            next(frames)
    assert not readers()


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
def test_what_is_written_is_read(tmp_path, suffix, size):
    path = tmp_path / f"clip{suffix}"
    with FrameWriter(path, fps=12) as video:
        for n in range(5):
            frame = torch.full((3, *size), 40 * n, dtype=torch.uint8)
            video.write(frame if n % 2 else frame.permute(1, 2, 0).numpy())
            assert not path.exists()
    with FrameReader(path) as frames:
        assert frames.fps == pytest.approx(12)
        levels = [frame.float().mean().item() for frame in frames]
    assert levels == pytest.approx([0, 40, 80, 120, 160], abs=6)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_video_is_whole_or_not_there(tmp_path):
    path = tmp_path / "clip.avi"

    def fail():
        with FrameWriter(path) as video:
            video.write(numbered(1)[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(InvalidArgumentError, match="no frame was written"), FrameWriter(path):
        pass
    with FrameWriter(path) as video:
        video.write(numbered(1)[0])
        for frame in (
            np.zeros((6, 9, 3), np.uint8),
            np.zeros((6, 8, 3)),
            torch.zeros(3, 6, 8),
            np.zeros((6, 8), np.uint8),
        ):
            with pytest.raises(InvalidArgumentError, match="expected uint8"):
                video.write(frame)
    assert cv2.VideoCapture(str(path)).read()[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.avi"]
    for wrong, words in (({"path": "x.gif"}, r"\.avi or \.mp4"), ({"path": "x.avi", "fps": 0}, "fps=0")):
        with pytest.raises(InvalidArgumentError, match=words):
            FrameWriter(**wrong)


@given(frames=arrays(np.uint8, st.tuples(st.integers(1, 7), st.just(3), st.integers(1, 5), st.integers(1, 4))),
       memory=st.sampled_from([1, 60, 10**6]))  # fmt: skip
def test_the_median_is_numpys(frames, memory):
    tensors = list(torch.from_numpy(frames))
    expected = np.median(frames, axis=0)
    assert np.array_equal(median_background(iter(tensors), memory).numpy(), np.rint(expected))
    shares = median_background([frame.float() / 255 for frame in tensors], memory)
    assert np.allclose(shares.numpy(), expected / 255, atol=1e-6)


def test_the_median_sees_through_what_passes():
    rng = np.random.default_rng(0)
    room = torch.from_numpy(rng.integers(0, 255, (3, 20, 40), dtype=np.uint8))
    frames = []
    for n in range(9):
        frame = room.clone()
        frame[:, 5:15, 4 * n : 4 * n + 8] = 200
        frames.append(frame)
    assert torch.equal(median_background(frames), room)


@pytest.mark.parametrize("frames", [[], [torch.zeros(3, 4, 4), torch.zeros(3, 4, 5)], [torch.zeros(4, 4)],
                                    [torch.zeros(3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.uint8)]])  # fmt: skip
def test_frames_without_a_median(frames):
    with pytest.raises(InvalidArgumentError):
        median_background(frames)
