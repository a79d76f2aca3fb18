import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from fgbgnet.data import Manifest, PairedFgBgDataset, seeded_split
from fgbgnet.data.decode import read_rgb
from fgbgnet.data.recordings import index_cdnet, index_sbm_rgbd
from fgbgnet.errors import (
    FgBgError,
    FgBgWarning,
    InvalidArgumentError,
    ManifestError,
    MaskError,
    MissingFileError,
    PictureError,
    UnknownNameError,
)
from tests.data.recordings import miniature
from tests.data.recordings.miniature import HEIGHT, ROI, WIDTH, box, scene

JPEG, NOISE = 3, 2  # grey levels that compression may change, and that noise does


@pytest.fixture
def cdnet(tmp_path):
    return miniature.cdnet(tmp_path / "dataset")


@pytest.fixture
def sbm(tmp_path):
    return miniature.sbm_rgbd(tmp_path / "SBM-RGBDdataset")


def index(function, root, out, **options):
    """An import whose warning, if there is one, is expected."""
    with pytest.warns(FgBgWarning, match="left out"):
        return function(root, out, progress=False, **options)


def report(out):
    return {entry["name"]: entry for entry in json.loads((out / "recordings.json").read_text())["recordings"]}


def by_id(manifest):
    return {sample["id"]: sample for sample in PairedFgBgDataset(manifest)}


def test_cdnet_samples_are_the_labelled_frames_inside_both_regions(cdnet, tmp_path):
    manifest = index(index_cdnet, cdnet, tmp_path / "out")
    assert manifest.column("id").tolist() == [
        *(f"baseline/highway/{number:06d}" for number in (4, 5, 6, 7, 8, 9, 11)),
        *(f"shadow/bungalows/{number:06d}" for number in (61, 62)),
    ]
    assert manifest.column("bg_id").tolist() == ["baseline/highway"] * 7 + ["shadow/bungalows"] * 2
    assert manifest.column("category").tolist() == ["baseline"] * 7 + ["shadow"] * 2
    assert not (manifest.column("depth") != "").any()
    samples = by_id(tmp_path / "out" / "manifest.csv")
    for number, left in ((7, 8), (8, 10), (9, 12), (11, 16)):
        sample = samples[f"baseline/highway/{number:06d}"]
        np.testing.assert_array_equal(sample["mask"][0].numpy(), box(left))
        ring = box(left - 1, width=10) & ~box(left) & ~box(left, top=16, height=3)  # unknown; the shadow is background
        np.testing.assert_array_equal(sample["mask_valid"][0].numpy(), ROI & ~ring)
    empty = samples["baseline/highway/000005"]
    assert not empty["mask"].any()
    np.testing.assert_array_equal(empty["mask_valid"][0].numpy(), ROI)


def test_cdnet_backgrounds(cdnet, tmp_path):
    manifest = index(index_cdnet, cdnet, tmp_path / "out")
    backgrounds = dict(zip(manifest.column("bg_id").tolist(), manifest.column("bg").tolist(), strict=True))
    for name, seed in (("baseline/highway", 1), ("shadow/bungalows", 2)):
        picture = read_rgb(manifest.resolve(backgrounds[name])).astype(int)
        # A box passes every pixel of bungalows, so that its median is not always that of the noise.
        assert np.abs(picture - scene(seed)).max() <= JPEG + NOISE * (seed == 2)
    told = report(tmp_path / "out")
    assert told["baseline/highway"] == {
        "name": "baseline/highway", "samples": 7, "dropped": 1, "background": "labelled", "background_frames": 3,
        "depth_unit": None, "left_out": None, "notes": [],
    }  # fmt: skip
    assert told["shadow/bungalows"]["background"] == "unlabelled"
    assert told["shadow/bungalows"]["background_frames"] == 50
    assert "bootstrapping" in told["intermittentObjectMotion/sofa"]["left_out"]
    assert "turns" in told["PTZ/continuousPan"]["left_out"]


def test_what_is_left_out_is_said(cdnet, tmp_path):
    with pytest.warns(
        FgBgWarning, match=r"2 of 4 recordings were left out: PTZ/continuousPan: the camera turns.*sofa: no"
    ):
        index_cdnet(cdnet, tmp_path / "out", progress=False)


