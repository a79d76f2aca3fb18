import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image

from fgbgnet.data import Manifest, PairedFgBgDataset
from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.synth import compose
from fgbgnet.synth.compose import Placement, blend, draw_placement
from fgbgnet.synth.cutouts import find_pictures, load_background, load_cutout, to_linear, to_srgb


def disc(size=40, colour=(200, 40, 30)):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    alpha = np.clip((0.4 * size - np.hypot(x, y)) + 0.5, 0, 1)
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[..., :3] = colour
    rgba[..., 3] = np.rint(255 * alpha)
    return Image.fromarray(rgba)


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "bg").mkdir()
    (tmp_path / "fg").mkdir()
    for k in (2, 10):
        pixels = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((90, 60)).save(tmp_path / "bg" / f"room{k}.png")
    disc().save(tmp_path / "fg" / "red.png")
    disc(60, (20, 90, 220)).save(tmp_path / "fg" / "blue.png")
    return tmp_path


def run(folders, out="out", **arguments):
    settings_ = {"per_pair": 2, "size": 48, "progress": False, **arguments}
    return compose(folders / "bg", folders / "fg", folders / out, **settings_)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_composites_make_a_dataset(folders):
    path = run(folders, quality=None, shadow=0.0)
    manifest = Manifest.read(path)
    assert len(manifest) == 2 * 2 * 2 * 2
    assert set(manifest.column("bg_id")) == {"room2.png", "room10.png"}
    assert set(manifest.column("fg_id")) == {"red.png", "blue.png"}
    assert manifest.column("bg_id")[0] == "room2.png"  # natural order
    assert sorted(set(manifest.column("mirrored"))) == ["0", "1"]
    for sample in PairedFgBgDataset(path):
        residual = (sample["fg_bg"] - sample["bg"]).abs().amax(0, keepdim=True)
        assert sample["mask"].sum() > 20
        assert residual[sample["mask"] == 1].mean() > 0.1
        near = torch.nn.functional.max_pool2d(sample["mask"], 7, 1, 3) == 1
        assert (residual[~near] == 0).all()
        assert not sample["depth_valid"].any()


def test_same_seed_same_bytes_and_resume_after_a_kill(folders):
    run(folders, "a")
    run(folders, "b")
    assert contents(folders / "a") == contents(folders / "b")
    for name in ("mask/sample_00000003.png", "fg_bg/sample_00000006.jpg", "manifest.csv"):
        (folders / "b" / name).unlink()
    run(folders, "b")
    assert contents(folders / "a") == contents(folders / "b")
    run(folders, "c", seed=1)
    assert contents(folders / "a")["fg_bg/sample_00000003.jpg"] != contents(folders / "c")["fg_bg/sample_00000003.jpg"]


def test_a_limited_run_holds_the_same_samples(folders):
    run(folders, "all")
    run(folders, "some", limit=5)
    everything, some = contents(folders / "all"), contents(folders / "some")
    pictures = [name for name in some if name.startswith(("fg_bg/", "mask/"))]
    assert len(pictures) == 10
    assert all(some[name] == everything[name] for name in pictures)


def test_another_run_in_the_same_folder_is_refused(folders):
    run(folders)
    with pytest.raises(InvalidArgumentError, match="seed: 0 there, 5 now"):
        run(folders, seed=5)


@pytest.mark.parametrize(
    ("save", "text"),
    [
        (lambda path: disc().convert("RGB").save(path), "no alpha channel"),
        (lambda path: Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(path), "empty"),
        (lambda path: Image.new("RGBA", (20, 20), (9, 9, 9, 255)).save(path), "opaque everywhere"),
        (lambda path: path.write_bytes(b"not a picture"), "not a picture"),
        (lambda path: path.write_bytes(b""), "bad.png"),
    ],
)
def test_bad_cutouts_are_named_before_anything_is_made(folders, save, text):
    save(folders / "fg" / "bad.png")
    with pytest.raises(PictureError, match=text) as caught:
        run(folders)
    assert "bad.png" in str(caught.value)
    assert not (folders / "out" / "fg_bg").exists()


def test_truncated_cutout_is_named(folders):
    whole = (folders / "fg" / "red.png").read_bytes()
    (folders / "fg" / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match=r"cut\.png"):
        run(folders)


def test_palette_with_transparency_is_a_cutout(tmp_path):
    image = Image.new("P", (10, 12), 0)
    image.putpalette([255, 0, 255, 10, 200, 30] + [0] * 762)
    image.paste(1, (3, 4, 8, 10))
    image.save(tmp_path / "p.png", transparency=0)
    layers = load_cutout(tmp_path / "p.png", 100)
    assert layers.shape == (4, 6, 5)  # without its empty border
    assert (layers[3] == 1).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"per_pair": 0}, "per_pair"),
        ({"size": 8}, "size"),
        ({"scale": (0.5, 0.1)}, "scale"),
        ({"shadow": 2.0}, "shadow"),
        ({"quality": 101}, "quality"),
        ({"limit": 0}, "limit"),
    ],
)
def test_wrong_arguments_are_named(folders, arguments, text):
    with pytest.raises(InvalidArgumentError, match=text):
        run(folders, **arguments)


