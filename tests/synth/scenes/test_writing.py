import os

import pytest
import torch

from fgbgnet.data import Manifest, PairedFgBgDataset, seeded_split
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth import SceneDataset, write_scenes
from fgbgnet.synth.arguments import allowed_cpus
from fgbgnet.synth.scenes.generator import GENERATOR_VERSION


@pytest.fixture(scope="module")
def dataset():
    return SceneDataset(8, size=32, seed=3, scenes_per_background=4)


def test_written_scenes_are_read_back(dataset, tmp_path):
    path = write_scenes(dataset, tmp_path, progress=False, batch_size=3)
    manifest = Manifest.read(path)
    assert manifest.column("bg_id").tolist() == ["0"] * 4 + ["1"] * 4
    assert len(list((tmp_path / "bg").iterdir())) == 2
    stored = PairedFgBgDataset(path)
    assert list(stored.ids) == dataset.ids
    for k in (0, 5):
        ours, theirs = dataset[k], stored[k]
        for key in ("bg", "fg_bg", "mask", "depth_valid"):
            torch.testing.assert_close(theirs[key], ours[key], atol=1e-6, rtol=0)
        torch.testing.assert_close(theirs["depth"], ours["depth"], atol=6e-4, rtol=0)
    assert stored.depth_unit == "metres"


def test_writing_resumes_and_repairs(dataset, tmp_path):
    write_scenes(dataset, tmp_path, progress=False)
    files = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = tmp_path / "fg_bg" / "scene_00000001.png"
    stamp = kept.stat().st_mtime_ns
    (tmp_path / "mask" / "scene_00000003.png").unlink()
    (tmp_path / "depth" / "scene_00000004.png").write_bytes(b"")  # as a power failure leaves it
    (tmp_path / "manifest.csv").unlink()
    write_scenes(dataset, tmp_path, progress=False, batch_size=5)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == files
    assert kept.stat().st_mtime_ns == stamp


def test_wrong_arguments_and_other_scenes_are_refused(dataset, tmp_path):
    write_scenes(dataset.subset([0]), tmp_path, progress=False)
    with pytest.raises(InvalidArgumentError, match="seed: 3 there, 0 now"):
        write_scenes(SceneDataset(1, size=32, seed=0, scenes_per_background=4), tmp_path, progress=False)
    with pytest.raises(InvalidArgumentError, match="no scenes"):
        write_scenes(SceneDataset(0, size=32), tmp_path / "empty", progress=False)
    with pytest.raises(InvalidArgumentError, match="quality is 0"):
        write_scenes(dataset, tmp_path / "other", quality=0, progress=False)
    with pytest.raises(InvalidArgumentError, match="batch_size is 0; expected at least 1"):
        write_scenes(dataset, tmp_path / "other", batch_size=0, progress=False)
    with pytest.raises(InvalidArgumentError, match="num_workers is -1"):
        write_scenes(dataset, tmp_path / "other", num_workers=-1, progress=False)
    assert not (tmp_path / "other").exists()


def test_a_second_part_never_takes_over_the_folder_of_the_first(dataset, tmp_path):
    train, val = seeded_split(dataset, (0.5, 0.5), group_by="bg")
    path = write_scenes(train, tmp_path, progress=False)
    with pytest.raises(InvalidArgumentError, match="holds 4 other samples, of which 4 are not in this run"):
        write_scenes(val, tmp_path, progress=False)
    with pytest.raises(InvalidArgumentError, match="of which 3 are not in this run"):
        write_scenes(train.subset([2]), tmp_path, progress=False)
    assert list(Manifest.read(path).column("id")) == train.ids


def test_more_scenes_go_on(dataset, tmp_path):
    few = write_scenes(dataset.subset([1, 2, 6]), tmp_path / "grown", progress=False)
    stamp = (tmp_path / "grown" / "fg_bg" / "scene_00000002.png").stat().st_mtime_ns
    write_scenes(dataset, tmp_path / "grown", progress=False)
    write_scenes(dataset, tmp_path / "whole", progress=False)
    assert (tmp_path / "grown" / "fg_bg" / "scene_00000002.png").stat().st_mtime_ns == stamp
    grown, whole = (
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (tmp_path / "grown", tmp_path / "whole")
    )
    assert grown == whole
    assert len(Manifest.read(few)) == 8


def test_scenes_of_another_version_are_refused(dataset, tmp_path, monkeypatch):
    write_scenes(dataset.subset([0]), tmp_path, progress=False)
    monkeypatch.setattr("fgbgnet.synth.scenes.writing.GENERATOR_VERSION", 99)
    with pytest.raises(InvalidArgumentError, match=f"generator_version: {GENERATOR_VERSION} there, 99 now"):
        write_scenes(dataset, tmp_path, progress=False)


def test_a_fresh_dataset_writes_the_scenes_of_its_epoch(tmp_path):
    fresh = SceneDataset(4, size=32, seed=3, scenes_per_background=2, fresh=True)
    fresh.set_epoch(2)
    manifest = Manifest.read(write_scenes(fresh, tmp_path, progress=False))
    assert manifest.column("id").tolist() == [f"scene_{k:08d}" for k in range(8, 12)]
    assert manifest.column("bg_id").tolist() == ["4", "4", "5", "5"]
    plain = SceneDataset(4, size=32, seed=3, scenes_per_background=2, start=8)
    torch.testing.assert_close(PairedFgBgDataset(manifest)[3]["fg_bg"], plain[3]["fg_bg"], atol=1e-6, rtol=0)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system does not tell which CPUs are allowed")
def test_workers_are_counted_by_the_cpus_that_are_allowed(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert allowed_cpus() == 1
    asked = []
    monkeypatch.setattr("fgbgnet.synth.scenes.writing.allowed_cpus", lambda: asked.append(1) or 0)
    write_scenes(dataset, tmp_path, progress=False)
    assert asked == [1]
