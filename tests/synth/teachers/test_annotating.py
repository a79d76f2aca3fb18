import errno
import os
import pathlib
import signal
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image

from fgbgnet.data import Manifest, PairedFgBgDataset, read_depth, read_rgb
from fgbgnet.errors import (
    FgBgWarning,
    InvalidArgumentError,
    ManifestError,
    MissingFileError,
    OutputError,
    PictureError,
    UnknownNameError,
)
from fgbgnet.synth import annotate, load_teacher
from fgbgnet.synth.teachers import annotating
from fgbgnet.synth.teachers.levels import to_millimetres, to_own_shares, to_shares
from tests.synth.composites.pictures import run as compose_some, two_of_each
from tests.synth.teachers.tiny_models import depth_anything, save


def red(batch):
    """Distance that anybody can read off a picture: 1 to 256."""
    return batch[:, 0].float() + 1


METRES = load_teacher(lambda batch: red(batch) / 10, unit="metres", name="red")
INVERSE = load_teacher(red, unit="relative", direction="near_large")
DISTANCE = load_teacher(red, unit="relative", direction="near_small")


def run(manifest, teacher, out, **arguments):
    return annotate(manifest, teacher, out, progress=False, **arguments)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def red_of(manifest, column="fg_bg"):
    return [red(torch.from_numpy(read_rgb(manifest.resolve(p))).permute(2, 0, 1)[None])[0].numpy()
            for p in manifest.column(column).tolist()]  # fmt: skip


def test_metres_come_back_to_the_millimetre(quadruples, tmp_path):
    path = run(quadruples, METRES, tmp_path / "out")
    assert path == tmp_path / "out" / "manifest.csv"
    new, old = Manifest.read(path), Manifest.read(quadruples)
    assert new.names == old.names
    for name in ("id", "bg_id", "fg_id"):
        assert new.column(name).tolist() == old.column(name).tolist()
    for name in ("bg", "fg_bg", "mask"):
        assert [
            new.resolve(p).samefile(old.resolve(q)) for p, q in zip(new.column(name), old.column(name), strict=True)
        ]
    assert all(p.startswith("depth/") for p in new.column("depth").tolist())
    dataset = PairedFgBgDataset(path)
    assert dataset.depth_unit == "metres"
    for sample, expected in zip(dataset, red_of(old), strict=True):
        assert sample["depth_valid"].all()
        assert np.abs(sample["depth"][0].numpy() - expected / 10).max() <= 0.000501


@pytest.mark.parametrize("teacher", [INVERSE, DISTANCE])
def test_relative_maps_share_one_scale(quadruples, tmp_path, teacher):
    path = run(quadruples, teacher, tmp_path / "out")
    table = Manifest.read(path)
    assert set(table.column("depth_unit").tolist()) == {"relative"}
    assert set(table.column("depth_direction").tolist()) == {teacher.direction}
    truth = np.concatenate([values.ravel() for values in red_of(Manifest.read(quadruples))]).astype(np.float64)
    read = np.concatenate([sample["depth"].ravel().numpy() for sample in PairedFgBgDataset(path)]).astype(np.float64)
    slope, offset = np.polyfit(truth, read, 1)
    assert np.abs(slope * truth + offset - read).max() < 2e-5  # one straight line for all pictures
    assert (slope > 0) == (teacher is DISTANCE)  # near is small when it is read, whatever the teacher thinks
    # The range of these pictures, widened by a quarter at both ends.
    assert abs(slope) == pytest.approx(1 / (1.5 * (truth.max() - truth.min())), rel=1e-3)
    assert read.min() == pytest.approx(1 / 6, abs=1e-4)
    assert read.max() == pytest.approx(5 / 6, abs=1e-4)


