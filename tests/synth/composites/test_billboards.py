import numpy as np
import pytest
import torch
from PIL import Image

from fgbgnet.data import Manifest, PairedFgBgDataset
from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.synth import ComposedDataset, compose, load_teacher
from fgbgnet.synth.composites.billboards import stand, to_stored
from fgbgnet.synth.composites.depth_maps import DepthFolder, DepthMap
from fgbgnet.synth.composites.shadows import Patch

HORIZON, CAMERA = 0.25, 1.5  # of a pinhole camera 1.5 m above a plane, with a wall 20 m away


def ground(size):
    """Planar depth of the plane and the wall, metres: f c / (y - horizon), with a focal length of the height."""
    rows = (np.arange(size) + 0.5) / size - HORIZON
    depth = np.where(rows > 0, np.minimum(CAMERA / np.maximum(rows, 1e-9), 20), 20)
    return np.repeat(depth[:, None], size, 1).astype(np.float32)


def empty(values, valid=None):
    return DepthMap(values.copy(), np.ones(values.shape, bool) if valid is None else valid.copy())


def box(top, bottom, left=10, right=20, value=1.0):
    return Patch(np.full((bottom - top, right - left), value, np.float32), left, top)


def test_a_billboard_stands_where_its_foot_meets_the_ground():
    background = empty(ground(100))
    depth = empty(ground(100))
    contact = stand(depth, background, box(40, 70))
    assert contact == pytest.approx(CAMERA / (0.715 - HORIZON))  # the middle of the three rows below: 70, 71, 72
    assert (depth.values[40:70, 10:20] == np.float32(contact)).all()
    outside = np.ones((100, 100), bool)
    outside[40:70, 10:20] = False
    assert np.array_equal(depth.values[outside], background.values[outside])
    assert depth.valid.all()


def test_nothing_is_farther_than_what_it_hides():
    values = ground(100)
    values[50:60, 12:15] = 1.0  # a post, nearer than the foot's ground
    depth = empty(values)
    contact = stand(depth, empty(values), box(40, 70))
    assert (depth.values[50:60, 12:15] == 1).all()
    assert (depth.values <= values).all()
    second = stand(depth, empty(values), box(40, 90, 15, 30))
    assert second < contact
    assert (depth.values[40:90, 15:30] == np.float32(second)).all()


def test_half_transparent_pixels_keep_their_depth():
    depth = empty(ground(100))
    stand(depth, empty(ground(100)), box(40, 70, value=0.49))
    assert np.array_equal(depth.values, ground(100))


@pytest.mark.parametrize("bottom", [98, 99, 100])
def test_a_foot_below_the_picture_stands_on_its_last_rows(bottom):
    depth = empty(ground(100))
    assert stand(depth, empty(ground(100)), box(60, bottom)) == pytest.approx(CAMERA / (0.985 - HORIZON))


def test_without_valid_ground_it_is_as_near_as_the_nearest_that_it_hides():
    values, valid = ground(100), np.ones((100, 100), bool)
    valid[70:] = False
    depth = empty(values, valid)
    contact = stand(depth, empty(values, valid), box(40, 70))
    assert contact == values[40:70].min()
    assert depth.valid[40:70, 10:20].all()
    valid[:] = False
    depth = empty(np.zeros_like(values), valid)
    assert np.isnan(stand(depth, empty(values, valid), box(40, 70)))
    assert not depth.valid.any()


def test_holes_behind_a_billboard_become_valid_and_outliers_do_not_move_it():
    values, valid = ground(100), np.ones((100, 100), bool)
    valid[45:50, 11:13] = False
    values[70:73, 10:12] = 0.1  # a stone at the foot, less than half of its width
    depth = empty(values, valid)
    assert stand(depth, empty(values, valid), box(40, 70)) == pytest.approx(CAMERA / (0.715 - HORIZON))
    assert depth.valid.all()


def test_metres_are_stored_as_millimetres_and_what_is_too_far_is_not_valid():
    values = np.float32([[0.0, 1.2344, 65.535, 65.6]])
    stored = to_stored(DepthMap(values, values > 0), "metres")
    assert stored.tolist() == [[0, 1234, 65535, 0]]
    shares = to_stored(DepthMap(np.float32([[0, 0.5, 1]]), np.ones((1, 3), bool)), "relative")
    assert shares.tolist() == [[0, 32768, 65535]]


