from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth import PERTURBATIONS, RandomPerturb, perturb
from fgbgnet.synth.perturb import geometry, optics, sensor, tones

NAMES = list(PERTURBATIONS)


@pytest.fixture(scope="module")
def pictures():
    # Smooth on a coarse scale with edges and fine detail: a stand-in for a photograph.
    generator = torch.Generator().manual_seed(0)
    coarse = torch.nn.functional.interpolate(torch.rand(4, 3, 6, 8, generator=generator), (72, 96), mode="bilinear")
    blocks = torch.nn.functional.interpolate(torch.rand(4, 3, 18, 24, generator=generator), (72, 96))
    fine = torch.rand(4, 3, 72, 96, generator=generator)
    return 0.1 + 0.8 * (0.5 * coarse + 0.4 * blocks + 0.1 * fine)


def test_registry_holds_the_whole_spine_set():
    assert set(NAMES) == {
        "shift", "rotate_zoom", "gain", "offset", "gamma", "white_balance", "noise", "defocus", "jpeg", "soft_shadow",
        "hard_shadow", "mixed",
    }  # fmt: skip
    assert {name for name in NAMES if PERTURBATIONS[name].geometric} == {"shift", "rotate_zoom", "mixed"}


@pytest.mark.parametrize("name", NAMES)
def test_each_picture_depends_on_its_own_seed_alone(name, pictures):
    together = perturb(pictures, name, 4, seeds=[11, 12, 13, 14])
    reverse = perturb(pictures.flip(0), name, 4, seeds=[14, 13, 12, 11]).flip(0)
    alone = torch.cat([perturb(pictures[i : i + 1], name, 4, seeds=[11 + i]) for i in range(4)])
    assert torch.equal(together, reverse)
    assert torch.equal(together, alone)
    assert together.min() >= 0
    assert together.max() <= 1
    assert together.shape == pictures.shape


@pytest.mark.parametrize("name", NAMES)
def test_residual_grows_with_severity(name, pictures):
    many = pictures.repeat(4, 1, 1, 1)
    residual = [(perturb(many, name, s, range(16)) - many).abs().mean().item() for s in (1, 2, 3, 4, 5)]
    assert residual[0] > 1e-4
    assert all(b > a for a, b in pairwise(residual)), residual


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("jpeg", "mixed")])
def test_severity_zero_changes_nothing(name, pictures):
    torch.testing.assert_close(perturb(pictures, name, 0, [1, 2, 3, 4]), pictures, atol=2e-4, rtol=0)


def test_input_is_never_changed(pictures):
    for name in NAMES:
        before = pictures.clone()
        perturb(pictures, name, 5, [0, 1, 2, 3])
        assert torch.equal(pictures, before), name


def test_shift_of_whole_pixels_moves_the_picture():
    picture = torch.rand(1, 3, 40, 50)
    moved = geometry.warp(picture, geometry.affine(torch.tensor([[3 / 40, -2 / 40, 0.0, 0.0]]), 40, 50))
    # Three pixels to the right and two up: what is at (y, x) came from (y + 2, x - 3).
    torch.testing.assert_close(moved[..., 5:30, 5:40], picture[..., 7:32, 2:37], atol=1e-5, rtol=0)


def test_rotation_agrees_with_the_matrix():
    rows, columns = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    ramp = (0.5 + (columns - 39.5) / 200).expand(1, 3, 60, 80)  # linear in x: bilinear sampling is exact
    turned = geometry.warp(ramp, geometry.affine(torch.tensor([[0.0, 0.0, 10.0, np.log(1.1)]]), 60, 80))
    angle = np.deg2rad(10)
    x = (np.cos(angle) * (columns - 39.5) - np.sin(angle) * (rows - 29.5)) / 1.1
    torch.testing.assert_close(turned[0, 0, 15:45, 20:60], (0.5 + x / 200)[15:45, 20:60], atol=1e-5, rtol=0)


def test_noise_has_the_variance_that_it_claims():
    grey = torch.full((1, 3, 200, 200), 0.4)
    noisy = sensor.noise(grey, torch.tensor([[0.02, 0.03]]), [5])
    assert noisy.std().item() == pytest.approx((0.02**2 + 0.03**2 * 0.4) ** 0.5, rel=0.02)
    assert noisy.mean().item() == pytest.approx(0.4, abs=1e-3)


