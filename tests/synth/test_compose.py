import sys

import numpy as np
import pytest
import torch
from PIL import Image

from fgbgnet.data import Manifest, PairedFgBgDataset
from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.synth import compose
from fgbgnet.synth.blending import Placement, blend
from fgbgnet.synth.cutouts import load_background, load_cutout, premultiplied

# The package's attribute of this name is the function.
module = sys.modules[compose.__module__]


def disc(size=40, colour=(200, 40, 30)):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    alpha = np.clip((0.4 * size - np.hypot(x, y)) + 0.5, 0, 1)
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[..., :3] = colour
    rgba[..., 3] = np.rint(255 * alpha)
    return Image.fromarray(rgba)


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "bg").mkdir()
    (tmp_path / "fg").mkdir()
    for k in (2, 10):
        pixels = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((90, 60)).save(tmp_path / "bg" / f"room{k}.png")
    disc().save(tmp_path / "fg" / "red.png")
    disc(60, (20, 90, 220)).save(tmp_path / "fg" / "blue.png")
    return tmp_path


def run(folders, out="out", **arguments):
    settings_ = {"per_pair": 2, "size": 48, "progress": False, **arguments}
    return compose(folders / "bg", folders / "fg", folders / out, **settings_)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_composites_make_a_dataset(folders):
    path = run(folders, quality=None, shadow=0.0)
    manifest = Manifest.read(path)
    assert len(manifest) == 2 * 2 * 2 * 2
    assert set(manifest.column("bg_id")) == {"room2.png", "room10.png"}
    assert set(manifest.column("fg_id")) == {"red.png", "blue.png"}
    assert manifest.column("bg_id")[0] == "room2.png"  # natural order
    assert manifest.column("mirrored").tolist() == ["0", "0", "1", "1"] * 4  # per pair: as they are, then mirrored
    for sample in PairedFgBgDataset(path):
        residual = (sample["fg_bg"] - sample["bg"]).abs().amax(0, keepdim=True)
        assert sample["mask"].sum() > 20
        assert residual[sample["mask"] == 1].mean() > 0.1
        near = torch.nn.functional.max_pool2d(sample["mask"], 7, 1, 3) == 1
        assert (residual[~near] == 0).all()
        assert not sample["depth_valid"].any()


def test_same_seed_same_bytes_and_missing_files_are_made_again(folders):
    run(folders, "a")
    run(folders, "b")
    assert contents(folders / "a") == contents(folders / "b")
    for name in ("mask/sample_00000003.png", "fg_bg/sample_00000006.jpg", "manifest.csv"):
        (folders / "b" / name).unlink()
    (folders / "b" / "mask" / "sample_00000001.png").write_bytes(b"")  # as a power failure leaves them
    (folders / "b" / "bg" / "00000_room2.jpg").write_bytes(b"")
    run(folders, "b")
    assert contents(folders / "a") == contents(folders / "b")
    run(folders, "c", seed=1)
    assert contents(folders / "a")["fg_bg/sample_00000003.jpg"] != contents(folders / "c")["fg_bg/sample_00000003.jpg"]


def test_a_limited_run_holds_the_same_samples(folders):
    run(folders, "all")
    run(folders, "some", limit=5)
    everything, some = contents(folders / "all"), contents(folders / "some")
    pictures = [name for name in some if name.startswith(("fg_bg/", "mask/"))]
    assert len(pictures) == 10
    assert all(some[name] == everything[name] for name in pictures)


def test_the_same_samples_whatever_the_memory(folders, monkeypatch):
    run(folders, "all")
    monkeypatch.setattr(module, "_MEMORY", 0)
    run(folders, "none")
    assert contents(folders / "all") == contents(folders / "none")


def test_a_larger_limit_goes_on_and_a_smaller_one_is_refused(folders):
    run(folders, "all")
    path = run(folders, "some", limit=5)
    before = contents(folders / "some")
    stamps = {name: (folders / "some" / name).stat().st_mtime_ns for name in before if name.startswith("fg_bg/")}
    few = set(Manifest.read(path).column("id"))
    run(folders, "some", limit=9)
    more = set(Manifest.read(path).column("id"))
    assert len(few) == 5
    assert len(more) == 9
    assert few < more
    assert all((folders / "some" / name).stat().st_mtime_ns == stamp for name, stamp in stamps.items())
    with pytest.raises(InvalidArgumentError, match="holds 9 samples and this run makes only 4"):
        run(folders, "some", limit=4)
    run(folders, "some")
    assert contents(folders / "some") == contents(folders / "all")