def test_missing_and_empty_folders_are_named(folders):
    with pytest.raises(MissingFileError, match="cutouts: no file or folder"):
        compose(folders / "bg", folders / "nowhere", folders / "out")
    (folders / "void").mkdir()
    with pytest.raises(InvalidArgumentError, match="holds no picture"):
        compose(folders / "void", folders / "fg", folders / "out")


def test_linear_light_agrees_with_the_standard():
    levels = torch.arange(256, dtype=torch.uint8)
    assert to_linear(levels)[128].item() == pytest.approx(0.2158605, abs=1e-6)  # IEC 61966-2-1
    assert torch.equal(to_srgb(to_linear(levels)), levels)
    assert to_srgb(torch.tensor([0.5])).item() == 188


def test_half_alpha_is_half_the_light():
    background = torch.full((3, 32, 32), 255, dtype=torch.uint8)
    cutout = torch.zeros(4, 16, 16)
    cutout[3] = 0.5  # black, half transparent
    picture, alpha = blend(background, cutout, Placement(0.5, 0.25, 0.25, False, 0.0, 0.0))
    assert (picture[:, 10:20, 10:20] == 188).all()  # half of the light, not half of the code value
    assert (alpha[10:20, 10:20] == 0.5).all()
    assert (picture[:, :6] == 255).all()


def test_opaque_cutout_replaces_and_transparent_leaves():
    background = torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8)
    colour = to_linear(torch.tensor([10, 120, 250], dtype=torch.uint8))
    opaque = torch.cat([colour, torch.ones(1)])[:, None, None].expand(4, 20, 20).contiguous()
    picture, alpha = blend(background, opaque, Placement(0.5, 0.25, 0.25, True, 0.0, 0.0))
    assert (torch.tensor([10, 120, 250]) == picture[:, 11:29, 11:29].flatten(1).T).all()
    assert torch.equal(picture[:, alpha == 0], background[:, alpha == 0])
    picture, alpha = blend(background, torch.zeros(4, 20, 20), Placement(0.5, 0.25, 0.25, True, 0.5, 0.0))
    assert torch.equal(picture, background)
    assert not alpha.any()


def test_shadow_darkens_the_ground_and_is_not_in_the_mask():
    background = torch.full((3, 64, 64), 180, dtype=torch.uint8)
    cutout = torch.ones(4, 20, 20)
    plain, alpha = blend(background, cutout, Placement(0.3, 0.3, 0.3, False, 0.0, 0.0))
    shaded, same = blend(background, cutout, Placement(0.3, 0.3, 0.3, False, 0.0, 0.6))
    assert torch.equal(alpha, same)
    assert (shaded <= plain).all()
    darker = (shaded.int() < plain.int() - 5).any(0)
    assert darker.any()
    assert not (darker & (alpha == 1)).any()


def test_cut_by_the_frame_keeps_the_rest():
    background = torch.zeros(3, 40, 40, dtype=torch.uint8)
    whole, full = blend(background, torch.ones(4, 10, 10), Placement(0.5, 0.2, 0.2, False, 0.0, 0.0))
    moved, part = blend(background, torch.ones(4, 10, 10), Placement(0.5, -0.25, 0.2, False, 0.0, 0.0))
    assert torch.equal(moved[:, :, :10], whole[:, :, 18:28])
    assert part.sum() == full.sum() / 2
    away, none = blend(background, torch.ones(4, 10, 10), Placement(0.5, 3.0, 0.2, False, 0.0, 0.5))
    assert torch.equal(away, background)
    assert not none.any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 2**50), st.integers(1, 400), st.integers(1, 400), st.booleans())
def test_placements_are_drawn_within_their_ranges(seed, number, rows, columns, anywhere):
    arguments = {"mirrored": False, "anywhere": anywhere}
    place = draw_placement(seed, number, (rows, columns), (60, 90), **arguments)
    assert place == draw_placement(seed, number, (rows, columns), (60, 90), **arguments)
    wide = place.scale * columns / rows * 60 / 90
    assert place.scale <= 0.7
    assert wide <= 0.951
    assert -0.21 * wide <= place.left <= 1
    assert place.top >= -0.21 * place.scale
    if not anywhere:
        assert 0.599 <= place.top + place.scale <= 1.03


def test_backgrounds_of_other_shapes_show_their_middle(tmp_path):
    wide = np.zeros((20, 80, 3), np.uint8)
    wide[:, 30:50] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (load_background(tmp_path / "wide.png", (40, 40))[:, 4:-4] > 245).all()  # the filter rings a little


def test_pictures_are_found_in_natural_order(tmp_path):
    for name in ("b10.png", "b2.png", "b1.PNG", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in find_pictures(tmp_path, "backgrounds")] == ["b1.PNG", "b2.png", "b10.png"]
