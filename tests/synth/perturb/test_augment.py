import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth import PERTURBATIONS, RandomPerturb

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


def test_a_batch_is_perturbed_as_its_pictures_are(pictures):
    many, augment = pictures.repeat(8, 1, 1, 1), RandomPerturb(p=0.9)
    before = many.clone()
    together = augment.batch(many, range(32))
    assert torch.equal(together, torch.stack([augment(many[i], i) for i in range(32)]))
    assert torch.equal(many, before)
    assert augment.batch(many[:0], []).shape == (0, 3, 72, 96)
    with pytest.raises(InvalidArgumentError, match="3 seeds came for 32"):
        augment.batch(many, range(3))


def test_random_perturb_keeps_the_weights():
    augment = RandomPerturb(p=1, max_operations=1, names=["shift", "gain", "rotate"])
    names = [name for seed in range(3000) for name, _ in augment.draw(seed)]
    share = {name: names.count(name) / 3000 for name in augment.names}
    assert share == pytest.approx({"shift": 2 / 4.1, "rotate": 0.6 / 4.1, "gain": 1.5 / 4.1}, abs=0.03)


def test_random_perturb_without_probability_gives_a_copy():
    picture = torch.rand(3, 9, 9)
    out = RandomPerturb(p=0)(picture, 5)
    assert torch.equal(out, picture)
    assert out.data_ptr() != picture.data_ptr()