@pytest.fixture
def folders(tmp_path):
    for name in ("bg", "fg", "metres", "near_white"):
        (tmp_path / name).mkdir()
    for k in range(2):
        Image.fromarray(np.full((64, 64, 3), 90 + 60 * k, np.uint8)).save(tmp_path / "bg" / f"{k}.png")
        metres = ground(64) * (1 + k)
        Image.fromarray((metres * 1000).astype(np.uint16)).save(tmp_path / "metres" / f"{k}.png")
        np.save(tmp_path / "near_white" / f"{k}.npy", 0.9 - metres / 50)
    thing = Image.new("RGBA", (20, 30))
    thing.paste((200, 30, 30, 255), (2, 2, 18, 28))
    thing.save(tmp_path / "fg" / "thing.png")
    return tmp_path


def run(folders, depth, out="out", **arguments):
    settings = {"per_pair": 4, "size": 64, "num_workers": 0, "progress": False, "quality": None, **arguments}
    return compose(folders / "bg", folders / "fg", folders / out, depth=depth, **settings)


def test_maps_in_metres_go_round(folders):
    manifest = Manifest.read(run(folders, folders / "metres", depth_unit="metres", horizon=HORIZON))
    assert set(manifest.column("depth_unit").tolist()) == {"metres"}
    for k, sample in enumerate(PairedFgBgDataset(manifest)):
        clean = torch.from_numpy(ground(64)) * (1 + int(manifest.column("bg_id")[k][0]))
        inside = sample["mask"][0] == 1
        assert sample["depth_valid"].all()
        assert (sample["depth"][0] - clean)[~inside].abs().max() < 0.0011
        assert ((sample["depth"][0] - clean)[inside] < 0.0011).all()
        standing = sample["depth"][0][inside].unique()
        assert len(standing) == 1
        assert standing[0] < 20


def test_relative_maps_have_one_range_and_near_becomes_small(folders):
    path = run(folders, folders / "near_white", depth_direction="near_large")
    manifest = Manifest.read(path)
    assert set(manifest.column("depth_unit").tolist()) == {"relative"}
    assert set(manifest.column("depth_direction").tolist()) == {"near_small"}
    metres = [ground(64), 2 * ground(64)]
    low, high = min(m.min() for m in metres), max(m.max() for m in metres)
    for k, sample in enumerate(PairedFgBgDataset(manifest)):
        expected = torch.from_numpy((metres[int(manifest.column("bg_id")[k][0])] - low) / (high - low))
        outside = sample["mask"][0] == 0
        torch.testing.assert_close(sample["depth"][0][outside], expected[outside], atol=2e-5, rtol=0)


def test_the_dataset_gives_the_same_kind_of_depth(folders):
    dataset = ComposedDataset(
        folders / "bg", folders / "fg", size=64, depth=folders / "metres", depth_unit="metres", n=4
    )  # fmt: skip
    assert dataset.depth_unit == "metres"
    assert dataset.has_depth
    names = dataset.group_ids("bg")
    for k in range(4):
        sample = dataset[k]
        clean = torch.from_numpy(ground(64)) * (1 + int(names[k][0]))
        outside = sample["mask"][0] == 0
        assert (sample["depth"][0] - clean)[outside].abs().max() < 0.0011
        assert (sample["depth"][0] <= clean + 0.0011).all()
        assert sample["depth_valid"].dtype == torch.bool


