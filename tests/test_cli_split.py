import json

import numpy as np
import pytest
from PIL import Image

from fgbgnet.data import Manifest, duplicate_backgrounds, leaks
from tests.test_cli import FAST, call


@pytest.fixture
def many(tmp_path):
    """``manifest.csv`` of 60 rows on 12 backgrounds with 10 foregrounds; no picture is there."""
    names = [f"{n}.png" for n in range(60)]
    backgrounds = [f"bg_{n % 12}.png" for n in range(60)]
    table = Manifest.from_lists(
        backgrounds, names, names, root=tmp_path, fg_id=[f"f{n % 10}" for n in range(60)], room=["a", "b"] * 30
    )
    return table.write(tmp_path / "manifest.csv")


def test_divides_and_keeps_what_is_divided(many, tmp_path, capsys):
    out = tmp_path / "divided.csv"
    assert call("split", many, "--fractions", "0.6,0.2,0.2", "--out", out) == 0
    text = capsys.readouterr().out
    first = Manifest.read(out)
    assert set(first.column("split").tolist()) == {"train", "val", "test"}
    assert not leaks(first, kinds=["bg"])
    sizes = {name: (first.column("split") == name).sum() for name in ("train", "val", "test")}
    assert all(f"\n{name:<12}{size:>10}{size // 5:>13}" in text for name, size in sizes.items())
    assert "None of 12 backgrounds stand on several sides." in text
    several = len(leaks(first, kinds=["fg"]))
    assert several > 1
    assert f"{several} of 10 foregrounds stand on several sides." in text

    names = [f"new_{n}.png" for n in range(40)]
    columns = {name: first.column(name).tolist() for name in ("bg", "fg_bg", "mask", "split", "fg_id")}
    more = {"bg": [f"bg_{n % 20}.png" for n in range(40)], "fg_bg": names, "mask": names, "fg_id": ["f0"] * 40}
    grown = Manifest({k: v + more.get(k, [""] * 40) for k, v in columns.items()}, tmp_path)
    grown.write(out)
    assert call("split", "--manifest", out, "--fractions", "0.6,0.2,0.2", "--out", out, "--seed", "9") == 0
    assert "60 samples kept on their side and 40 others" in capsys.readouterr().out
    second = Manifest.read(out)
    assert second.column("split")[:60].tolist() == first.column("split").tolist()
    assert "" not in second.column("split")
    assert not leaks(second, kinds=["bg"])

    call("split", out, "--fractions", "0.6,0.2,0.2", "--out", out, "--seed", "9", "--anew")
    assert Manifest.read(out).column("split")[:60].tolist() != first.column("split").tolist()


def test_sides_are_kept_when_data_are_indexed_anew(many, tmp_path, capsys):
    former, out = tmp_path / "former.csv", tmp_path / "out.csv"
    strata = ["--fractions", "0.6,0.2,0.2", "--stratify-by", "room"]
    assert call("split", many, "--out", former, *strata) == 0
    old = Manifest.read(former)
    names = [*reversed(old.column("fg_bg").tolist()), *(f"new_{n}.png" for n in range(60))]
    backgrounds = [*reversed(old.column("bg").tolist()), *(f"bg_{n % 24}.png" for n in range(60))]
    grown = Manifest.from_lists(backgrounds, names, names, root=tmp_path, room=["b", "b", "a"] * 40)
    path = grown.write(tmp_path / "grown.csv")
    known = dict(zip(old.column("bg_id").tolist(), old.column("split").tolist(), strict=True))

    def moved():
        new = Manifest.read(out)
        assert "" not in new.column("split")
        sides = zip(new.column("bg_id").tolist(), new.column("split").tolist(), strict=True)
        return {name for name, side in sides if known.get(name, side) != side}

    assert call("split", path, "--out", out, *strata) == 0
    assert moved()
    capsys.readouterr()
    assert call("split", path, "--out", out, "--keep", former, *strata) == 0
    assert "60 samples kept on their side and 60 others" in capsys.readouterr().out
    assert not moved()