def test_gamma_agrees_with_pow():
    picture = torch.rand(1, 3, 50, 50)
    torch.testing.assert_close(
        tones.gamma(picture, torch.tensor([[0.4]])), picture ** float(np.exp(0.4)), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("sigma", [0.2, 0.7, 2.0])
def test_blur_has_the_variance_that_it_claims(sigma):
    from scipy.special import ive

    dot = torch.zeros(1, 3, 65, 65, dtype=torch.float64)
    dot[..., 32, 32] = 1
    profile = optics.blur(dot, torch.tensor([[sigma / 65]], dtype=torch.float64))[0, 0].sum(0)
    offsets = torch.arange(65) - 32.0
    assert profile.sum().item() == pytest.approx(1, abs=1e-6)
    assert (profile * offsets**2).sum().item() == pytest.approx(sigma**2, rel=0.06)
    # The discrete Gaussian in closed form: exp(-t) I_n(t), t the variance.
    np.testing.assert_allclose(profile[30:35].numpy(), ive([2, 1, 0, 1, 2], sigma**2), atol=0.02)


@pytest.mark.parametrize(("severity", "strength"), [(1, 0.03), (2, 0.06), (3, 0.1), (4, 0.16), (5, 0.22)])
def test_white_balance_moves_red_against_blue_and_keeps_the_product(severity, strength):
    grey = torch.full((40, 3, 2, 2), 0.4)
    logs = (perturb(grey, "white_balance", severity, range(40)) / grey).log()[:, :, 0, 0]
    warmth, tint = (logs[:, 0] - logs[:, 2]) / 2, logs[:, 1]
    torch.testing.assert_close(warmth.abs(), torch.full((40,), strength), atol=1e-5, rtol=0)
    assert 10 < (warmth > 0).sum() < 30
    torch.testing.assert_close(logs.sum(1), torch.zeros(40), atol=1e-5, rtol=0)
    assert (tint.abs() <= 0.4 * strength + 1e-6).all()
    assert tint.std() > 0.1 * strength


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_other_precisions_get_the_same_perturbation(name, dtype, pictures):
    given = pictures.to(dtype)
    exact = perturb(given.float(), name, 4, [2**60 + 1, 5, 6, 7])
    found = perturb(given, name, 4, [2**60 + 1, 5, 6, 7])
    assert found.dtype == dtype
    if dtype == torch.float64:
        torch.testing.assert_close(found.float(), exact, atol=0.02 if name in ("jpeg", "mixed") else 1e-4, rtol=0)
    else:
        assert torch.equal(found, exact.to(dtype))


def test_neighbouring_seeds_differ_in_half_precision(pictures):
    many = pictures[:1].bfloat16().repeat(30, 1, 1, 1)
    noisy = perturb(many, "noise", 5, range(2**62, 2**62 + 30))
    assert len({picture.float().numpy().tobytes() for picture in noisy}) == 30
    augment = RandomPerturb(p=1)
    for seed in range(5):
        assert torch.equal(augment(many[0], seed), augment(many[0].float(), seed).bfloat16())


def test_a_little_beside_the_range_is_cut_off(pictures):
    beside = pictures.clone()
    beside[0, 0, 0, :2] = torch.tensor([-9e-4, 1 + 9e-4])
    assert torch.equal(perturb(beside, "noise", 0, range(4)), beside.clamp(0, 1))
    assert beside.min() < 0


def test_shadows_only_darken(pictures):
    for name in ("soft_shadow", "hard_shadow"):
        shaded = perturb(pictures, name, 5, [1, 2, 3, 4])
        assert (shaded <= pictures + 1e-6).all()
        assert (shaded < pictures - 0.05).any(dim=1).flatten(1).any(dim=1).all()


def test_seeds_from_a_generator_are_reproducible(pictures):
    first = perturb(pictures, "noise", 3, torch.Generator().manual_seed(3))
    again = perturb(pictures, "noise", 3, torch.Generator().manual_seed(3))
    other = perturb(pictures, "noise", 3, torch.Generator().manual_seed(4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"name": "shfit"}, UnknownNameError, "'shift'"),
        ({"severity": 6}, InvalidArgumentError, "1 to 5"),
        ({"severity": float("nan")}, InvalidArgumentError, "1 to 5"),
        ({"seeds": [1, 2]}, InvalidArgumentError, "2 seeds came for 4"),
        ({"pictures": torch.rand(3, 8, 8)}, InvalidArgumentError, r"\(B, 3, H, W\)"),
        ({"pictures": torch.zeros(1, 3, 8, 8, dtype=torch.uint8)}, InvalidArgumentError, "uint8"),
        ({"pictures": torch.full((4, 3, 8, 8), 255.0)}, InvalidArgumentError, "from 255 to 255.*divide by 255"),
        ({"pictures": torch.full((4, 3, 8, 8), float("nan"))}, InvalidArgumentError, "nan"),
        ({"pictures": torch.full((4, 3, 8, 8), -0.01)}, InvalidArgumentError, "-0.01"),
        ({"pictures": torch.zeros(4, 3, 0, 8)}, InvalidArgumentError, "no pixels"),
        ({"seeds": 5}, InvalidArgumentError, "seeds is 5; expected one integer per picture"),
        ({"seeds": torch.tensor(5)}, InvalidArgumentError, "one integer per picture"),
        ({"seeds": [1, 2, 3, 4.5]}, InvalidArgumentError, "one integer per picture"),
    ],
)
def test_wrong_input_is_named(change, error, text, pictures):
    arguments = {"pictures": pictures, "name": "gain", "severity": 3, "seeds": [1, 2, 3, 4], **change}
    with pytest.raises(error, match=text):
        perturb(**arguments)