def test_a_given_range_is_used_and_what_lies_outside_is_told(quadruples, tmp_path):
    path = run(quadruples, DISTANCE, tmp_path / "out", value_range=(0, 512))
    assert not (tmp_path / "out" / "range.json").exists()
    for sample, expected in zip(PairedFgBgDataset(path), red_of(Manifest.read(quadruples)), strict=True):
        assert np.abs(sample["depth"][0].numpy() - expected / 512).max() < 1e-5
    truth = np.stack(red_of(Manifest.read(quadruples)))
    share = 100 * (truth > 100).mean()
    with pytest.warns(FgBgWarning, match=rf"^{share:.2g} % of the pixels lie outside the range from 0 to 100 "):
        path = run(quadruples, DISTANCE, tmp_path / "narrow", value_range=(0, 100))
    for sample, expected in zip(PairedFgBgDataset(path), truth, strict=True):
        assert np.abs(sample["depth"][0].numpy() - np.minimum(expected, 100) / 100).max() < 1e-5


@pytest.mark.parametrize("teacher", [METRES, INVERSE])
def test_each_picture_of_its_own_range_on_request(quadruples, tmp_path, teacher):
    path = run(quadruples, teacher, tmp_path / "out", normalise="per_image")
    assert PairedFgBgDataset(path).depth_unit == "relative"
    for sample, expected in zip(PairedFgBgDataset(path), red_of(Manifest.read(quadruples)), strict=True):
        share = (expected - expected.min()) / (expected.max() - expected.min())
        share = share if teacher is METRES else 1 - share
        assert np.abs(sample["depth"][0].numpy() - share).max() < 1e-5


def test_backgrounds_are_estimated_once_and_leave_the_depth_of_the_frames_alone(quadruples, tmp_path):
    seen = []
    teacher = load_teacher(lambda batch: seen.append(len(batch)) or red(batch) / 10, unit="metres")
    path = run(quadruples, teacher, tmp_path / "out", of="bg", batch_size=3)
    assert seen == [3, 1]
    new, old = Manifest.read(path), Manifest.read(quadruples)
    assert len(list((tmp_path / "out" / "depth_bg").iterdir())) == 4
    for p, q in zip(new.column("depth"), old.column("depth"), strict=True):
        assert new.resolve(p).samefile(old.resolve(q))
    for k, expected in enumerate(red_of(old, "bg")):
        depth, _ = read_depth(new.resolve(str(new.column("depth_bg")[k])), new.column("depth_bg_unit")[k])
        assert np.abs(depth - expected / 10).max() <= 0.000501
    moved = Manifest.read(new.write(tmp_path / "elsewhere" / "manifest.csv"))
    assert moved.resolve(str(moved.column("depth_bg")[0])).samefile(new.resolve(str(new.column("depth_bg")[0])))


def test_frames_and_backgrounds_after_one_another(quadruples, tmp_path):
    first = run(quadruples, METRES, tmp_path / "frames")
    table = Manifest.read(run(first, METRES, tmp_path / "backgrounds", of="bg"))
    for name in ("depth", "depth_bg"):
        assert all(table.resolve(p).is_file() for p in table.column(name).tolist())


def test_the_scale_of_earlier_maps_goes_with_them(quadruples, tmp_path):
    old = Manifest.read(quadruples)
    columns = {name: old.column(name) for name in old.names} | {"depth_scale": ["0.5"] * 12, "weather": ["fair"] * 12}
    columns["depth_invalid"] = ["0"] * 12
    new = Manifest.read(run(Manifest(columns, old.root), METRES, tmp_path / "out"))
    assert not {"depth_scale", "depth_invalid"} & set(new.names)
    assert new.column("weather").tolist() == ["fair"] * 12
    sample = PairedFgBgDataset(new)[0]
    assert np.abs(sample["depth"][0].numpy() - red_of(old)[0] / 10).max() <= 0.000501


def test_pictures_in_archives_and_of_different_sizes(tmp_path):
    rng = np.random.default_rng(1)
    sizes = [(20, 30), (24, 30), (20, 40), (20, 30), (30, 20), (24, 30)]
    with zipfile.ZipFile(tmp_path / "part.zip", "w") as archive:
        for k, (height, width) in enumerate(sizes):
            Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(tmp_path / f"{k}.png")
            archive.write(tmp_path / f"{k}.png", f"a/{k}.png")
            (tmp_path / f"{k}.png").unlink()
    paths = [f"part.zip/a/{k}.png" for k in range(len(sizes))]
    table = Manifest.from_lists(paths, paths, paths, root=tmp_path)
    new = Manifest.read(run(table, METRES, tmp_path / "out", batch_size=4))
    for k, expected in enumerate(red_of(table)):
        depth, valid = read_depth(new.resolve(str(new.column("depth")[k])), "metres")
        assert depth.shape == sizes[k]
        assert valid.all()
        assert np.abs(depth - expected / 10).max() <= 0.000501