def test_both_groups_names_and_strata(many, tmp_path, capsys):
    out = tmp_path / "out.csv"
    options = ["--fractions", "0.5,0.5", "--names", "dev,final"]
    assert call("split", many, "--out", out, "--group-by", "bg,fg", *options) == 0
    text = capsys.readouterr().out
    column = Manifest.read(out).column("split")
    assert set(column.tolist()) == {"dev", "final", ""}
    assert f"{(column == '').sum()} of 60 samples belong to none of them" in text
    assert "None of 10 foregrounds stand on several sides." in text
    assert call("split", many, "--out", out, "--stratify-by", "room", *options) == 0
    table = Manifest.read(out)
    assert ((table.column("split") == "dev") & (table.column("room") == "a")).sum() == 15
    assert call("split", many, "--out", out, "--group-by", "none", *options) == 0
    assert "this leaks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fractions", "0.7,x"], "--fractions is '0.7,x'; expected shares such as"),
        (["--fractions", "0.7,0.7"], "add up to 1"),
        (["--group-by", "background"], "unknown group_by 'background'"),
        (["--stratify-by", "rom"], "unknown column 'rom'; the nearest are 'room'"),
        (["--names", "a,b"], "a different one for each side"),
        (["--group-by", ""], "unknown group_by ''"),
        (["--keep", "{dir}/manifest.csv"], "has a side for none of the samples"),
        (["--keep", "{dir}/manifest.csv", "--anew"], "--keep and --anew exclude each other"),
        (["--keep", "{dir}/former.csv"], "no manifest at"),
        (["--merge-duplicates", "--group-by", "fg"], "add bg"),
        (["--merge-duplicates"], "bg_0.png"),  # is not there
    ],
)
def test_bad_input_exits_with_2_and_writes_nothing(many, tmp_path, capsys, options, message):
    assert call("split", many, "--out", tmp_path / "out.csv", *(text.format(dir=tmp_path) for text in options)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_copies_of_a_background_stay_together(tmp_path, capsys):
    rng = np.random.default_rng(3)
    for n in range(8):
        picture = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).resize((96, 72))
        picture.save(tmp_path / f"{n}.png")
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((80, 60)).save(tmp_path / f"copy_{n}.jpg")
    frames = [f"frame_{n}.png" for n in range(16)]
    table = Manifest.from_lists(
        [f"{n}.png" for n in range(8)] + [f"copy_{n}.jpg" for n in range(8)], frames, frames, root=tmp_path
    )
    path = table.write(tmp_path / "manifest.csv")
    pairs = duplicate_backgrounds(table)
    assert sorted(pairs) == [(f"{n}.png", f"copy_{n}.jpg") for n in range(8)]
    assert duplicate_backgrounds(table, mirrored=False) == []
    assert call("split", path, "--out", tmp_path / "plain.csv", "--fractions", "0.5,0.5") == 0
    assert leaks(Manifest.read(tmp_path / "plain.csv"), pairs)
    assert call("split", path, "--out", tmp_path / "out.csv", "--fractions", "0.5,0.5", "--merge-duplicates") == 0
    assert (
        "copies: 8 (0.png and copy_0.jpg, 1.png and copy_1.jpg, 2.png and copy_2.jpg, ...)." in capsys.readouterr().out
    )
    assert not leaks(Manifest.read(tmp_path / "out.csv"), pairs)


@pytest.fixture
def divided(quadruples):
    """A manifest beside the pictures: two backgrounds train, one val, one test."""
    table = Manifest.read(quadruples)
    sides = {"b0": "train", "b1": "train", "b2": "val", "b3": "test"}
    path = quadruples.with_name("divided.csv")
    yield table.with_column("split", [sides[b] for b in table.column("bg_id").tolist()]).write(path)
    path.unlink()


def test_train_and_evaluate_honour_the_sides(divided, quadruples, tmp_path, capsys):
    run = tmp_path / "run"
    assert call("train", divided, "--out", run, *FAST) == 0
    assert "split of the manifest: train 6 (66.7%), val 3 (33.3%); 3 of 12 samples" in capsys.readouterr().out
    assert set(Manifest.read(run / "train.csv").column("bg_id").tolist()) == {"b0", "b1"}
    assert set(Manifest.read(run / "val.csv").column("bg_id").tolist()) == {"b2"}
    results = tmp_path / "results.json"
    assert call("evaluate", run, "--data", divided, "--split", "test", "--out", results) == 0
    content = json.loads(results.read_text())
    assert (content["n"], content["protocol"]["split"]) == (3, "test")
    assert content["protocol"]["samples_on_backgrounds_seen_in_training"] == 0
    assert call("evaluate", "difference", "--data", divided, "--out", results) == 0
    assert "the sides test, train, val; all are judged" in capsys.readouterr().out
    assert json.loads(results.read_text())["n"] == 12


def test_train_without_a_val_side(divided, quadruples, tmp_path):
    table = Manifest.read(divided)
    sides = [side.replace("val", "test") for side in table.column("split").tolist()]
    path = table.with_column("split", sides).write(tmp_path / "two.csv")
    assert call("train", path, "--out", tmp_path / "a", *FAST) == 0
    held_out = [set(Manifest.read(tmp_path / "a" / f"{n}.csv").column("bg_id").tolist()) for n in ("train", "val")]
    assert sorted(map(sorted, held_out)) == [["b0"], ["b1"]]
    assert call("train", path, "--val", quadruples, "--out", tmp_path / "b", *FAST) == 0
    assert set(Manifest.read(tmp_path / "b" / "train.csv").column("bg_id").tolist()) == {"b0", "b1"}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["train", "--data"], "unknown side of the split 'train'; known are 'dev'"),
        (["evaluate", "difference", "--split", "test", "--data"], "unknown side of the split 'test'; known are 'dev'"),
    ],
)
def test_sides_that_are_not_there(quadruples, tmp_path, capsys, command, message):
    path = Manifest.read(quadruples).with_column("split", "dev").write(tmp_path / "dev.csv")
    assert call(*command, path, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_a_split_that_leaks_is_told_when_it_is_trained_on(quadruples, tmp_path, capsys):
    path = Manifest.read(quadruples).with_column("split", ["train", "val", "val", "train"] * 2 + ["val"] * 4)
    path = path.write(tmp_path / "leaking.csv")
    assert call("train", path, "--out", tmp_path / "run", *FAST) == 0
    assert "Mind: 2 backgrounds stand on both sides" in capsys.readouterr().out