def test_the_mask_is_alpha_of_one_half_of_what_was_blended(folders):
    manifest = Manifest.read(run(folders, quality=None, blur=1.0, shadow=1.0))
    assert set(manifest.column("mirrored").tolist()) == {"0", "1"}
    for k, sample in enumerate(PairedFgBgDataset(manifest)):
        row = {key: str(manifest.column(key)[k]) for key in ("bg_id", "fg_id", *Placement._fields)}
        numbers = {key: float(row[key]) for key in Placement._fields}
        placement = Placement(**{**numbers, "mirrored": row["mirrored"] == "1"})
        background = torch.from_numpy(load_background(folders / "bg" / row["bg_id"], (48, 48))).permute(2, 0, 1)
        cutout = premultiplied(load_cutout(folders / "fg" / row["fg_id"], 96))
        picture, alpha = blend(background, cutout, placement)
        clear = (alpha - 0.5).abs() > 0.01  # the table has five digits
        assert torch.equal(sample["mask"][0][clear] == 1, alpha[clear] >= 0.5)
        assert ((sample["fg_bg"] * 255 - picture).abs() <= 2).all()
        assert ((alpha > 0.05) & (alpha < 0.5)).any()


def test_another_run_in_the_same_folder_is_refused(folders):
    run(folders)
    with pytest.raises(InvalidArgumentError, match="per_pair: 2 there, 1 now"):
        run(folders, per_pair=1)
    with pytest.raises(InvalidArgumentError, match=r"seed: 0 there, 5 now.*accepted there is a run with the same"):
        run(folders, seed=5)


def test_changed_and_added_pictures_are_refused(folders):
    run(folders)
    before = contents(folders / "out")
    old = (folders / "fg" / "red.png").read_bytes()
    disc(colour=(0, 200, 0)).save(folders / "fg" / "red.png")
    with pytest.raises(InvalidArgumentError, match=r"cutouts: red\.png .* there, red\.png .* now"):
        run(folders)
    (folders / "fg" / "red.png").write_bytes(old)
    Image.new("RGB", (90, 60)).save(folders / "bg" / "room3.png")
    with pytest.raises(InvalidArgumentError, match=r"backgrounds: nothing there, room3\.png"):
        run(folders)
    assert contents(folders / "out") == before
    (folders / "bg" / "room3.png").unlink()
    run(folders)


def test_composites_of_another_version_are_refused(folders, monkeypatch):
    run(folders)
    monkeypatch.setattr(module, "COMPOSER_VERSION", 99)
    with pytest.raises(InvalidArgumentError, match="composer_version: 1 there, 99 now"):
        run(folders)


@pytest.mark.parametrize("kind", ["bg", "fg"])
def test_a_bad_picture_can_be_mended_and_the_run_repeated(folders, kind):
    whole = (folders / "fg" / "red.png").read_bytes()
    (folders / kind / "zz_bad.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match=r"zz_bad\.png") as caught:
        run(folders)
    assert {"bg": "Expected photographs", "fg": "Expected pictures with alpha"}[kind] in str(caught.value)
    assert not (folders / "out").exists()
    (folders / kind / "zz_bad.png").unlink()
    run(folders)


@pytest.mark.parametrize(
    ("save", "text"),
    [
        (lambda path: disc().convert("RGB").save(path), "no alpha channel"),
        (lambda path: Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(path), "empty"),
        (lambda path: Image.new("RGBA", (20, 20), (9, 9, 9, 255)).save(path), "opaque everywhere"),
        (lambda path: path.write_bytes(b"not a picture"), "not a picture"),
        (lambda path: path.write_bytes(b""), "bad.png"),
    ],
)
def test_bad_cutouts_are_named_before_anything_is_made(folders, save, text):
    save(folders / "fg" / "bad.png")
    with pytest.raises(PictureError, match=text) as caught:
        run(folders)
    assert "bad.png" in str(caught.value)
    assert not (folders / "out" / "fg_bg").exists()


def test_truncated_cutout_is_named(folders):
    whole = (folders / "fg" / "red.png").read_bytes()
    (folders / "fg" / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match=r"cut\.png"):
        run(folders)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"per_pair": 0}, "per_pair"),
        ({"size": 8}, "size"),
        ({"scale": (0.5, 0.1)}, "scale"),
        ({"shadow": 2.0}, "shadow"),
        ({"quality": 101}, "quality"),
        ({"limit": 0}, "limit"),
        ({"limit": 2.5}, "limit is 2.5; expected an integer"),
        ({"size": 48.0}, "size is 48.0; expected an integer"),
        ({"blur": -0.1}, "blur"),
    ],
)
def test_wrong_arguments_are_named(folders, arguments, text):
    with pytest.raises(InvalidArgumentError, match=text):
        run(folders, **arguments)


def test_missing_and_empty_folders_are_named(folders):
    with pytest.raises(MissingFileError, match="cutouts: no file or folder"):
        compose(folders / "bg", folders / "nowhere", folders / "out")
    (folders / "void").mkdir()
    with pytest.raises(InvalidArgumentError, match="holds no picture"):
        compose(folders / "void", folders / "fg", folders / "out")