def test_pictures_of_one_name_do_not_share_a_map(tmp_path):
    for k, level in enumerate((50, 90)):
        (tmp_path / str(k)).mkdir()
        Image.new("RGB", (30, 20), (level, 0, 0)).save(tmp_path / str(k) / "same.png")
    paths = ["0/same.png", "1/same.png"]
    new = Manifest.read(run(Manifest.from_lists(paths, paths, paths, root=tmp_path), METRES, tmp_path / "out"))
    depths = [read_depth(new.resolve(p), "metres")[0] for p in new.column("depth").tolist()]
    assert [float(depth.max()) for depth in depths] == [pytest.approx(5.1), pytest.approx(9.1)]


def test_a_picture_that_lies_in_several_archives_is_estimated_once(tmp_path):
    seen = []
    teacher = load_teacher(lambda batch: seen.append(len(batch)) or red(batch) / 10, unit="metres")
    composites = compose_some(two_of_each(tmp_path), "composites", shard=1)
    table = Manifest.read(run(composites, teacher, tmp_path / "out", of="bg", batch_size=3))
    assert seen == [2]
    maps = table.column("depth_bg").tolist()
    assert len(set(maps)) == len(list((tmp_path / "out" / "depth_bg").iterdir())) == 2
    for path, expected in zip(maps, red_of(Manifest.read(composites), "bg"), strict=True):
        assert np.abs(read_depth(table.resolve(path), "metres")[0] - expected / 10).max() <= 0.000501


@pytest.mark.parametrize("shard", [None, 5])
def test_the_alpha_of_composites_is_found_from_the_new_manifest(tmp_path, shard):
    composites = Manifest.read(compose_some(two_of_each(tmp_path), "composites", shard=shard))
    table = Manifest.read(run(composites, METRES, tmp_path / "out"))
    for new, old in zip(table.column("alpha").tolist(), composites.column("alpha").tolist(), strict=True):
        assert np.array_equal(read_rgb(table.resolve(new)), read_rgb(composites.resolve(old)))


# Going on


def test_a_resumed_run_accepts_what_a_whole_one_does(tmp_path):
    for k, level in enumerate((10, 20, 250, 251)):
        Image.new("RGB", (30, 20), (level, 0, 0)).save(tmp_path / f"{k}.png")
    paths = [f"{k}.png" for k in range(4)]
    table = Manifest.from_lists(paths, paths, paths, root=tmp_path)
    teacher = load_teacher(red, unit="metres")
    with pytest.warns(FgBgWarning, match="2 of 4 maps hold no value"):
        run(table, teacher, tmp_path / "out", batch_size=2)
    whole = contents(tmp_path / "out")
    for path in (tmp_path / "out" / "depth").glob("[23]_*.png"):  # all of them blank
        path.unlink()
    with pytest.warns(FgBgWarning, match="2 of 2 maps hold no value"):
        run(table, teacher, tmp_path / "out", batch_size=2)
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize("arguments", [{}, {"normalise": "per_image"}, {"of": "bg"}])
def test_an_interrupted_run_goes_on_with_the_same_result(quadruples, tmp_path, arguments):
    teacher = load_teacher(save(tmp_path / "model", depth_anything))
    run(quadruples, teacher, tmp_path / "whole", batch_size=4, **arguments)
    whole = contents(tmp_path / "whole")
    assert len(whole) > 5
    maps = sorted(name for name in whole if name.endswith(".png"))
    run(quadruples, teacher, tmp_path / "part", batch_size=4, **arguments)
    for name in (*maps[::3], "manifest.csv"):
        (tmp_path / "part" / name).unlink()
    (tmp_path / "part" / maps[1]).write_bytes(b"")  # as a power failure leaves it
    kept = {name: (tmp_path / "part" / name).stat().st_mtime_ns for name in maps[2::3]}
    run(quadruples, teacher, tmp_path / "part", batch_size=4, **arguments)
    assert contents(tmp_path / "part") == whole
    assert {name: (tmp_path / "part" / name).stat().st_mtime_ns for name in kept} == kept