def test_a_background_of_labelled_frames_without_their_foreground(cdnet, tmp_path):
    out = tmp_path / "out"
    manifest = index_cdnet(cdnet, out, only=["intermittentObjectMotion"], bootstrapping="masked_median", progress=False)
    assert len(manifest) == 12
    assert report(out)["intermittentObjectMotion/sofa"]["background"] == "masked_median"
    # The left edge stands at 15 to 20, and an unknown column on either side: 19 to 23 are never known to be empty, and
    # the shadow below is on 20 to 22 in all frames.
    never = box(19, width=5) | box(20, top=16, width=3, height=3)
    sample = PairedFgBgDataset(manifest)[0]  # at 15
    ring = box(14, width=1) | box(23, width=1)
    np.testing.assert_array_equal(sample["mask_valid"][0].numpy(), ~never & ~ring)
    picture = (sample["bg"].permute(1, 2, 0).numpy() * 255).round().astype(int)
    assert np.abs(picture - scene(3))[~never].max() <= JPEG + NOISE
    assert (picture[box(20, width=3)] > (200, 200, -1)).all()  # what always stands there


def test_a_camera_that_turns_is_taken_when_it_is_named(cdnet, tmp_path):
    manifest = index_cdnet(cdnet, tmp_path / "out", only=["PTZ"], progress=False)
    assert manifest.column("id").tolist() == ["PTZ/continuousPan/000001", "PTZ/continuousPan/000002"]


@pytest.mark.parametrize("place", ["dataset/baseline", "dataset/baseline/highway", "."])
def test_any_folder_of_the_tree_will_do(cdnet, tmp_path, place):
    manifest = index_cdnet(tmp_path / place, tmp_path / "out", only=["baseline/highway"], progress=False)
    assert manifest.column("id")[0] == "baseline/highway/000004"
    assert len(manifest) == 7


def test_every_other_frame(cdnet, tmp_path):
    manifest = index_cdnet(cdnet, tmp_path / "out", only="baseline", every=2, progress=False)
    assert [int(id[-6:]) for id in manifest.column("id").tolist()] == [4, 6, 8]  # and 10, of which nothing is known


