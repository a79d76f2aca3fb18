import json
import re

import pytest
from PIL import Image

from fgbgnet.data import Manifest
from fgbgnet.demo import read_curves, run_demo
from fgbgnet.inference import load_model


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    report = run_demo(out, minutes=0.2, size=32, scenes=96)
    return out, report


def test_everything_that_is_promised_is_there(demo):
    out, report = demo
    assert report == out / "report.html"
    content = json.loads((out / "results.json").read_text())
    assert set(content) == {"clean", "imperfect"}
    for evaluation in content.values():
        assert evaluation["n"] > 0
        assert {"difference", "difference_oracle", "global_mean"} <= set(evaluation["floors"])
        assert 0 <= evaluation["mask"]["iou"] <= 1
        assert evaluation["depth"]["rmse"] > 0
    pictures = sorted((out / "pictures").glob("*.png"))
    assert {p.stem.split("_")[1] for p in pictures} == {"clean", "imperfect"}
    with Image.open(pictures[0]) as picture:
        assert picture.width > 8 * 32
    assert load_model(out).input_size == 32


def test_report_is_self_contained(demo):
    text = demo[1].read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") >= 4
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text


def test_curves_of_the_run(demo):
    curves = read_curves(demo[0] / "metrics.csv")
    assert {"train/loss", "val/mask_iou"} <= set(curves)
    steps = [step for step, _ in curves["train/loss"]]
    assert steps == sorted(steps)
    assert len(steps) > 2


def test_scenes_are_split_without_leaks(demo):
    """What the run itself recorded, and what it was judged on."""
    out = demo[0]
    ids, groups = ({name: set(Manifest.read(out / f"{name}.csv").column(column).tolist()) for name in ("train", "val")}
                   for column in ("id", "bg_id"))  # fmt: skip
    everything = Manifest.read(out / "scenes")
    judged = {str(i) for i in everything.column("id")} - ids["train"] - ids["val"]
    test_groups = {
        str(g) for i, g in zip(everything.column("id"), everything.column("bg_id"), strict=True) if i in judged
    }
    assert not groups["train"] & groups["val"]
    assert not (groups["train"] | groups["val"]) & test_groups
    assert len(judged) == json.loads((out / "results.json").read_text())["clean"]["n"]
