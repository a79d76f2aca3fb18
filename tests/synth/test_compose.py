import errno
import itertools
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from fgbgnet.data import Manifest, PairedFgBgDataset
from fgbgnet.errors import (
    FgBgWarning,
    InvalidArgumentError,
    MissingFileError,
    OutputError,
    PictureError,
    UnknownNameError,
)
from fgbgnet.synth import compose
from fgbgnet.synth.blending import blend
from fgbgnet.synth.cutouts import Cutout, load_background, load_cutout
from fgbgnet.synth.placement import Placement

# The package's attribute of this name is the function.
module = sys.modules[compose.__module__]
PLAIN = {"erode": 0.0, "feather": 0.0, "blur": 0.0, "colour_match": 0.0, "shadow": 0.0}


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
    settings = {"per_pair": 2, "size": 48, "num_workers": 0, "progress": False, **arguments}
    return compose(folders / "bg", folders / "fg", folders / out, **settings)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


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


def test_same_seed_same_bytes_and_missing_files_are_made_again(folders):
    run(folders, "a")
    run(folders, "b")
    assert contents(folders / "a") == contents(folders / "b")
    for name in ("mask/sample_00000003.png", "fg_bg/sample_00000006.jpg", "manifest.csv"):
        (folders / "b" / name).unlink()
    run(folders, "b")
    assert contents(folders / "a") == contents(folders / "b")
    (folders / "b" / "alpha" / "sample_00000001.png").write_bytes(b"")  # as a power failure leaves them
    (folders / "b" / "bg" / "00000_room2.jpg").write_bytes(b"")
    run(folders, "b")
    assert contents(folders / "a") == contents(folders / "b")
    run(folders, "c", seed=1)
    assert contents(folders / "a")["fg_bg/sample_00000003.jpg"] != contents(folders / "c")["fg_bg/sample_00000003.jpg"]


@pytest.mark.parametrize("shard", [None, 5])
def test_the_number_of_workers_does_not_matter(folders, shard):
    for workers in (0, 1, 2):
        run(folders, f"w{workers}", num_workers=workers, shard=shard, max_cutouts=2)
    assert contents(folders / "w0") == contents(folders / "w1") == contents(folders / "w2")


def test_a_composer_can_be_sent_to_spawned_processes(folders):
    import pickle

    from fgbgnet.synth.gathering import gather
    from fgbgnet.synth.style import CompositeStyle

    composer = gather(folders / "bg", folders / "fg", (48, 48), 0, CompositeStyle(), skip_bad=False, memory=10**6)
    twin = pickle.loads(pickle.dumps(composer))
    assert np.array_equal(composer(5, 1, 1, True).fg_bg, twin(5, 1, 1, True).fg_bg)


def test_archives_hold_the_same_and_are_read_in_place(folders):
    loose, packed = Manifest.read(run(folders, "loose")), Manifest.read(run(folders, "packed", shard=5))
    assert sorted(p.name for p in (folders / "packed").iterdir() if p.suffix == ".zip") == [
        f"part_{k:05d}.zip" for k in range(4)
    ]
    assert packed.column("mask")[5] == "part_00001.zip/mask/sample_00000005.png"
    same = [name for name in loose.names if name not in ("bg", "fg_bg", "mask", "alpha")]
    assert all(np.array_equal(loose.column(name), packed.column(name)) for name in same)
    for one, other in zip(PairedFgBgDataset(loose), PairedFgBgDataset(packed), strict=True):
        assert one["id"] == other["id"]
        assert all(torch.equal(one[key], other[key]) for key in ("bg", "fg_bg", "mask"))
    part = Manifest.read(run(folders, "packed", shard=5).parent / "manifest.csv")
    assert len(part) == 16


def test_a_missing_or_damaged_archive_is_made_again(folders):
    run(folders, "a", shard=5)
    run(folders, "b", shard=5)
    (folders / "b" / "part_00001.zip").unlink()
    whole = (folders / "b" / "part_00002.zip").read_bytes()
    (folders / "b" / "part_00002.zip").write_bytes(whole[: len(whole) // 2])
    (folders / "b" / "manifest.csv").unlink()
    stamp = (folders / "b" / "part_00003.zip").stat().st_mtime_ns
    run(folders, "b", shard=5)
    assert contents(folders / "a") == contents(folders / "b")
    assert (folders / "b" / "part_00003.zip").stat().st_mtime_ns == stamp


def test_a_limited_run_holds_the_same_samples(folders):
    run(folders, "all")
    run(folders, "some", limit=5)
    everything, some = contents(folders / "all"), contents(folders / "some")
    pictures = [name for name in some if name.startswith(("fg_bg/", "mask/", "alpha/"))]
    assert len(pictures) == 15
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


@pytest.mark.parametrize(("shard", "writes"), [(None, 1), (None, 2), (None, 23), (None, 50), (4, 3), (4, 60)])
def test_a_full_disk_leaves_a_valid_part_and_says_so(folders, monkeypatch, shard, writes):
    """After so many files or members nothing can be written any more until something is removed."""
    import fgbgnet.synth.compose_files as files

    count, real, unlink = itertools.count(), files.Maker.make, type(folders).unlink
    full = [True]

    def make(self, number, put, prefix=""):
        def limited(name, content):
            if full[0] and next(count) >= writes:
                raise OSError(errno.ENOSPC, "No space left on device", name)
            put(name, content)

        return real(self, number, limited, prefix)

    opened = type(folders).open

    def open_(self, mode="r", *rest, **named):
        if self.name.startswith(".manifest") and mode == "w" and full[0] and not removed:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return opened(self, mode, *rest, **named)

    removed = []

    def remove(self, *rest, **named):
        if self.suffix in (".png", ".zip") and self.exists():
            removed.append(self)
        return unlink(self, *rest, **named)

    monkeypatch.setattr(files.Maker, "make", make)
    monkeypatch.setattr(type(folders), "open", open_)
    monkeypatch.setattr(type(folders), "unlink", remove)
    monkeypatch.setattr("fgbgnet.synth.compose_run._ROOM", 2)
    with pytest.raises(
        OutputError, match=r"out cannot be written, the disk is full .*No space left.*repeat the same run"
    ):
        run(folders, shard=shard)
    path = folders / "out" / "manifest.csv"
    if path.exists():
        dataset = PairedFgBgDataset(path)
        assert 0 < len(dataset) < 16
        assert all(sample["mask"].any() for sample in dataset)
    else:
        assert writes < 10
    assert not [p for p in (folders / "out").rglob("*") if ".tmp" in p.name]
    full[0] = False
    run(folders, shard=shard)
    monkeypatch.undo()
    run(folders, "undisturbed", shard=shard)
    assert contents(folders / "out") == contents(folders / "undisturbed")


def test_another_run_in_the_same_folder_is_refused(folders):
    run(folders)
    with pytest.raises(InvalidArgumentError, match="per_pair: 2 there, 1 now"):
        run(folders, per_pair=1)
    with pytest.raises(InvalidArgumentError, match=r"shadow: 0\.7 there, 0\.5 now"):
        run(folders, shadow=0.5)
    with pytest.raises(InvalidArgumentError, match=r"seed: 0 there, 5 now.*accepted there is a run with the same"):
        run(folders, seed=5)
    with pytest.raises(InvalidArgumentError, match="shard: nothing recorded there, 5 now"):
        run(folders, shard=5)


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
    with pytest.raises(InvalidArgumentError, match="composer_version: 2 there, 99 now"):
        run(folders)


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
