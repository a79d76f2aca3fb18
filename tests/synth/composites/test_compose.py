import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from fgbgnet.data import Manifest, PairedFgBgDataset
from fgbgnet.errors import (
    FgBgWarning,
    InvalidArgumentError,
    MissingFileError,
    PictureError,
    UnknownNameError,
)
from fgbgnet.synth import compose
from fgbgnet.synth.composites.blending import blend
from fgbgnet.synth.composites.cutouts import Cutout, load_background, load_cutout
from fgbgnet.synth.composites.placement import Placement
from tests.synth.composites.pictures import contents, disc, run, two_of_each

PLAIN = {"erode": 0.0, "feather": 0.0, "blur": 0.0, "colour_match": 0.0, "shadow": 0.0}


@pytest.fixture
def folders(tmp_path):
    return two_of_each(tmp_path)


def rows(manifest):
    return [
        dict(zip(manifest.names, values, strict=True))
        for values in zip(*map(manifest.column, manifest.names), strict=True)
    ]


def placements(row):
    """Of every cut-out of a row, as the table says."""
    numbers = {key: row[key].split("/") for key in Placement._fields}
    return [
        Placement(
            **{key: values[k] == "1" if key == "mirrored" else float(values[k]) for key, values in numbers.items()}
        )
        for k in range(len(numbers["scale"]))
    ]


def test_composites_make_a_dataset(folders):
    path = run(folders, quality=None, **PLAIN)
    manifest = Manifest.read(path)
    assert len(manifest) == 2 * 2 * 2 * 2
    assert set(manifest.column("bg_id")) == {"room2.png", "room10.png"}
    assert set(manifest.column("fg_id")) == {"red.png", "blue.png"}
    assert manifest.column("bg_id")[0] == "room2.png"  # natural order
    assert manifest.column("mirrored").tolist() == ["0", "0", "1", "1"] * 4  # per pair: as they are, then mirrored
    assert Manifest.read(path).write(folders / "out" / "again.csv").read_bytes() == path.read_bytes()
    for sample in PairedFgBgDataset(path):
        residual = (sample["fg_bg"] - sample["bg"]).abs().amax(0, keepdim=True)
        assert sample["mask"].sum() > 20
        assert residual[sample["mask"] == 1].mean() > 0.1
        near = torch.nn.functional.max_pool2d(sample["mask"], 7, 1, 3) == 1
        assert (residual[~near] == 0).all()
        assert not sample["depth_valid"].any()


def test_files_say_what_the_table_says(folders):
    manifest = Manifest.read(run(folders, quality=None, max_cutouts=3, seed=4))
    several = 0
    for row in rows(manifest):
        picture = load_background(folders / "bg" / row["bg_id"], (48, 48))
        assert np.array_equal(np.asarray(Image.open(folders / "out" / row["bg"])), picture)
        through, mask = np.ones((48, 48)), np.zeros((48, 48), bool)
        names = row["fg_ids"].split("/")
        assert row["fg_id"] in names
        for name, placement, box in zip(names, placements(row), row["boxes"].split("/"), strict=True):
            patch = blend(picture, Cutout.of(load_cutout(folders / "fg" / name), 48), placement)
            there = (
                slice(patch.top, patch.top + patch.values.shape[0]),
                slice(patch.left, patch.left + patch.values.shape[1]),
            )
            through[there] *= 1 - patch.values
            mask[there] |= patch.values >= 0.5
            own = np.zeros((48, 48), bool)
            own[there] = patch.values >= 0.5
            x0, y0, x1, y1 = map(int, box.split())
            assert own[y0:y1, x0:x1].sum() == own.sum()
            assert own[y0].any() and own[y1 - 1].any() and own[:, x0].any() and own[:, x1 - 1].any()  # noqa: PT018
        several += len(names) > 1
        stored = np.asarray(Image.open(folders / "out" / row["alpha"]))
        assert np.abs(stored - 255 * (1 - through)).max() <= 1  # the table has five digits
        assert np.array_equal(np.asarray(Image.open(folders / "out" / row["mask"])), np.where(stored >= 128, 255, 0))
        assert not mask[stored < 126].any()
        assert np.abs(np.asarray(Image.open(folders / "out" / row["fg_bg"])).astype(int) - picture).max() <= 2
    assert several > 3