def test_in_place_from_an_archive(cdnet, tmp_path):
    with zipfile.ZipFile(tmp_path / "dataset2014.zip", "w") as archive:
        for path in sorted(cdnet.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    manifest = index_cdnet(tmp_path / "dataset2014.zip", tmp_path / "zipped", only="baseline", progress=False)
    plain = index_cdnet(cdnet, tmp_path / "plain", only="baseline", progress=False)
    for ours, theirs in zip(PairedFgBgDataset(manifest), PairedFgBgDataset(plain), strict=True):
        for key in ours:
            assert ours[key] == theirs[key] if key == "id" else torch.equal(ours[key], theirs[key])


def test_an_archive_of_a_category_is_that_category(cdnet, tmp_path):
    with zipfile.ZipFile(tmp_path / "PTZ.zip", "w") as archive:
        for path in sorted((cdnet / "PTZ").rglob("*")):
            archive.write(path, path.relative_to(cdnet / "PTZ"))
    with pytest.raises(ManifestError, match="PTZ/continuousPan: the camera turns"):
        index_cdnet(tmp_path / "PTZ.zip", tmp_path / "out", progress=False)
    manifest = index_cdnet(tmp_path / "PTZ.zip", tmp_path / "out", only="PTZ", progress=False)
    assert manifest.column("id").tolist() == ["PTZ/continuousPan/000001", "PTZ/continuousPan/000002"]


def test_an_interrupted_run_goes_on(cdnet, tmp_path, monkeypatch):
    from fgbgnet.synth import folders

    whole = index_cdnet(cdnet, tmp_path / "whole", only="baseline", progress=False)
    put, written = folders.put, []

    def interrupted(path, content):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        put(path, content)

    out = tmp_path / "out"
    monkeypatch.setattr(folders, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        index_cdnet(cdnet, out, only="baseline", progress=False)
    assert not (out / "manifest.csv").exists()
    before = {path: path.stat().st_mtime_ns for path in written}
    monkeypatch.setattr(folders, "put", lambda path, content: written.append(path) or put(path, content))
    again = index_cdnet(cdnet, out, only="baseline", progress=False)
    assert len(written) == len(set(written)) == 2 + 2 * 7
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(out.rglob("*.tmp"))
    for ours, theirs in zip(PairedFgBgDataset(again), PairedFgBgDataset(whole), strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in ours if key != "id")


def test_a_folder_holds_one_import(cdnet, sbm, tmp_path):
    index_cdnet(cdnet, tmp_path / "out", only="baseline", progress=False)
    assert len(index_cdnet(cdnet, tmp_path / "out", only="shadow", progress=False)) == 2
    with pytest.raises(InvalidArgumentError, match="background_frames: 50 there, 2 now"):
        index_cdnet(cdnet, tmp_path / "out", background_frames=2, progress=False)
    with pytest.raises(InvalidArgumentError, match="layout: cdnet2014 there, sbm-rgbd now"):
        index_sbm_rgbd(sbm, tmp_path / "out", progress=False)
    with pytest.raises(InvalidArgumentError, match="not empty"):
        index_cdnet(cdnet, cdnet, progress=False)


def test_sbm_rgbd_depth_is_what_the_files_hold(sbm, tmp_path):
    manifest = index(index_sbm_rgbd, sbm, tmp_path / "out")
    told = report(tmp_path / "out")
    assert told["Shadows/genSeq1"]["depth_unit"] == "metres"
    assert told["IlluminationChanges/genSeq2"]["notes"] == ["depth has 8 bits: relative, not metres"]
    assert "bootstrapping" in told["Bootstrapping/fall01cam0"]["left_out"]
    assert manifest.column("id").tolist() == [
        f"{video}/{number:06d}"
        for video in ("IlluminationChanges/genSeq2", "Shadows/fall01cam1", "Shadows/genSeq1")
        for number in (2, 5, 7, 9)
    ]
    samples = by_id(manifest)
    metres, relative = samples["Shadows/genSeq1/000007"], samples["IlluminationChanges/genSeq2/000007"]
    columns = np.arange(WIDTH)
    np.testing.assert_allclose(metres["depth"][0, 5], (1000 + 100 * columns + 7) / 1000, rtol=1e-6)
    np.testing.assert_allclose(relative["depth"][0, 5], (51 + columns) / 255, rtol=1e-6)
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[:2, :3] = True
    for sample in (metres, relative):
        np.testing.assert_array_equal(sample["depth_valid"][0].numpy(), ~hole)
        assert not sample["depth"][0].numpy()[hole].any()
    with pytest.raises(ManifestError, match="depth_unit is metres for some samples and relative for others"):
        _ = PairedFgBgDataset(manifest).depth_unit


def test_sbm_rgbd_backgrounds_and_sources(sbm, tmp_path):
    manifest = index(index_sbm_rgbd, sbm, tmp_path / "out")
    for row in (0, 4, 8):
        picture = read_rgb(manifest.resolve(manifest.column("bg")[row])).astype(int)
        # The noise of frames 2 and 5 is +2.
        np.testing.assert_array_equal(picture, scene({0: 2, 4: 3, 8: 1}[row]).astype(int) + 2)
    assert manifest.column("bg_id").tolist() == ["genSeq"] * 4 + ["urfd"] * 4 + ["genSeq"] * 4
    train, test = seeded_split(PairedFgBgDataset(manifest), (0.5, 0.5))
    assert {len(train), len(test)} == {4, 8}


@pytest.mark.parametrize(("unit", "with_depth"), [("metres", 8), ("relative", 4)])
def test_depth_of_one_unit(sbm, tmp_path, unit, with_depth):
    manifest = index(index_sbm_rgbd, sbm, tmp_path / "out", depth_unit=unit)
    assert len(manifest) == 12
    assert (manifest.column("depth") != "").sum() == with_depth
    assert PairedFgBgDataset(manifest).depth_unit == unit


def test_missing_depth_is_told(sbm, tmp_path):
    (sbm / "Shadows/genSeq1/depth/d000007.png").unlink()
    manifest = index_sbm_rgbd(sbm, tmp_path / "out", only="Shadows/genSeq1", progress=False)
    assert [bool(depth) for depth in manifest.column("depth").tolist()] == [True, True, False, True]
    assert report(tmp_path / "out")["Shadows/genSeq1"]["notes"] == ["1 frames with ground truth have no depth"]


def test_8_bits_among_16_are_an_error_when_they_are_read(sbm, tmp_path):
    miniature.save(sbm / "Shadows/genSeq1/depth/d000007.png", miniature.levels(7))
    manifest = index_sbm_rgbd(sbm, tmp_path / "out", only="Shadows/genSeq1", progress=False)
    with pytest.raises(PictureError, match=r"d000007\.png has 8 bits"):
        PairedFgBgDataset(manifest)[2]


def test_regions_that_are_missing_are_told(cdnet, tmp_path):
    (cdnet / "baseline/highway/ROI.bmp").unlink()
    (cdnet / "baseline/highway/temporalROI.txt").unlink()
    manifest = index_cdnet(cdnet, tmp_path / "out", only="baseline", progress=False)
    assert manifest.column("id")[-1] == "baseline/highway/000012"
    notes = report(tmp_path / "out")["baseline/highway"]["notes"]
    assert notes == ["no ROI.bmp: everything counts", "no temporalROI.txt: everything counts"]


def breakage(name):
    """How the miniature of CDnet is broken, and the error that must come."""

    def drop_frame(root):
        (root / "baseline/highway/input/in000008.jpg").unlink()

    def write(path, text):
        return lambda root: (root / path).write_text(text)

    def picture(path, pixels):
        return lambda root: Image.fromarray(pixels).save(root / path)

    ramp = np.tile(np.arange(WIDTH, dtype=np.uint8) * 8, (HEIGHT, 1))
    truth7, span = "baseline/highway/groundtruth/gt000007.png", "baseline/highway/temporalROI.txt"
    return {
        "frame": (drop_frame, ManifestError, r"1 files of ground truth in .*highway have no frame.*gt000008\.png"),
        "span": (write(span, "470"), ManifestError, r"temporalROI\.txt holds '470'; expected"),
        "reversed": (write(span, "11 4"), ManifestError, "holds '11 4'"),
        "words": (write(span, "from 4 to 11"), ManifestError, "expected the "),
        "roi": (picture("baseline/highway/ROI.bmp", ROI[:10]), PictureError, r"ROI\.bmp is 32 x 10 pixels, .*32 x 24"),
        "ramp": (picture(truth7, ramp), MaskError, r"gt000007\.png is .* of its pixels; expected the levels"),
        "colour": (picture(truth7, scene(1) * np.array([1, 0, 0], np.uint8)), MaskError, r"gt000007\.png is coloured"),
        "size": (picture(truth7, miniature.EMPTY[:12]), PictureError, r"gt000007\.png is 32 x 12 pixels"),
        "truncated": (write(truth7, "no picture"), PictureError, r"gt000007\.png is not a picture"),
        "large": (picture("baseline/highway/input/in000004.jpg", scene(1)[:12]), PictureError, "one size"),
        "one": (picture("baseline/highway/input/in000005.jpg", scene(1)[:12]), PictureError, "have one size"),
    }[name]


@pytest.mark.parametrize(
    "name", ["frame", "span", "reversed", "words", "roi", "ramp", "colour", "size", "truncated", "large", "one"]
)
def test_files_that_do_not_fit(cdnet, tmp_path, name):
    spoil, kind, message = breakage(name)
    spoil(cdnet)
    with pytest.raises(kind, match=message):
        index_cdnet(cdnet, tmp_path / "out", only="baseline", progress=False)
    assert not (tmp_path / "out" / "manifest.csv").exists()


@pytest.mark.parametrize(
    ("root", "options", "kind", "message"),
    [
        ("nowhere", {}, MissingFileError, "no folder at .*nowhere"),
        (
            "dataset/baseline/highway/input",
            {},
            MissingFileError,
            "expected <category>/<video>/{input/in000001.jpg.*there is",
        ),
        ("dataset", {"only": ["basline"]}, UnknownNameError, "'basline'; the nearest are 'baseline'"),
        ("dataset", {"every": 0}, InvalidArgumentError, "every is 0"),
        ("dataset", {"every": 1.5}, InvalidArgumentError, "every is 1.5; expected a whole number"),
        ("dataset", {"only": []}, InvalidArgumentError, "only is empty"),
        ("dataset", {"background_frames": 0}, InvalidArgumentError, "background_frames is 0"),
        ("dataset", {"bootstrapping": "median"}, UnknownNameError, "'masked_median'"),
        ("dataset", {"only": ["intermittentObjectMotion"]}, ManifestError, "no samples: .*sofa: no frame is known"),
    ],
)
def test_wrong_input(cdnet, tmp_path, root, options, kind, message):
    with pytest.raises(kind, match=message):
        index_cdnet(tmp_path / root, tmp_path / "out", progress=False, **options)


def test_sbm_rgbd_needs_depth(cdnet, tmp_path):
    with pytest.raises(MissingFileError, match=r"depth/d000001\.png"):
        index_sbm_rgbd(cdnet, tmp_path / "out", progress=False)
    with pytest.raises(UnknownNameError, match="'metres'"):
        index_sbm_rgbd(cdnet, tmp_path / "out", depth_unit="meters", progress=False)


def test_two_recordings_of_one_name(cdnet, tmp_path):
    shutil.copytree(cdnet, tmp_path / "copy")
    with pytest.raises(FgBgError, match="several recordings called PTZ/continuousPan"):
        index_cdnet(tmp_path, tmp_path / "out", progress=False)


def test_moves_as_a_manifest(cdnet, tmp_path):
    index_cdnet(cdnet, tmp_path / "out", only="baseline", progress=False)
    table = Manifest.read(tmp_path / "out")
    assert table.column("mask")[0] == "baseline+highway/mask_000004.png"
    assert table.column("fg_bg")[0] == str(cdnet / "baseline/highway/input/in000004.jpg")
