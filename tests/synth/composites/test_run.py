import errno
import itertools
import pathlib
import pickle
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from fgbgnet.data import Manifest, PairedFgBgDataset
from fgbgnet.errors import InvalidArgumentError, OutputError
from fgbgnet.synth import compose
from fgbgnet.synth.composites import files as composite_files
from fgbgnet.synth.composites.gathering import gather
from fgbgnet.synth.composites.style import CompositeStyle
from tests.synth.composites.pictures import contents, disc, run, two_of_each

# The package's attribute of this name is the function.
module = sys.modules[compose.__module__]


@pytest.fixture
def folders(tmp_path):
    return two_of_each(tmp_path)


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
    with pytest.raises(InvalidArgumentError, match="holds 9 samples, of which 5 are not among the 4 of this run"):
        run(folders, "some", limit=4)
    run(folders, "some")
    assert contents(folders / "some") == contents(folders / "all")


@pytest.mark.parametrize(("shard", "writes"), [(None, 1), (None, 2), (None, 23), (None, 50), (4, 3), (4, 60)])
def test_a_full_disk_leaves_a_valid_part_and_says_so(folders, monkeypatch, shard, writes):
    """After so many files or members nothing can be written any more until something is removed."""
    count, real, unlink = itertools.count(), composite_files.Maker.make, type(folders).unlink
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

    monkeypatch.setattr(composite_files.Maker, "make", make)
    monkeypatch.setattr(type(folders), "open", open_)
    monkeypatch.setattr(type(folders), "unlink", remove)
    monkeypatch.setattr("fgbgnet.synth.composites.run._ROOM", 2)
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


def full_at(monkeypatch, name, times):
    """Lets so many attempts to give a file of this name its place fail, as on a full disk."""
    rename, left = pathlib.Path.replace, [times]

    def replace(self, target):
        if pathlib.Path(target).name == name and left[0]:
            left[0] -= 1
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return rename(self, target)

    monkeypatch.setattr(pathlib.Path, "replace", replace)


def test_a_disk_that_is_full_at_the_settings_is_named(folders, monkeypatch):
    full_at(monkeypatch, "settings.json", 1)
    with pytest.raises(OutputError, match="the disk is full; nothing is lost"):
        run(folders)
    run(folders)


@pytest.mark.parametrize(("times", "left"), [(1, 16), (2, 13)])
def test_a_disk_that_is_full_at_the_manifest_is_named(folders, monkeypatch, times, left):
    monkeypatch.setattr("fgbgnet.synth.composites.run._ROOM", 3)
    full_at(monkeypatch, "manifest.csv", times)
    with pytest.raises(OutputError, match=f"lists the {left} samples that are whole"):
        run(folders)
    assert len(PairedFgBgDataset(folders / "out" / "manifest.csv")) == left
    run(folders)
    monkeypatch.undo()
    run(folders, "undisturbed")
    assert contents(folders / "out") == contents(folders / "undisturbed")


def test_room_is_made_by_whole_archives(folders, monkeypatch):
    """Archives of 5, 5, 5 and 1: the last five samples lie in two of them."""
    full_at(monkeypatch, "manifest.csv", 2)
    with pytest.raises(OutputError, match="lists the 15 samples that are whole"):
        run(folders, shard=5)
    assert (folders / "out" / "part_00002.zip").exists()
    assert not (folders / "out" / "part_00003.zip").exists()
    assert sum(sample["mask"].any().item() for sample in PairedFgBgDataset(folders / "out" / "manifest.csv")) == 15


def test_a_smaller_limit_after_a_killed_run_is_refused(folders):
    path = run(folders, limit=9)
    lines = path.read_text().splitlines(keepends=True)[1:]
    path.unlink()  # a run that was killed has the records of its parts, and no manifest
    (path.parent / composite_files.PARTS).mkdir()
    (path.parent / composite_files.PARTS / "00000000.csv").write_text("".join(lines[:4]))
    with pytest.raises(InvalidArgumentError, match="are not among the 2 of this run"):
        run(folders, limit=2)
    run(folders, limit=9)
    run(folders, "undisturbed", limit=9)
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
