"""What an audit measures, on pictures whose answer is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from fgbgnet.data.audit.backgrounds import BackgroundPool, mirrored, shift_between, shifted
from fgbgnet.data.audit.change import Change, find_change, match_exposure
from fgbgnet.data.audit.depth_signals import Contour, has_frame, nearer_below, spread_out
from fgbgnet.data.audit.facts import judge_background
from fgbgnet.data.audit.mask_signals import best_shift, dither_share, edited, fit_of, grey_share, moved
from fgbgnet.data.audit.views import small_mask, working_size
from fgbgnet.data.similar import thumbnail

SIDE = 96


def room(seed: int) -> np.ndarray:
    """A picture with structure at several scales, without symmetry."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.uniform(0, 255, (n, n, 3)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for n in (3, 9, 30)
    ]
    return np.clip(sum(layers) / 3, 0, 255).astype(np.uint8)


def pixels(picture: np.ndarray) -> np.ndarray:
    return thumbnail(picture).reshape(-1, 3).astype(np.float32)


def disc_mask(row: int = 40, column: int = 50, radius: int = 14) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (rows - row) ** 2 + (columns - column) ** 2 < radius**2


def visited(background: np.ndarray, mask: np.ndarray) -> np.ndarray:
    frame = background.copy()
    frame[mask] = 255 - background[mask] // 2
    frame[mask] = np.where(np.abs(frame[mask].astype(int) - background[mask]) < 60, 0, frame[mask])
    return frame


@given(gain=st.floats(0.6, 1.4), offset=st.floats(-20, 20))
def test_exposure_is_matched_under_a_foreground(gain, offset):
    background = pixels(room(1))
    frame = gain * background + offset
    frame[:300] = 255  # of 1024 pixels
    exposure = match_exposure(frame, background[None])
    same = np.abs(frame - background)[300:].mean(1)
    if np.quantile(same, 0.5) > 3:  # else the pictures are alike enough as they are
        assert np.allclose(exposure.gain[0] * background[300:] + exposure.offset[0], frame[300:], atol=3)
    assert exposure.residual[0] < 3


@pytest.mark.parametrize("gain", [1.0, 0.8, 1.2])
def test_pool_finds_the_right_background_whatever_its_exposure(gain):
    rooms = [room(seed) for seed in range(12)]
    pool = BackgroundPool([str(seed) for seed in range(12)], np.stack([pixels(picture) for picture in rooms]))
    frame = np.clip(visited(rooms[3], disc_mask()) * gain, 0, 255).astype(np.uint8)
    right = pool.match("3", pixels(rooms[3]), pixels(frame), None)
    assert judge_background(right) == "own"
    wrong = pool.match("7", pixels(rooms[7]), pixels(frame), None)
    assert (judge_background(wrong), wrong.other_path, wrong.other_is_mirrored) == ("other", "3", False)
    turned = pool.match("x", mirrored(pixels(rooms[3])[None])[0], pixels(frame), None)
    assert judge_background(turned) == "mirrored"


def test_pool_without_the_right_background_says_so():
    pool = BackgroundPool(["0"], pixels(room(0))[None])
    assert judge_background(pool.match("0", pixels(room(0)), pixels(room(5)), None)) == "none"
    alone = BackgroundPool([], np.zeros((0, 1024, 3), np.float32))
    assert judge_background(alone.match("0", pixels(room(0)), pixels(room(5)), None)) == "none"


@given(columns=st.integers(-9, 9), rows=st.integers(-9, 9))
def test_shift_is_measured(columns, rows):
    background = room(2)
    frame = visited(shifted(background, columns, rows), disc_mask())
    found = shift_between(frame, background, disc_mask())
    assert found[0] == pytest.approx(columns, abs=0.5)
    assert found[1] == pytest.approx(rows, abs=0.5)
    if max(abs(columns), abs(rows)) > 1:
        assert found[2] < 0.6


def test_far_shift_is_no_shift():
    assert shift_between(shifted(room(2), 30, 0), room(2), None)[2] == float("inf")


def change_of(mask: np.ndarray, seed: int = 3) -> Change:
    background = room(seed)
    return find_change(visited(background, mask), background, np.ones(3, np.float32), np.zeros(3, np.float32))


def test_right_mask_fits_and_wrong_ones_do_not():
    mask = disc_mask()
    change = change_of(mask)
    fit = fit_of(mask, change)
    assert fit.support > 0.95
    assert min(fit.precision, fit.recall) > 0.95
    assert fit.stray == 0
    for wrong in (edited(mask, "mirror"), ~mask, moved(mask, 0, -20), disc_mask(20, 20, 8)):
        assert not fit_of(wrong, change).support > 0.5


