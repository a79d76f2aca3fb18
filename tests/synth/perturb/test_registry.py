from itertools import pairwise

import pytest
import torch

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth import PERTURBATIONS, RandomPerturb, perturb
from fgbgnet.synth.perturb.steps import WarpStep

NAMES = list(PERTURBATIONS)


@pytest.fixture(scope="module")
def pictures():
    # Smooth on a coarse scale with edges and fine detail: a stand-in for a photograph.
    generator = torch.Generator().manual_seed(0)
    coarse = torch.nn.functional.interpolate(torch.rand(4, 3, 6, 8, generator=generator), (72, 96), mode="bilinear")
    blocks = torch.nn.functional.interpolate(torch.rand(4, 3, 18, 24, generator=generator), (72, 96))
    fine = torch.rand(4, 3, 72, 96, generator=generator)
    mixed = 0.5 * coarse + 0.4 * blocks + 0.1 * fine
    return (mixed - mixed.min()) / (mixed.max() - mixed.min())


def test_registry_holds_what_the_suite_is_made_of():
    assert NAMES == [
        "shift", "rotate", "zoom", "perspective", "stale_light", "soft_shadow", "hard_shadow", "cast_shadow",
        "dappled_shadow", "reflection", "glare", "defocus", "motion_blur", "gain", "offset", "gamma", "white_balance",
        "clipping", "noise", "jpeg", "mixed",
    ]  # fmt: skip
    geometric = [name for name in NAMES if PERTURBATIONS[name].geometric]
    assert geometric == ["shift", "rotate", "zoom", "perspective", "mixed"]
    for perturbation in PERTURBATIONS.values():
        assert not any(isinstance(step, WarpStep) for step in perturbation.steps[1:]), "moving comes first"


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
    assert residual[0] > (1e-6 if name == "clipping" else 1e-4)  # few values are extreme
    assert all(b > a for a, b in pairwise(residual)), residual


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("jpeg", "mixed")])
def test_severity_zero_changes_nothing(name, pictures):
    torch.testing.assert_close(perturb(pictures, name, 0, [1, 2, 3, 4]), pictures, atol=2e-4, rtol=0)


def test_input_is_never_changed(pictures):
    for name in NAMES:
        before = pictures.clone()
        perturb(pictures, name, 5, [0, 1, 2, 3])
        assert torch.equal(pictures, before), name


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


@pytest.mark.parametrize("name", ["soft_shadow", "hard_shadow", "cast_shadow", "dappled_shadow"])
def test_shadows_darken_by_a_bluish_factor_that_does_not_depend_on_the_texture(name, pictures):
    seeds = range(40)
    texture, plain = 0.2 + 0.8 * pictures[:1].repeat(40, 1, 1, 1), torch.ones(40, 3, 72, 96)
    factor = perturb(plain, name, 5, seeds)
    torch.testing.assert_close(perturb(texture, name, 5, seeds), texture * factor, atol=1e-5, rtol=0)
    assert 1 - 0.6 * 1.06 < factor.min() < 1 - 0.6 * 1.01
    red, green, blue = factor.unbind(1)
    assert (red <= green).all()
    assert (green <= blue).all()
    assert ((factor < 0.9).flatten(1).float().mean(1) > 0.005).float().mean() > 0.9


@pytest.mark.parametrize("name", ["reflection", "glare"])
def test_stray_light_only_adds(name, pictures):
    lit = perturb(pictures, name, 5, [1, 2, 3, 4])
    assert (lit >= pictures - 1e-6).all()
    assert (lit > pictures + 0.05).flatten(1).any(1).all()
    assert torch.equal(perturb(torch.ones_like(pictures), name, 5, range(4)), torch.ones_like(pictures))


@pytest.mark.parametrize(("severity", "strength"), [(1, 0.1), (3, 0.33), (5, 0.7)])
def test_stale_light_is_smooth_and_as_strong_as_it_claims(severity, strength):
    grey = torch.full((30, 3, 60, 60), 0.3)
    logs = (perturb(grey, "stale_light", severity, range(30)) / grey).log()[:, 1]
    peaks = logs.abs().flatten(1).amax(1)
    assert (peaks > 0.9 * strength).all()
    assert peaks.max() < 1.4 * strength  # a cubic goes beyond its control points
    assert logs.diff(dim=-1).abs().max() < 0.12 * strength


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
        ({"severity": 6}, InvalidArgumentError, "a number from 0 to 5"),
        ({"severity": float("nan")}, InvalidArgumentError, "a number from 0 to 5"),
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
