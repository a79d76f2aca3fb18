import base64
import io
import math
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from fgbgnet.evaluation import Evaluation, write_report
from fgbgnet.evaluation.tables import task_tables, verdict

REGIONS = {"foreground": {"rmse": 0.3, "abs_rel": 0.1}, "contour": {"abs_rel": 0.2}}


def evaluation(iou=0.9, rmse=0.5, floor_iou=0.8, floor_rmse=0.7, unit="metres"):
    protocol = {
        "sizes": [[96, 96]],
        "perturbation": {"name": "mixed", "severity": 3},
        "depth_unit": unit,
        "depth_alignment": "none",
        "depth_aggregation": "pixel",
    }
    return Evaluation(
        12,
        {"iou": iou, "f1": 0.95, "mae": 0.01, "fpr_empty": math.nan},
        {"rmse": rmse, "abs_rel": 0.1, "d1": 0.9, **REGIONS},
        {
            "difference": {"iou": 0.2, "f1": 0.97, "mae": 0.2, "threshold": 24 / 255},
            "compensated_difference_oracle": {"iou": floor_iou, "f1": 0.5, "mae": 0.1, "threshold": 10.5 / 255},
            "global_mean": {"rmse": floor_rmse, "abs_rel": 0.3, "d1": 0.4, **REGIONS, "mean": 2.0},
        },
        protocol,
    )


class Page(HTMLParser):
    """Checks that elements close in order and collects what the page links to."""

    VOID = ("meta", "link", "img", "line", "circle", "polyline")

    def __init__(self, text):
        super().__init__()
        self.stack, self.tags, self.links, self.text = [], [], [], []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "action", "srcset")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def write(tmp_path, *args, **options):
    text = write_report(tmp_path / "new" / "report.html", *args, **options).read_text(encoding="utf-8")
    return text, Page(text)


def test_page_is_self_contained_and_whole(tmp_path):
    picture = Image.new("RGB", (40, 10), (200, 30, 30))
    text, page = write(
        tmp_path,
        {"Clean": evaluation(), "Perturbed": evaluation(0.7)},
        [(picture, "a strip"), (Image.new("RGB", (8, 8)), "a square")],
        {"loss": [(0, 1.0), (1, 0.4)]},
        title="Demo",
        facts={"model": "tiny", "minutes": 4},
    )
    assert "script" not in page.tags
    assert all(link.startswith("data:") for link in page.links)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", text)
    assert page.tags.count("svg") == 1
    assert page.tags.count("img") == 2
    assert page.tags.count("table") == 4
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text
    inside = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", text)[1])
    assert Image.open(io.BytesIO(inside)).tobytes() == picture.tobytes()
    assert '"depth_alignment": "none"' in "".join(page.text)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


def test_everything_is_escaped(tmp_path):
    bad = '<script>alert("1 & 2")</script>'
    text, page = write(
        tmp_path,
        {bad: evaluation()},
        [(Image.new("RGB", (4, 4)), bad)],
        {bad: [(0, 1.0)]},
        title=bad,
        facts={bad: bad},
    )
    assert "script" not in page.tags
    assert "<script" not in text
    assert "".join(page.text).count(bad) >= 6


def test_an_empty_report_is_still_a_page(tmp_path):
    _, page = write(tmp_path, {})
    assert "fgbgnet report" in "".join(page.text)
    assert "table" not in page.tags


def best_cells(html):
    """Per table: (row, column) of the marked cells."""
    marked = []
    for table in re.findall(r"<table>.*?</table>", html):
        rows = re.findall(r"<tr>(.*?)</tr>", table)[1:]
        marked.append(
            {
                (r, c)
                for r, row in enumerate(rows)
                for c, cell in enumerate(re.findall("<td.*?</td>", row))
                if "best" in cell
            }
        )
    return marked


def test_the_best_of_each_column_is_marked_in_its_direction():
    mask, depth = best_cells(task_tables("Clean", evaluation()))
    # Columns: IoU 0, image mean 1, F1 2, boundary 3, precision 4, recall 5, MAE 6, empty 7; rows: model, two floors.
    assert mask == {(0, 0), (1, 2), (0, 6)}
    # RMSE 0, AbsRel 1, d1 2, d2 3, SILog 4, and three that are equal for model and floor.
    assert depth == {(0, 0), (0, 1), (0, 2), (0, 5), (1, 5), (0, 6), (1, 6), (0, 7), (1, 7)}


@pytest.mark.parametrize(
    ("result", "task", "sentence"),
    [
        (
            evaluation(),
            "mask",
            "0.900, 0.100 above the best floor (exposure-compensated difference, best threshold on these pictures "
            "(10.5/255): 0.800). The model is better here.",
        ),
        (evaluation(iou=0.75), "mask", "0.750, 0.050 below the best floor"),
        (evaluation(iou=0.75), "mask", "The floor is better here."),
        (evaluation(iou=0.8001), "mask", "no different from the best floor"),
        (
            evaluation(),
            "depth",
            "0.500 m, 0.200 m below the best floor (global mean depth: 0.700 m). The model is better",
        ),
        (evaluation(rmse=0.9, unit="relative"), "depth", "0.900, 0.200 above the best floor"),
        (evaluation(rmse=0.9), "depth", "The floor is better here."),
        (evaluation(rmse=math.nan), "depth", "there is no true depth"),
        (evaluation(floor_rmse=math.nan), "depth", "no floor was computed"),
    ],
)
def test_the_margin_is_told_whatever_it_is(result, task, sentence):
    assert sentence in verdict("Clean", result, task)


def test_a_missing_task_leaves_no_trace(tmp_path):
    only_mask = Evaluation(1, {"iou": 0.5}, None, {}, {})
    text, page = write(tmp_path, {"Clean": only_mask})
    assert page.tags.count("table") == 1
    assert "Depth" not in text
