import numpy as np
import pytest
import torch

from fgbgnet.synth.scenes.textures import COUNT, LEVELS, SIDE, TextureBank, _packed, fractal_noise, hsv_to_rgb


@pytest.fixture(scope="module")
def bank():
    return TextureBank(3)


def unpack(texels):
    values = texels.numpy().astype(np.int64)
    return np.stack([values >> 34, (values >> 17) & 0x1FFFF, values & 0x1FFFF], -1)


def level_of(texture, level):
    sizes = [(SIDE >> k) ** 2 for k in range(LEVELS)]
    first = texture * sum(sizes) + sum(sizes[:level])
    return unpack(_packed(3)[first : first + sizes[level]]).reshape(SIDE >> level, SIDE >> level, 3)


@pytest.mark.parametrize("level", [0, 2, LEVELS - 1])
def test_smooth_lookup_agrees_with_bilinear_interpolation(bank, level):
    rng = np.random.default_rng(level)
    u, v = rng.uniform(-600, 900, (2, 500))
    texture, picture = 7, level_of(7, level)
    side = SIDE >> level
    x, y = (np.float32(c) / 2**level - np.float32(0.5) for c in (u, v))
    fx, fy = (np.floor((c - np.floor(c)) * 16) / 16 for c in (x, y))
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    expected = sum(
        (wx * wy)[:, None] * picture[(y0 + dy) % side, (x0 + dx) % side]
        for dx, wx in ((0, 1 - fx), (1, fx))
        for dy, wy in ((0, 1 - fy), (1, fy))
    )
    where = [torch.tensor(c, dtype=torch.float32) for c in (u, v)]
    found = bank.smooth(torch.full((500,), float(texture)), *where, torch.full((500,), 1.0 * 2**level))
    np.testing.assert_allclose(torch.stack(found, -1).numpy() * 255, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("footprint", "scale"), [(0.01, 4.0), (0.2, 4.0), (0.4, 2.0), (0.7, 2.0), (1.0, 1.0), (3.0, 0.25), (1e5, 2.0**-10)]
)
def test_detail_gives_green_texels_of_which_a_pixel_shows_about_one(bank, footprint, scale):
    """At any distance: the texture is magnified by the power of two that brings a pixel next to one texel."""
    rng = np.random.default_rng(1)
    u, v = (torch.from_numpy(c).float() for c in rng.uniform(-1000, 1000, (2, 300)))
    found = bank.detail(torch.full((300,), 30.0), u, v, torch.full((300,), footprint))
    expected = level_of(30, 0)[(v * scale).floor().long() % SIDE, (u * scale).floor().long() % SIDE, 1]
    np.testing.assert_allclose(found.numpy() * 255, expected, atol=1e-3)
    if 4 > scale > 2.0**-10:  # at its limits it can do no more
        assert 0.7 <= footprint * scale <= 1.5


def test_a_bank_depends_on_its_seed_alone():
    assert torch.equal(_packed.__wrapped__(3), _packed(3))
    assert not torch.equal(_packed(0)[: SIDE * SIDE], _packed(3)[: SIDE * SIDE])


def test_levels_keep_the_mean():
    for texture in (0, COUNT // 2, COUNT - 1):
        means = [level_of(texture, level).mean() for level in range(LEVELS)]
        assert max(means) - min(means) < 1.0


def test_noise_has_the_spectrum_that_was_asked_for():
    noise = fractal_noise(np.random.default_rng(0), 1.0)
    power = np.abs(np.fft.fft2(noise)) ** 2
    low = power[0, 4:8].mean() + power[4:8, 0].mean()
    high = power[0, 32:64].mean() + power[32:64, 0].mean()
    # Amplitude 1 / f: power falls with the square, here from about 5.8 to about 46.
    assert 25 < low / high < 160


def test_most_textures_have_edges_and_contrast():
    contrast = [level_of(texture, 0).mean(-1).std() for texture in range(COUNT)]
    assert np.median(contrast) > 15


def test_hsv_agrees_with_colorsys():
    import colorsys

    hsv = np.random.default_rng(0).random((50, 3))
    np.testing.assert_allclose(hsv_to_rgb(*hsv.T), [colorsys.hsv_to_rgb(*row) for row in hsv], atol=1e-9)