BAD = {
    "opaque.png": (lambda path: Image.new("RGBA", (20, 20), (9, 9, 9, 255)).save(path), "opaque everywhere"),
    "empty.png": (lambda path: Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(path), "is empty"),
    "photo.jpg": (lambda path: disc().convert("RGB").save(path), "mode RGB and no alpha channel"),
    "print.jpg": (lambda path: Image.new("CMYK", (20, 20)).save(path), "mode CMYK and no alpha channel"),
    "wide.png": (lambda path: Image.new("I;16", (20, 20)).save(path), "mode I;16 and no alpha channel"),
    "text.png": (lambda path: path.write_bytes(b"not a picture"), "not a picture"),
    "void.png": (lambda path: path.write_bytes(b""), "not a picture"),
    "half.png": (lambda path: path.write_bytes((path.parent / "red.png").read_bytes()[:200]), "cannot be decoded"),
}


def test_all_bad_pictures_are_named_at_once_before_anything_is_made(folders):
    for name, (save, _) in BAD.items():
        save(folders / "fg" / name)
    (folders / "bg" / "torn.png").write_bytes((folders / "bg" / "room2.png").read_bytes()[:300])
    with pytest.raises(PictureError, match=r"^9 pictures cannot be used.*torn\.png.*skip_bad=True") as caught:
        run(folders)
    for name, (_, text) in BAD.items():
        assert any(name in part and text in part for part in str(caught.value).split("; "))
    assert "Expected photographs" in str(caught.value)
    assert not (folders / "out").exists()
    with pytest.warns(FgBgWarning, match=r"9 pictures are left out.*opaque\.png"):
        path = run(folders, skip_bad=True)
    for name in BAD:
        (folders / "fg" / name).unlink()
    (folders / "bg" / "torn.png").unlink()
    run(folders, "good")
    assert contents(path.parent) == contents(folders / "good")


def test_skipping_all_is_refused(folders):
    for name in ("red.png", "blue.png"):
        (folders / "fg" / name).write_bytes(b"")
    with pytest.raises(PictureError, match="2 pictures cannot be used"):
        run(folders, skip_bad=True)


def test_halos_are_told(folders):
    haloed = np.asarray(disc(60, (20, 20, 60))).astype(float)
    edge = (np.hypot(*(np.mgrid[:60, :60] - 29.5)) > 22)[..., None]
    haloed[..., :3] = np.where(edge, 250, haloed[..., :3])
    Image.fromarray(haloed.astype(np.uint8)).save(folders / "fg" / "haloed.png")
    with pytest.warns(FgBgWarning, match=r"1 cut-outs have a white halo.*haloed\.png"):
        run(folders)


