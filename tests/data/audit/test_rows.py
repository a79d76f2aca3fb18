"""Small sets with one thing wrong: what is reported, and what a repair makes of it."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from fgbgnet.data import Manifest, PairedFgBgDataset, check_manifest

SIDE, COUNT = 64, 12


def room(seed, side=SIDE):
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.uniform(0, 255, (n, n, 3)), (side, side), interpolation=cv2.INTER_CUBIC) for n in (3, 9, 30)
    ]
    return np.clip(sum(layers) / 3, 0, 255).astype(np.uint8)


@pytest.fixture
def columns(tmp_path):
    """A clean set of three backgrounds: its table, with the files beside it."""
    table = {name: [] for name in ("id", "bg", "fg_bg", "mask", "depth", "bg_id")}
    for number in range(COUNT):
        group = number % 3
        background = room(group)
        frame, mask = background.copy(), np.zeros((SIDE, SIDE), bool)
        row, column = np.random.default_rng(number).integers(5, SIDE - 30, 2)
        mask[row : row + 20, column : column + 18] = True
        frame[mask] = 255 - background[mask]
        depth = np.tile(np.linspace(240, 90, SIDE)[:, None], (1, SIDE))
        depth[mask] *= 0.4
        layers = {
            "bg": (f"bg{group}.png", background),
            "fg_bg": (f"frame{number}.png", frame),
            "mask": (f"mask{number}.png", mask * np.uint8(255)),
            "depth": (f"depth{number}.png", depth.astype(np.uint8)),
        }
        for name, (file, pixels) in layers.items():
            Image.fromarray(pixels).save(tmp_path / file)
            table[name].append(file)
        table["id"].append(f"s{number}")
        table["bg_id"].append(f"g{group}")
    return table


def found(audit):
    return {finding.kind: set(finding.ids) for finding in audit.findings}


def audited(columns, folder, **options):
    return check_manifest(Manifest(columns, folder), progress=False, **options)


def test_a_clean_set(columns, tmp_path):
    assert found(audited(columns, tmp_path)) == {}


def test_borders_that_a_sensor_leaves_are_no_margin(columns, tmp_path):
    for file in columns["depth"]:
        depth = np.asarray(Image.open(tmp_path / file)).astype(np.uint16) * 15
        depth[:, :5] = depth[:, -5:] = depth[:4] = depth[-4:] = 0  # not valid, in metres
        depth[10, -7:] = 0
        Image.fromarray(depth).save(tmp_path / file)
    assert found(audited(columns | {"depth_unit": ["metres"] * COUNT}, tmp_path)) == {}


def test_direction_is_declared_only_where_the_result_can_be_read(columns, tmp_path):
    for number, file in enumerate(columns["depth"]):
        turned = 255 - np.asarray(Image.open(tmp_path / file)).astype(np.float32)
        np.save(tmp_path / f"{number}.npy", turned / (255 if number % 2 else 1))
    audit = audited(columns | {"depth": [f"{number}.npy" for number in range(COUNT)]}, tmp_path)
    assert found(audit) == {"depth_polarity": set(columns["id"])}
    repaired = audit.repaired(tmp_path / "new.csv")
    valid = [bool(sample["depth_valid"].any()) for sample in PairedFgBgDataset(repaired)]
    assert valid == [False, True] * (COUNT // 2)
    assert not any(check_manifest(repaired, progress=False).findings)


def test_one_file_under_several_groups(columns, tmp_path):
    columns["bg_id"][3] = "again"
    split = ["train"] * COUNT
    split[3] = "val"
    audit = audited(columns | {"split": split}, tmp_path)
    group = {"s0", "s3", "s6", "s9"}
    assert found(audit) == {"group_leak": group, "group_duplicate": group}
    assert len(set(audit.repaired(tmp_path / "new.csv").column("bg_id")[::3].tolist())) == 1


def test_of_copies_one_stays_even_if_the_first_is_dropped(columns, tmp_path):
    for name in ("fg_bg", "mask", "depth"):
        columns[name][3] = columns[name][6] = columns[name][0]
    columns["mask"][0] = "nowhere.png"
    audit = audited(columns, tmp_path)
    assert found(audit) == {"file_missing": {"s0"}, "fg_bg_duplicate": {"s0", "s3", "s6"}}
    left = audit.repaired(tmp_path / "new.csv").column("id").tolist()
    assert set(columns["id"]) - set(left) == {"s0", "s6"}


def test_limit_leaves_groups_whole(columns, tmp_path):
    shutil.copy(tmp_path / "bg0.png", tmp_path / "copy.png")
    for row in (3, 9):
        columns["bg"][row], columns["bg_id"][row] = "copy.png", "copy"
    split = ["train"] * COUNT
    split[4] = "val"
    audit = audited(columns | {"split": split}, tmp_path, limit=2)  # rows 0 and 11
    assert found(audit) == {"group_leak": {"s1", "s4", "s7", "s10"}, "group_duplicate": {"s0", "s3", "s6", "s9"}}
    assert audit.summary(100).splitlines()[1].split()[:4] == ["group_leak", "error", "4", "33.3%"]
    assert "Clean: 1 of 2 samples." in audit.summary()
    assert "4 of 12 samples" in json.dumps(audit.to_json())
    assert "33.3%" in audit.write_page(tmp_path / "a.html").read_text(encoding="utf-8")
    assert len(set(audit.repaired(tmp_path / "new.csv").column("bg_id")[::3].tolist())) == 1


def test_limit_does_not_hide_the_right_background(columns, tmp_path):
    columns["bg"][0], columns["bg_id"][0] = "bg1.png", "g1"
    audit = audited(columns, tmp_path, limit=1)
    assert found(audit) == {"bg_wrong": {"s0"}}
    assert [(c.column, c.value) for c in audit.corrections] == [("bg", "bg0.png")]


def test_the_file_that_says_where_a_mask_counts_is_looked_at(columns, tmp_path):
    Image.new("L", (SIDE, SIDE // 2), 255).save(tmp_path / "flat.png")
    Image.new("L", (SIDE, SIDE), 255).save(tmp_path / "all.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    columns["mask_valid"] = ["all.png", "gone.png", "flat.png", "broken.png", *[""] * (COUNT - 4)]
    audit = audited(columns, tmp_path)
    assert found(audit) == {"file_missing": {"s1"}, "file_shape_differs": {"s2"}, "file_unreadable": {"s3"}}
    assert len(list(PairedFgBgDataset(audit.repaired(tmp_path / "new.csv")))) == COUNT - 3


def test_a_mask_is_judged_only_where_it_counts(columns, tmp_path):
    mask = np.asarray(Image.open(tmp_path / "mask0.png"))
    Image.fromarray(255 - cv2.dilate(mask, np.ones((9, 9)))).save(tmp_path / "counts.png")
    Image.fromarray(np.zeros_like(mask)).save(tmp_path / "mask0.png")  # nobody labelled what is new
    del columns["depth"]
    assert found(audited(columns, tmp_path)) == {"mask_empty": {"s0"}}
    columns["mask_valid"] = ["counts.png", *[""] * (COUNT - 1)]
    assert found(audited(columns, tmp_path)) == {"mask_nothing_new": {"s0"}}


def test_why_depth_cannot_be_read_is_told_also_of_grey_with_a_little_colour(columns, tmp_path):
    depth = np.asarray(Image.open(tmp_path / "depth0.png"))[..., None].repeat(3, axis=2)
    depth[0, :3, 0] //= 2
    Image.fromarray(depth).save(tmp_path / "depth0.png")
    audit = audited(columns | {"depth_unit": ["metres", *["relative"] * (COUNT - 1)]}, tmp_path)
    assert found(audit) == {"file_unreadable": {"s0"}, "file_mode_differs": {"s0"}}


@pytest.mark.parametrize("kind", ["palette", "16 bits", "JPEG"])
def test_grey_is_found_in_masks_of_any_mode(columns, tmp_path, kind):
    soft = cv2.GaussianBlur(np.asarray(Image.open(tmp_path / "mask0.png")), (0, 0), 1.5)
    if kind == "JPEG":
        Image.fromarray(soft).save(tmp_path / "mask0.jpg")
    elif kind == "palette":
        Image.fromarray(soft).convert("P").save(tmp_path / "mask0.png")
    else:
        Image.fromarray(soft.astype(np.uint16) * 257).save(tmp_path / "mask0.png")
    columns["mask"][0] = "mask0.jpg" if kind == "JPEG" else "mask0.png"
    assert found(audited(columns, tmp_path))["mask_grey"] == {"s0"}


def test_two_colours_of_a_palette_are_no_grey(columns, tmp_path):
    picture = Image.fromarray((np.asarray(Image.open(tmp_path / "mask0.png")) > 0).astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 200, 0, 0])
    picture.save(tmp_path / "mask0.png")
    assert "mask_grey" not in found(audited(columns, tmp_path))


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1), (2, 2), (2, 300)])
def test_the_smallest_pictures(tmp_path, size):
    rng = np.random.default_rng(1)
    for name, shape in (("bg", (*size, 3)), ("frame", (*size, 3)), ("depth", size)):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    for level in (0, 255):
        Image.new("L", size[::-1], level).save(tmp_path / "mask.png")
        table = Manifest.from_lists("bg.png", ["frame.png"], ["mask.png"], ["depth.png"], root=tmp_path)
        audit = check_manifest(table, progress=False)
        assert audit.n == 1
        assert audit.write_page(tmp_path / "a.html").exists()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of what is broken
def test_broken_headers_are_findings(columns, tmp_path):
    exif = Image.Exif()
    exif[274], exif[0x010F] = 6, "maker"
    Image.fromarray(room(0)).save(tmp_path / "whole.jpg", exif=exif)
    np.save(tmp_path / "whole.npy", np.ones((SIDE, SIDE)))
    rng = np.random.default_rng(0)
    for turn in range(60):
        for name, last in (("whole.jpg", 120), ("whole.npy", 100)):
            content = bytearray((tmp_path / name).read_bytes())
            content[rng.integers(20, last)] = rng.integers(256)
            (tmp_path / f"{turn}{name[5:]}").write_bytes(content)
        rows = {key: values[:1] for key, values in columns.items()}
        rows |= {"fg_bg": [f"{turn}.jpg"], "depth": [f"{turn}.npy"]}
        assert audited(rows, tmp_path, num_workers=0).n == 1


def test_more_backgrounds_than_files_that_may_be_open(tmp_path):
    resource = pytest.importorskip("resource")  # not on Windows
    count = 300
    for number in range(count):
        Image.fromarray(room(number, 8)).save(tmp_path / f"{number}.png")
    Image.new("L", (8, 8)).save(tmp_path / "mask.png")
    names = [f"{number}.png" for number in range(count)]
    table = Manifest.from_lists(names, names, ["mask.png"] * count, root=tmp_path)
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, former[1]))
    try:
        assert check_manifest(table, num_workers=1, progress=False).n == count
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, former)
