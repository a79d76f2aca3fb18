import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from fgbgnet.data import Manifest
from fgbgnet.data.audit.panels import DIFFERENCE_GAIN, corrected_panels, layer_panels
from fgbgnet.data.audit.plan import CellRepair

INSIDE = np.zeros((40, 60), bool)
INSIDE[10:25, 0:30] = True  # touches the edge


def write(folder, inside=INSIDE, step=20, scale=1):
    """A quadruple whose frame differs from the background by ``step`` in one channel inside the mask."""
    bg = np.full((40, 60, 3), 100, np.uint8)
    frame = bg.copy()
    frame[..., 1] += (inside * step).astype(np.uint8)
    for name, layer in (("bg", bg), ("frame", frame), ("mask", inside.astype(np.uint8) * 255)):
        Image.fromarray(
            np.kron(layer, np.ones((scale, scale, 1) if layer.ndim == 3 else (scale, scale), np.uint8))
        ).save(folder / f"{name}.png")
    return Manifest.from_lists(["bg.png"], ["frame.png"], ["mask.png"], root=folder)


def shown(panels, caption):
    return np.asarray(next(p for p in panels if p.caption.split(" · ")[0] == caption).picture)


def test_the_difference_carries_the_contour(tmp_path):
    picture = shown(layer_panels(write(tmp_path), 0), "difference")
    contour = INSIDE & ~ndimage.binary_erosion(INSIDE)
    orange = (picture == (255, 90, 0)).all(axis=2)
    np.testing.assert_array_equal(orange, contour)
    expected = np.where(INSIDE, 20 * DIFFERENCE_GAIN, 0)[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(picture[~contour], expected[~contour])


def test_large_differences_end_at_white(tmp_path):
    picture = shown(layer_panels(write(tmp_path, step=150), 0), "difference")
    assert picture[15, 10].tolist() == [255, 255, 255]


@pytest.mark.parametrize(("scale", "size"), [(1, (60, 40)), (2, (120, 80)), (8, (160, 107))])
def test_pictures_are_made_smaller_and_never_larger(tmp_path, scale, size):
    for panel in layer_panels(write(tmp_path, scale=scale), 0):
        assert panel.picture.size == size
        if panel.caption != "difference":
            assert panel.caption.endswith(f"{60 * scale} x {40 * scale}")


def test_dots_of_a_dithered_mask_stay_dots(tmp_path):
    rng = np.random.default_rng(1)
    dots = Image.fromarray((rng.random((400, 600)) < 0.2).astype(np.uint8) * 255)
    table = write(tmp_path)
    dots.convert("1").save(tmp_path / "mask.png")
    assert set(np.unique(shown(layer_panels(table, 0), "mask"))) == {0, 255}


def test_masks_of_zeros_and_ones_are_visible(tmp_path):
    table = write(tmp_path)
    Image.fromarray(INSIDE.astype(np.uint8)).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(shown(layer_panels(table, 0), "mask")[..., 0], INSIDE * 255)


def test_a_corrected_layer_is_compared_with_all_that_is_corrected(tmp_path):
    table = write(tmp_path)
    # The background is mirrored and the mask inverted: only when both are put right does the contour fit.
    frame = np.asarray(Image.open(tmp_path / "frame.png"))
    ramp = np.linspace(0, 120, 60).astype(np.uint8)[None, :, None]
    Image.fromarray(frame + ramp).save(tmp_path / "frame.png")
    Image.fromarray((np.full((40, 60, 3), 100, np.uint8) + ramp)[:, ::-1]).save(tmp_path / "bg.png")
    Image.fromarray((~INSIDE).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    cells = {
        "bg": CellRepair("bg.png", ("mirror",), ("bg_mirrored",)),
        "mask": CellRepair("mask.png", ("invert",), ("mask_inverted",)),
    }
    for kind, caption in (("bg_mirrored", "bg: bg.png, mirrored"), ("mask_inverted", "mask: mask.png, inverted")):
        panels = corrected_panels(table, 0, cells, kind)
        assert [panel.caption.split(" · ")[0] for panel in panels] == [caption, "difference then"]
        contour = INSIDE & ~ndimage.binary_erosion(INSIDE)
        picture = shown(panels, "difference then")
        expected = np.where(INSIDE, 20 * DIFFERENCE_GAIN, 0)[..., None].repeat(3, axis=2)
        np.testing.assert_array_equal(picture[~contour], expected[~contour])
    np.testing.assert_array_equal(
        shown(corrected_panels(table, 0, cells, "mask_inverted"), "mask: mask.png, inverted")[..., 0], INSIDE * 255
    )


def test_a_picture_that_is_missing_leaves_the_others(tmp_path):
    table = write(tmp_path)
    (tmp_path / "bg.png").unlink()
    panels = {panel.caption.split(" · ")[0]: panel for panel in layer_panels(table, 0)}
    assert panels["bg"].picture is None
    assert "bg.png" in panels["bg"].problem
    assert panels["difference"].problem == "needs both pictures"
    assert panels["fg_bg"].picture is not None


def test_whatever_a_decoder_raises_is_shown(tmp_path, monkeypatch):
    def fails(path):
        raise IndexError("past the end")

    monkeypatch.setattr("fgbgnet.data.audit.panels.read_rgb", fails)
    problems = {panel.caption: panel.problem for panel in layer_panels(write(tmp_path), 0)}
    assert problems["bg"] == "cannot be read (IndexError: past the end)"