KILLED = """
import os, pathlib, signal, sys
from fgbgnet.synth import annotate, load_teacher
rename, calls = pathlib.Path.replace, []
def replace(self, target):
    calls.append(target)
    if len(calls) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.replace = replace
teacher = load_teacher(lambda batch: batch[:, 0].float(), unit="relative", direction="near_small", name="red")
annotate(sys.argv[1], teacher, sys.argv[2], batch_size=2, progress=False)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9")
def test_a_killed_run_leaves_whole_files_and_goes_on(quadruples, tmp_path):
    script = KILLED.replace("len(calls) == 6", "False")
    subprocess.run([sys.executable, "-c", script, quadruples, tmp_path / "whole"], check=True)
    dead = subprocess.run([sys.executable, "-c", KILLED, quadruples, tmp_path / "part"], check=False)
    assert dead.returncode == -signal.SIGKILL
    maps = list((tmp_path / "part" / "depth").glob("[!.]*.png"))
    assert 0 < len(maps) < 12
    assert not (tmp_path / "part" / "manifest.csv").exists()
    for path in maps:
        assert path.read_bytes() == (tmp_path / "whole" / "depth" / path.name).read_bytes()
    subprocess.run([sys.executable, "-c", script, quadruples, tmp_path / "part"], check=True)
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


def test_a_grown_manifest_goes_on_in_the_same_range_and_a_smaller_one_is_refused(quadruples, tmp_path):
    table = Manifest.read(quadruples)
    run(table.select([0, 4, 8]), INVERSE, tmp_path / "out")
    few = contents(tmp_path / "out")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FgBgWarning)  # the others may well lie outside
        run(table, INVERSE, tmp_path / "out")
    more = contents(tmp_path / "out")
    assert all(more[name] == content for name, content in few.items() if name != "manifest.csv")
    assert len(Manifest.read(tmp_path / "out")) == 12
    with pytest.raises(InvalidArgumentError, match=r"made with other samples, of which 9 are not in this manifest"):
        run(table.select([0, 1, 2]), INVERSE, tmp_path / "out")
    (tmp_path / "out" / "manifest.csv").unlink()  # of a run that did not end, the range is known
    with pytest.raises(InvalidArgumentError, match=r"made with other samples, .*'s004'"):
        run(table.select([0, 1, 2, 8]), INVERSE, tmp_path / "out")
    assert {name: content for name, content in more.items() if name != "manifest.csv"} == contents(tmp_path / "out")


def test_a_changed_picture_gets_another_map(tmp_path):
    table = Manifest.from_lists("a.png", ["a.png"], ["a.png"], root=tmp_path)
    for level in (10, 20):
        Image.new("RGB", (30, 20), (level, 0, 0)).save(tmp_path / "a.png")
        new = Manifest.read(run(table, METRES, tmp_path / "out"))
        depth, _ = read_depth(new.resolve(str(new.column("depth")[0])), "metres")
        assert np.unique(depth) == pytest.approx((level + 1) / 10)


@pytest.mark.parametrize(
    ("teacher", "arguments", "text"),
    [
        (INVERSE, {"of": "bg"}, "of: fg_bg there, bg now"),
        (INVERSE, {"normalise": "per_image"}, "normalise: nothing recorded there, per_image now"),
        (INVERSE, {"value_range": (0, 300)}, r"value_range: nothing recorded there, \[0.0, 300.0\] now"),
        (DISTANCE, {}, "direction: near_large there, near_small now"),
        (load_teacher(red, unit="relative", direction="near_large", name="x"), {}, "teacher: .*red there, .*red x now"),
    ],
)
def test_another_teacher_or_other_settings_are_refused(quadruples, tmp_path, teacher, arguments, text):
    run(quadruples, INVERSE, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(InvalidArgumentError, match=text):
        run(quadruples, teacher, tmp_path / "out", **arguments)
    assert contents(tmp_path / "out") == before


def test_maps_of_another_version_are_refused(quadruples, tmp_path, monkeypatch):
    run(quadruples, METRES, tmp_path / "out")
    monkeypatch.setattr(annotating, "ANNOTATOR_VERSION", 99)
    with pytest.raises(InvalidArgumentError, match="annotator_version: 1 there, 99 now"):
        run(quadruples, METRES, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"low": "x", "high": 1, "ids": []}', b"[1]", b"\xff"])
def test_a_damaged_range_is_named(quadruples, tmp_path, content):
    run(quadruples, INVERSE, tmp_path / "out")
    (tmp_path / "out" / "range.json").write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=r"range\.json is damaged"):
        run(quadruples, INVERSE, tmp_path / "out")


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"teacher": red}, InvalidArgumentError, r"teacher is a function; expected what load_teacher\(...\) returns"),
        ({"of": "mask"}, UnknownNameError, "unknown of 'mask'.*'fg_bg'"),
        ({"normalise": "per_picture"}, UnknownNameError, "unknown normalise 'per_picture'.*'per_image'"),
        ({"batch_size": 0}, InvalidArgumentError, "batch_size is 0"),
        ({"batch_size": 2.5}, InvalidArgumentError, "batch_size is 2.5"),
        ({"value_range": (1, 1)}, InvalidArgumentError, "expected two rising finite numbers"),
        ({"value_range": (0, float("nan"))}, InvalidArgumentError, "expected two rising finite numbers"),
        ({"value_range": 3}, InvalidArgumentError, "value_range is 3"),
        ({"value_range": (0, 1, 2)}, InvalidArgumentError, "expected two rising"),
        ({"teacher": METRES, "value_range": (0, 1)}, InvalidArgumentError, "leave value_range out"),
        ({"normalise": "per_image", "value_range": (0, 1)}, InvalidArgumentError, "leave value_range out"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_made(quadruples, tmp_path, arguments, error, text):
    with pytest.raises(error, match=text):
        run(quadruples, **({"teacher": INVERSE, "out": tmp_path / "out"} | arguments))
    assert not (tmp_path / "out").exists()


def test_a_missing_manifest_and_one_that_is_none_are_named(tmp_path):
    with pytest.raises(MissingFileError, match="no manifest at"):
        run(tmp_path / "none.csv", METRES, tmp_path / "out")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ManifestError, match=r"bad\.csv"):
        run(tmp_path / "bad.csv", METRES, tmp_path / "out")


def test_the_folder_of_the_data_themselves_is_refused(quadruples):
    before = contents(quadruples.parent)
    with pytest.raises(InvalidArgumentError, match="is not empty"):
        run(quadruples, METRES, quadruples.parent)
    assert contents(quadruples.parent) == before


def test_a_bad_picture_is_named_and_the_maps_before_it_stay(quadruples, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for k in range(4):
        Image.new("RGB", (30, 20), (k, 0, 0)).save(folder / f"{k}.png")
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:40])
    paths = [f"{k}.png" for k in range(4)]
    table = Manifest.from_lists(paths, paths, paths, root=folder)
    with pytest.raises(PictureError, match=r"3\.png"):
        run(table, METRES, tmp_path / "out", batch_size=2)
    assert len(list((tmp_path / "out" / "depth").iterdir())) == 2
    Image.new("RGB", (30, 20), (3, 0, 0)).save(folder / "3.png")
    assert len(PairedFgBgDataset(run(table, METRES, tmp_path / "out", batch_size=2))) == 4


def test_a_wrong_estimate_names_the_pictures(quadruples, tmp_path):
    teacher = load_teacher(lambda batch: red(batch).masked_fill(batch[:, 0] > 200, torch.nan), unit="metres")
    with pytest.raises(InvalidArgumentError, match=r"NaN or infinity in picture .*batch begins with .*\.png"):
        run(quadruples, teacher, tmp_path / "out")


def test_millimetres_declared_as_metres_are_noticed(quadruples, tmp_path):
    teacher = load_teacher(lambda batch: 1000 * red(batch), unit="metres", name="millimetres")
    with pytest.raises(InvalidArgumentError, match=r"'millimetres' .*can be stored.*is the unit right\?"):
        run(quadruples, teacher, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))


def test_a_picture_of_nothing_but_sky_is_told(tmp_path):
    for k, level in enumerate((10, 250)):
        Image.new("RGB", (30, 20), (level, 0, 0)).save(tmp_path / f"{k}.png")
    table = Manifest.from_lists("0.png", ["0.png", "1.png"], ["0.png", "1.png"], root=tmp_path)
    teacher = load_teacher(red, unit="metres")
    with pytest.warns(FgBgWarning, match="1 of 2 maps hold no value"):
        new = Manifest.read(run(table, teacher, tmp_path / "out"))
    valid = [read_depth(new.resolve(p), "metres")[1].any() for p in new.column("depth").tolist()]
    assert valid == [True, False]


def test_a_teacher_that_sees_nothing_is_refused(quadruples, tmp_path):
    teacher = load_teacher(lambda batch: torch.full((len(batch), 4, 4), 0.3), unit="relative", direction="near_small")
    with pytest.raises(InvalidArgumentError, match=r"gives 0\.3 everywhere"):
        run(quadruples, teacher, tmp_path / "out")
    path = run(quadruples, teacher, tmp_path / "each", normalise="per_image")
    assert all((sample["depth"] == 0).all() for sample in PairedFgBgDataset(path))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(quadruples, tmp_path, monkeypatch, code):
    run(quadruples, METRES, tmp_path / "whole", batch_size=4)
    write = pathlib.Path.write_bytes

    def full(self, content):
        if self.parent.name == "depth" and len(list(self.parent.iterdir())) > 6:
            write(self, content[:10])
            raise OSError(code, os.strerror(code))
        return write(self, content)

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "write_bytes", full)
        with pytest.raises(OutputError, match=r"the disk is full; the maps there are whole: make room"):
            run(quadruples, METRES, tmp_path / "out", batch_size=4)
    whole = contents(tmp_path / "whole")
    there = contents(tmp_path / "out")
    assert 0 < len(there) < len(whole)
    assert all(whole[name] == content for name, content in there.items())
    run(quadruples, METRES, tmp_path / "out", batch_size=4)
    assert contents(tmp_path / "out") == whole


def test_another_failure_to_write_keeps_its_own_name(quadruples, tmp_path, monkeypatch):
    def forbidden(self, content):
        raise PermissionError(errno.EACCES, "not yours")

    monkeypatch.setattr(pathlib.Path, "write_bytes", forbidden)
    with pytest.raises(PermissionError, match="not yours"):
        run(quadruples, METRES, tmp_path / "out")


# Levels

maps = st.lists(st.floats(-1e5, 1e5, width=32), min_size=1, max_size=20).map(lambda values: torch.tensor([values]))


@given(maps)
def test_millimetres_are_the_nearest_or_not_valid(depth):
    stored, outside = to_millimetres(depth)
    exact = depth.double().numpy() * 1000
    assert outside == (stored == 0).sum()
    assert (np.abs(stored - exact)[stored > 0] <= 0.5 + 1e-9).all()
    assert ((exact[stored == 0] < 1) | (exact[stored == 0] > 65535)).all()


@given(maps, st.floats(-1e4, 1e4), st.floats(1e-2, 1e4))
def test_shares_keep_the_order_and_are_the_nearest(depth, low, span):
    stored, outside = to_shares(depth, low, low + span)
    exact = depth.double().numpy()
    inside = (exact >= low) & (exact <= low + span)
    assert outside == (~inside).sum()
    assert (np.abs(low + stored / 65535 * span - exact)[inside] <= 0.51 * span / 65535 + 1e-9).all()
    order = np.argsort(exact[0], kind="stable")
    assert (np.diff(stored[0][order].astype(int)) >= 0).all()


@given(maps)
def test_own_shares_use_the_full_range(depth):
    stored, outside = to_own_shares(depth)
    assert outside == 0
    if depth.max() - depth.min() > 1e-5 * depth.abs().max():
        assert (stored.min(), stored.max()) == (0, 65535)
    if depth.min() == depth.max():
        assert (stored == 0).all()
