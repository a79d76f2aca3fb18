import numpy as np
import pytest
import torch
from PIL import Image

from fgbgnet.plotting import Panel, depth_to_rgb, mask_error_to_rgb, overview, panels, plot_sample, tile
from fgbgnet.prediction import Prediction


@pytest.fixture
def sample():
    mask = torch.zeros(1, 20, 30)
    mask[:, 5:15, 10:20] = 1
    depth = torch.linspace(1, 9, 600).reshape(1, 20, 30)
    bg = torch.rand(3, 20, 30)
    return {"bg": bg, "fg_bg": bg * (1 - mask), "mask": mask, "depth": depth, "depth_valid": depth > 2, "id": "a"}


@pytest.fixture
def prediction(sample):
    mask = torch.roll(sample["mask"][0], 3, 1) > 0.5
    return Prediction(mask, mask.float(), sample["depth"][0] * 1.1, "metres", sample["bg"], sample["fg_bg"])


def test_near_is_brighter_than_far_and_invalid_is_grey():
    depth = torch.linspace(1, 10, 50).reshape(1, 50)
    rgb = depth_to_rgb(depth).astype(int).sum(-1)[0]
    assert (np.diff(rgb) <= 0).all()
    assert rgb[0] > 3 * rgb[-1]
    valid = torch.ones_like(depth, dtype=torch.bool)
    valid[0, 7] = False
    depth[0, 9] = float("nan")
    rgb = depth_to_rgb(depth, valid)
    assert rgb[0, 7].tolist() == rgb[0, 9].tolist() == [128, 128, 128]
    assert len({tuple(c) for c in rgb[0].tolist()} & {(128, 128, 128)}) == 1


def test_limits_are_those_that_are_given():
    depth = torch.tensor([[1.0, 2.0, 3.0]])
    assert depth_to_rgb(depth, low=1, high=3).tolist() == depth_to_rgb(depth + 5, low=6, high=8).tolist()
    assert depth_to_rgb(depth, low=0, high=0).shape == (1, 3, 3)  # a constant range is no error
    assert depth_to_rgb(torch.full((2, 2), float("nan"))).shape == (2, 2, 3)


def test_mask_errors_by_hand():
    truth, guess = torch.tensor([[1, 1, 0, 0]]), torch.tensor([[1, 0, 1, 0]])
    hit, missed, alarm, none = mask_error_to_rgb(truth, guess)[0].tolist()
    assert (hit, none) == ([255, 255, 255], [0, 0, 0])
    assert missed[2] > missed[0]  # blue
    assert alarm[0] > alarm[2]  # red


def test_masks_are_grey_where_they_are_not_known(sample, prediction):
    known = torch.ones(1, 20, 30, dtype=torch.bool)
    known[:, 8:, 12:] = False
    layers = {key: value for key, value in sample.items() if key != "id"}
    shown = {panel.caption: panel.rgb for panel in panels(**layers, prediction=prediction, mask_valid=known)}
    plain = {panel.caption: panel.rgb for panel in panels(**layers, prediction=prediction)}
    for caption, rgb in shown.items():
        grey = (rgb == 128).all(-1)
        if caption in ("mask", "mask error"):
            np.testing.assert_array_equal(grey, ~known[0].numpy())
            np.testing.assert_array_equal(rgb[~grey], plain[caption][~grey])
        else:
            np.testing.assert_array_equal(rgb, plain[caption])
    assert overview(**layers, mask_valid=known) != overview(**layers)
    assert plot_sample(sample | {"mask_valid": known}).axes


def test_panels_follow_what_there_is(sample, prediction):
    captions = [panel.caption for panel in panels(**{k: v for k, v in sample.items() if k != "id"})]
    assert captions == ["bg", "fg_bg", "mask", "depth"]
    captions = [panel.caption for panel in panels(sample["bg"], sample["fg_bg"], prediction=prediction)]
    assert captions == ["bg", "fg_bg", "predicted mask", "predicted depth"]
    nothing = torch.zeros(1, 20, 30, dtype=torch.bool)
    captions = [p.caption for p in panels(sample["bg"], sample["fg_bg"], sample["mask"], sample["depth"], nothing)]
    assert captions == ["bg", "fg_bg", "mask"]
    full = [p.caption for p in panels(**{k: v for k, v in sample.items() if k != "id"}, prediction=prediction)]
    assert full == [
        "bg", "fg_bg", "mask", "predicted mask", "mask error", "depth", "predicted depth", "depth error",
    ]  # fmt: skip


def test_truth_and_prediction_share_their_colours(sample, prediction):
    rows = {p.caption: p.rgb for p in panels(**{k: v for k, v in sample.items() if k != "id"}, prediction=prediction)}
    later = np.abs(rows["depth"][-1].astype(int) - rows["predicted depth"][-1]).sum()
    assert later > 0  # 10 % farther is darker on the same scale
    same = Prediction(prediction.mask, None, sample["depth"][0], "metres", sample["bg"], sample["fg_bg"])
    rows = {p.caption: p.rgb for p in panels(**{k: v for k, v in sample.items() if k != "id"}, prediction=same)}
    valid = sample["depth_valid"][0].numpy()
    assert np.array_equal(rows["depth"][valid], rows["predicted depth"][valid])
    assert (rows["depth error"][valid] == 255).all()  # no error is white


def test_depth_without_a_finite_pixel_is_grey(sample, prediction):
    nothing = torch.full((1, 20, 30), float("nan"))
    lost = Prediction(prediction.mask, None, nothing[0] * float("inf"), "metres", sample["bg"], sample["fg_bg"])
    for valid in (None, torch.ones(1, 20, 30, dtype=torch.bool)):
        for depth, guess in ((nothing, prediction), (sample["depth"], lost), (nothing, lost), (nothing / 0, lost)):
            rows = {p.caption: p.rgb for p in panels(sample["bg"], sample["fg_bg"], None, depth, valid, guess)}
            assert (rows["depth error"] == 128).all()
            assert (rows["depth"] == 128).all() == (depth is not sample["depth"])
            assert (rows["predicted depth"] == 128).all() == (guess is lost)
    assert overview(sample["bg"], sample["fg_bg"], depth=nothing).size[0] > 0


def test_sheet_holds_every_panel_at_its_place():
    row = [Panel(str(i), np.full((10, 100, 3), 40 * i, np.uint8)) for i in range(3)]
    sheet = np.asarray(tile(row, columns=2))
    for value in (0, 40, 80):
        assert (sheet == value).all(-1).sum() >= 1000
    big = tile([Panel("big", np.zeros((2000, 1000, 3), np.uint8))])
    assert max(big.size) < 600


def test_overview_and_figure(sample, prediction):
    assert isinstance(overview(sample["bg"], sample["fg_bg"], prediction=prediction), Image.Image)
    figure = plot_sample(sample, prediction)
    assert [axis.get_title() for axis in figure.axes][2:4] == ["mask", "predicted mask"]
    assert len(figure.axes) == 8