def test_a_cutout_larger_than_the_background_is_reduced(folders):
    disc(400).save(folders / "fg" / "huge.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manifest = Manifest.read(run(folders))
    sizes = [[int(v) for v in row["boxes"].split()] for row in rows(manifest) if row["fg_id"] == "huge.png"]
    assert all(0 <= x0 < x1 <= 48 and 0 <= y0 < y1 <= 48 for x0, y0, x1, y1 in sizes)


def test_quality_and_chroma_are_drawn_for_each_and_written_down(folders):
    path = run(
        folders, per_pair=6, quality=(20, 95), chroma=("4:4:4", "4:2:0"), bg_quality=None, size=64
    )  # fmt: skip
    manifest = Manifest.read(path)
    assert all(name.endswith(".png") for name in manifest.column("bg"))
    assert len(set(manifest.column("quality").tolist())) > 10
    assert all(20 <= int(q) <= 95 for q in manifest.column("quality"))
    assert set(manifest.column("chroma").tolist()) == {"4:4:4", "4:2:0"}
    for row in rows(manifest):
        with Image.open(path.parent / row["fg_bg"]) as picture:
            sampling = {(1, 1): "4:4:4", (2, 2): "4:2:0"}[picture.layer[0][1:3]]
            # The scale of the standard tables, ITU-T T.81 annex K, as libjpeg applies it: 16 is the first entry.
            quality = int(row["quality"])
            scale = 5000 // quality if quality < 50 else 200 - 2 * quality
            assert picture.quantization[0][0] == min(max((16 * scale + 50) // 100, 1), 255)
        assert sampling == row["chroma"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"per_pair": 0}, "per_pair"),
        ({"size": 8}, "size"),
        ({"scale": (0.5, 0.1)}, "scale"),
        ({"quality": 101}, "quality is 101; expected 1 to 100"),
        ({"quality": (90, 30)}, "quality"),
        ({"bg_quality": 0}, "bg_quality is 0"),
        ({"chroma": "4:1:1"}, "chroma is '4:1:1'; expected one or several of"),
        ({"chroma": ()}, "chroma"),
        ({"limit": 0}, "limit"),
        ({"limit": 2.5}, "limit is 2.5; expected an integer"),
        ({"shard": 0}, "shard"),
        ({"num_workers": -1}, "num_workers"),
        ({"size": 48.0}, "size is 48.0; expected an integer"),
        ({"depth_mode": "guess", "depth": "x"}, "unknown depth_mode 'guess'"),
        ({"shadw": 0.5}, "unknown argument 'shadw'"),
        ({"quality": True}, "quality is True"),
        ({"quality": (True, 90)}, "quality"),
        ({"chroma": 5}, "chroma is 5; expected one or several of"),
        ({"chroma": [["4:2:0"]]}, "chroma is"),
        ({"flip": "no"}, "flip is 'no'; expected True or False"),
        ({"depth_mode": "guess"}, "unknown depth_mode 'guess'"),
        ({"depth_mode": "teacher"}, "depth_mode came without depth"),
        ({"depth_unit": "metres", "depth_scale": 0.5}, "depth_unit, depth_scale came without depth"),
        ({"depth_scale": 0, "depth": "x"}, "depth_scale is 0; expected a positive number"),
        ({"depth_scale": float("nan"), "depth": "x"}, "depth_scale is nan"),
    ],
)
def test_wrong_arguments_are_named(folders, arguments, text):
    with pytest.raises((InvalidArgumentError, UnknownNameError), match=text):
        run(folders, **arguments)
    assert not (folders / "out").exists()


def test_missing_and_empty_folders_are_named(folders):
    with pytest.raises(MissingFileError, match="cutouts: no file or folder"):
        compose(folders / "bg", folders / "nowhere", folders / "out")
    (folders / "void").mkdir()
    with pytest.raises(InvalidArgumentError, match="holds no picture"):
        compose(folders / "void", folders / "fg", folders / "out")


def test_more_than_twenty_bad_pictures_are_counted(folders):
    for k in range(23):
        (folders / "fg" / f"bad{k}.png").write_bytes(b"")
    with pytest.raises(PictureError, match=r"^23 pictures cannot be used.*bad19\.png.*and 3 more") as caught:
        run(folders)
    assert "bad20.png" not in str(caught.value)


def test_cutouts_that_are_too_thin_for_a_mask_are_named(folders):
    thin = Image.new("RGBA", (400, 400))
    ImageDraw.Draw(thin).line((0, 0, 399, 399), (10, 10, 10, 255), 4)
    thin.save(folders / "fg" / "thin.png")
    with pytest.warns(FgBgWarning, match=r"^8 of 24 samples have an empty mask.*: thin\.png$"):
        path = run(folders, **PLAIN, scale=(0.3, 0.4))
    empty = [sample["id"] for sample in PairedFgBgDataset(path) if not sample["mask"].any()]
    assert empty == [row["id"] for row in rows(Manifest.read(path)) if row["fg_id"] == "thin.png"]


@pytest.mark.parametrize("stem", ["m\u00b2", "x" * 240])
def test_odd_and_long_names_of_pictures_are_taken(folders, stem):
    (folders / "bg" / "room2.png").rename(folders / "bg" / f"{stem}.png")
    manifest = Manifest.read(run(folders))
    assert f"{stem}.png" in manifest.column("bg_id").tolist()
    assert all(manifest.resolve(path).is_file() for path in manifest.column("bg").tolist())