class Guess:
    """Brightness is distance; how often it was asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, pictures):
        self.asked += len(pictures)
        return 1 + pictures.float().mean(1) / 255


def test_a_teacher_is_asked_once_for_every_background(folders):
    guess = Guess()
    path = run(folders, guess, depth_unit="metres")
    assert guess.asked == 2
    before = path.read_bytes()
    run(folders, guess, depth_unit="metres")
    assert guess.asked == 2
    assert path.read_bytes() == before
    for k, sample in enumerate(PairedFgBgDataset(path)):
        level = 90 + 60 * int(Manifest.read(path).column("bg_id")[k][0])
        assert sample["depth"].sub(1 + level / 255).abs().max() < 0.001  # a flat background: everything stands on it
    dataset = ComposedDataset(folders / "bg", folders / "fg", size=64, depth=guess, depth_unit="metres", n=4)
    assert guess.asked == 4
    assert dataset[0]["depth"].unique().numel() == 1
    assert guess.asked == 4


def test_a_teacher_of_inverse_depth_is_turned_round(folders):
    path = run(folders, Guess(), depth_unit="relative", depth_direction="near_large")
    depth = {
        str(b): PairedFgBgDataset(path)[k]["depth"].mean().item()
        for k, b in enumerate(Manifest.read(path).column("bg_id"))
    }
    assert depth == {"0.png": 1.0, "1.png": 0.0}  # the darker is the farther


def test_a_teacher_may_judge_every_composite(folders):
    guess = Guess()
    path = run(folders, guess, depth_unit="metres", depth_mode="teacher")
    assert guess.asked == 16
    for sample in PairedFgBgDataset(path):
        expected = 1 + sample["fg_bg"].mean(0)
        assert (sample["depth"][0] - expected).abs().max() < 0.001


def test_wrong_maps_are_named(folders):
    with pytest.raises(InvalidArgumentError, match="that mode needs a function or a model"):
        run(folders, folders / "metres", depth_mode="teacher")
    with pytest.raises(InvalidArgumentError, match=r"depth_scale is 0\.5"):
        run(folders, Guess(), depth_unit="metres", depth_scale=0.5)
    np.save(folders / "near_white" / "1.npy", np.full((64, 64), np.nan, np.float32))
    with pytest.raises(PictureError, match=r"1\.npy is not finite everywhere"):
        run(folders, folders / "near_white")
    (folders / "metres" / "1.npy").write_bytes(b"")
    with pytest.raises(InvalidArgumentError, match=r"several maps of 1\.png: 1\.npy, 1\.png"):
        run(folders, folders / "metres")
    for name in ("1.npy", "1.png"):
        (folders / "metres" / name).unlink()
    with pytest.raises(MissingFileError, match=r"no map of 1 of 2 backgrounds: 1\.png"):
        run(folders, folders / "metres")
    assert not (folders / "out").exists()


def test_a_changed_map_is_noticed(folders):
    run(folders, folders / "metres", depth_unit="metres")
    Image.fromarray((ground(64) * 500).astype(np.uint16)).save(folders / "metres" / "1.png")
    with pytest.raises(InvalidArgumentError, match=r"depth: 1\.png"):
        run(folders, folders / "metres", depth_unit="metres")


def test_a_square_map_of_a_wide_photograph_is_stretched_before_it_is_cut(tmp_path):
    """Distance is the column of the photograph, whatever the shape of the map."""
    for name in ("bg", "square", "same"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (192, 64)).save(tmp_path / "bg" / "wide.png")
    columns = np.arange(192, dtype=np.float32) + 1
    np.save(tmp_path / "same" / "wide.npy", np.tile(columns, (64, 1)))
    np.save(tmp_path / "square" / "wide.npy", np.tile(columns.reshape(64, 3).mean(1), (64, 1)))
    maps = {
        name: DepthFolder.find(tmp_path / name, [tmp_path / "bg" / "wide.png"], "metres", "near_small", None)
        .load(0, (32, 32)).values
        for name in ("same", "square")
    }  # fmt: skip
    middle = 64 + 2 * np.arange(32) + 1.5  # columns 64 to 128, two for each pixel
    assert np.abs(maps["same"] - middle).max() <= 0.5
    assert np.abs(maps["square"] - middle).max() <= 2


def test_guesses_of_a_killed_run_are_kept_by_whole_batches(folders):
    for k in range(2, 19):
        Image.fromarray(np.full((64, 64, 3), 5 * k, np.uint8)).save(folders / "bg" / f"{k}.png")
    guess = Guess()
    path = run(folders, guess, depth_unit="metres", per_pair=1)
    assert guess.asked == 19
    whole = {p.name: p.read_bytes() for p in (path.parent / "depth_bg").iterdir()}
    (path.parent / "depth_bg" / "00017.npy").unlink()
    run(folders, guess, depth_unit="metres", per_pair=1)
    assert guess.asked == 19 + 3  # the last batch
    assert {p.name: p.read_bytes() for p in (path.parent / "depth_bg").iterdir()} == whole


@pytest.mark.parametrize(("unit", "refused"), [("metres", False), ("relative", True)])
def test_a_larger_limit_would_change_the_range_of_a_relative_teacher(folders, unit, refused):
    arguments = {"depth_unit": unit, "depth_direction": "near_small", "depth_mode": "teacher"}
    run(folders, Guess(), limit=3, **arguments)
    if refused:
        with pytest.raises(InvalidArgumentError, match="limit: 3 there, 5 now"):
            run(folders, Guess(), limit=5, **arguments)
    else:
        assert len(Manifest.read(run(folders, Guess(), limit=5, **arguments))) == 5


def test_a_teacher_of_load_teacher_is_taken_as_it_is(folders):
    teacher = load_teacher(Guess(), unit="metres", name="first")
    run(folders, teacher)
    with pytest.raises(InvalidArgumentError, match=r"depth: .*Guess first there, .*Guess second now"):
        run(folders, load_teacher(Guess(), unit="metres", name="second"))
    with pytest.raises(InvalidArgumentError, match="unit is 'relative', but the source is the Teacher"):
        run(folders, teacher, depth_unit="relative")