@settings(max_examples=30, deadline=None)
@given(st.integers(-(2**40), 2**62), st.integers(8, 40), st.integers(8, 40))
def test_random_perturb_is_a_function_of_the_seed(seed, height, width):
    picture = torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))
    before = picture.clone()
    first, again = RandomPerturb()(picture, seed), RandomPerturb()(picture, seed)
    assert torch.equal(first, again)
    assert first.shape == picture.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(picture, before)
    assert first.data_ptr() != picture.data_ptr()


def test_random_perturb_draws_everything_sometimes_and_nothing_sometimes():
    drawn = [RandomPerturb(p=0.8, max_operations=3, max_severity=4).draw(seed) for seed in range(600)]
    assert {name for draws in drawn for name, _ in draws} == set(NAMES) - {"mixed"}
    assert {len(draws) for draws in drawn} == {0, 1, 2, 3}
    assert 0.15 < np.mean([not draws for draws in drawn]) < 0.25
    assert 3.5 < max(severity for draws in drawn for _, severity in draws) <= 4
    order = {name: k for k, name in enumerate(NAMES)}
    for draws in drawn:
        assert [order[name] for name, _ in draws] == sorted({order[name] for name, _ in draws})


def test_random_perturb_refuses_what_it_cannot_do():
    with pytest.raises(UnknownNameError, match="'jpeg'"):
        RandomPerturb(names=["jpg"])
    for arguments in ({"p": 1.5}, {"max_operations": 0}, {"max_severity": 0}, {"max_severity": 9}, {"names": []}):
        with pytest.raises(InvalidArgumentError, match=next(iter(arguments))):
            RandomPerturb(**arguments)
    with pytest.raises(InvalidArgumentError, match=r"\(3, H, W\)"):
        RandomPerturb()(torch.rand(1, 3, 8, 8), 0)
    with pytest.raises(InvalidArgumentError, match="divide by 255"):
        RandomPerturb(p=0)(255 * torch.ones(3, 8, 8), 0)
    with pytest.raises(InvalidArgumentError, match=r"seed is 0\.5"):
        RandomPerturb()(torch.rand(3, 8, 8), 0.5)


def test_random_perturb_without_probability_gives_a_copy():
    picture = torch.rand(3, 9, 9)
    out = RandomPerturb(p=0)(picture, 5)
    assert torch.equal(out, picture)
    assert out.data_ptr() != picture.data_ptr()