def test_shadow_is_no_solid_change():
    background, shade = room(4), disc_mask(70, 30, 18)
    frame = background.copy()
    frame[shade] = (background[shade] * 0.6).astype(np.uint8)
    change = find_change(frame, background, np.ones(3, np.float32), np.zeros(3, np.float32))
    assert change.certain[shade].mean() > 0.6
    assert change.solid[shade].mean() < 0.4


@given(rows=st.integers(-20, 20), columns=st.integers(-20, 20))
def test_shift_of_a_mask_is_found(rows, columns):
    mask = disc_mask(48, 48, 12)
    amount = moved(mask, rows, columns).astype(np.float32)
    assert best_shift(mask, Change(amount, amount, amount)) == (rows, columns)


def test_edits_undo_themselves():
    picture = room(5)
    for edit in ("mirror", "flip", "turn", "invert"):
        assert not np.array_equal(edited(picture, edit), picture)
        assert np.array_equal(edited(edited(picture, edit), edit), picture)


def test_dither_and_what_only_looks_like_it():
    rng = np.random.default_rng(0)
    soft = cv2.GaussianBlur(disc_mask().astype(np.float32), (0, 0), 5)
    assert dither_share((rng.uniform(size=soft.shape) < soft).astype(np.uint8)) > 0.06
    for level in (30, 64, 128):  # Pillow makes grey a pattern, by error diffusion
        pattern = Image.fromarray(disc_mask() * np.uint8(level)).convert("1")
        assert dither_share(np.asarray(pattern).astype(np.uint8)) > 0.1
    lines = np.zeros((SIDE, SIDE), np.uint8)
    for k in range(0, SIDE, 8):
        cv2.line(lines, (k, 0), (SIDE - k, SIDE - 1), 1)
    assert dither_share(lines) < 0.03  # where they cross
    assert dither_share(disc_mask().astype(np.uint8)) == 0
    assert dither_share(np.zeros((2, 2), np.uint8)) == 0


def test_grey_is_counted_between_dark_and_bright():
    assert grey_share(np.array([[0, 31, 32, 223], [224, 255, 100, 0]], np.uint8)) == 3 / 8


def test_steps_tell_near_from_far():
    mask = disc_mask()
    depth = np.full((SIDE, SIDE), 0.7, np.float32)
    depth[mask] = 0.2
    everywhere = np.ones_like(mask)
    assert Contour(mask).steps(depth, everywhere).nearer == 1
    assert Contour(mask).steps(1 - depth, everywhere).nearer == -1
    assert Contour(mask).steps(depth, everywhere).height == pytest.approx(0.5, abs=0.01)
    assert Contour(disc_mask(80, 20, 10)).steps(depth, everywhere).height < 0.05
    assert np.isnan(Contour(np.zeros_like(mask)).steps(depth, everywhere).nearer)
    assert np.isnan(Contour(mask).steps(depth, ~mask).nearer), "nothing is known inside"


def test_ground_is_nearer_below():
    rows = np.mgrid[:SIDE, :SIDE][0].astype(np.float32) / SIDE
    everywhere = np.ones((SIDE, SIDE), np.bool_)
    assert nearer_below(1 - rows, everywhere) == pytest.approx(1)
    assert nearer_below(rows, everywhere) == pytest.approx(-1)
    assert nearer_below(np.ones_like(rows), everywhere) == 0
    assert nearer_below(rows, np.zeros_like(everywhere)) == 0


def test_spread_ignores_what_is_not_valid():
    depth = np.linspace(1, 5, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    valid = np.ones_like(depth, np.bool_)
    valid[0] = False
    depth[0] = 1e6
    spread = spread_out(depth, valid)
    assert spread is not None
    assert (spread.min(), spread.max()) == (0, 1)
    assert spread_out(depth, np.zeros_like(valid)) is None


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("width", [2, 8])
def test_margins_are_found_also_in_jpeg(level, width):
    inner = room(6)[width:-width, width:-width, 0]
    framed = np.pad(inner, width, constant_values=level)
    assert has_frame(framed)
    assert has_frame(cv2.imdecode(cv2.imencode(".jpg", framed, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], 0))
    bars = room(6)[..., 0].copy()
    bars[:, :width], bars[:, -width:] = level, level
    assert has_frame(bars)


def test_legal_depth_has_no_margins():
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    sky = np.where(rows < 30, 255, 255 - rows)
    corridor = np.minimum(np.minimum(columns, SIDE - 1 - columns), 40) * 6
    for depth in (room(6)[..., 0], sky, corridor, np.full((SIDE, SIDE), 7.0)):
        assert not has_frame(depth)


def test_small_copies():
    assert working_size((1000, 500)) == (128, 64)
    assert working_size((1, 4000)) == (1, 128)
    mask = np.zeros((256, 256), np.uint8)
    mask[:, 128:] = 1
    assert np.array_equal(small_mask(mask, (128, 128)), np.arange(128)[None].repeat(128, 0) >= 64)
