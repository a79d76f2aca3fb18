"""Streams of random numbers against the published algorithm and against SciPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from fgbgnet.synth.scenes.draws import Draws

WORD = 2**64 - 1
ids = st.integers(0, 2**63 - 1)
seeds = st.integers(-(2**200), 2**200)


def mixed(z):
    """The finaliser that the paper prints, in integers of any size."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def splitmix64(state, count):
    """SplitMix64 as published: add the golden gamma, mix."""
    numbers = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & WORD
        numbers.append(mixed(state))
    return numbers


def test_reference_gives_the_published_numbers():
    """The first outputs for seed 1234567, as they are printed in the test suites of other implementations."""
    assert splitmix64(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(ids, seeds)
def test_numbers_are_those_of_splitmix64(number, seed):
    draws = Draws(seed, "any", [number])
    expected = [(word >> 11) / 2**53 for word in splitmix64(int(draws._keys[0]), 9)]
    taken = [float(draws.uniform()[0]), *draws.uniform(0, 1, (2, 3)).ravel(), *draws.uniform(0, 1, (2,))[0]]
    assert taken == expected


@given(st.lists(ids, min_size=1, max_size=9), seeds, st.randoms())
def test_a_scene_has_the_same_numbers_in_any_batch_and_order(numbers, seed, random):
    def take(which):
        draws = Draws(seed, "name", which)
        first = draws.uniform(-2, 5, (3,))
        return np.concatenate(
            [first, draws.normal(1, 2, (2,)), draws.pick((1, 2), (4,)), draws.chance(0.5)[:, None]], 1
        )

    together = take(numbers)
    order = random.sample(range(len(numbers)), len(numbers))
    np.testing.assert_array_equal(take([numbers[k] for k in order]), together[order])
    np.testing.assert_array_equal(take(numbers[:1]), together[:1])


@given(ids, seeds)
def test_splitting_a_call_changes_nothing(number, seed):
    whole, parts = Draws(seed, "n", [number]), Draws(seed, "n", [number])
    np.testing.assert_array_equal(
        whole.uniform(0, 1, (7,)), np.concatenate([parts.uniform(0, 1, (3,)), parts.uniform(0, 1, (4,))], 1)
    )


@pytest.mark.parametrize(
    "streams",
    [
        [Draws(0, "a", [n]) for n in (*range(6), 2**31, 2**32, 2**62, 2**63 - 1)],
        [Draws(0, name, [5]) for name in ("a", "b", "aa", "ab", "background", "foreground")],
        [Draws(seed, "a", [5]) for seed in (-(2**63) + 1, -2, -1, 0, 1, 2, 2**32, 2**63)],
    ],
    ids=["scenes", "names", "seeds"],
)
def test_streams_of_other_keys_are_independent(streams):
    rows = [draws.uniform(0, 1, (4000,))[0] for draws in streams]
    assert len(set(np.concatenate(rows))) == 4000 * len(rows)  # none is a shifted copy of another
    for one, other in itertools.combinations(rows, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(4000)


def test_numbers_are_uniform_along_a_stream_and_across_scenes():
    along = Draws(3, "x", [11]).uniform(0, 1, (20_000,))[0]
    across = Draws(3, "x", np.arange(20_000)).uniform()
    for numbers in (along, across):
        assert stats.kstest(numbers, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.03
        assert numbers.min() >= 0
        assert numbers.max() < 1


@given(st.floats(-100, 100), st.floats(0.01, 100), st.integers(0, 1000))
def test_bounds_hold_and_broadcast(low, width, number):
    draws = Draws(1, "b", [number, number + 1])
    some = draws.uniform(low, low + width, (50,))
    assert (some >= low).all()
    assert (some <= low + width).all()  # rounding may reach the upper bound
    each = draws.uniform(np.array([[0.0], [10.0]]), np.array([[1.0], [11.0]]), (4,))
    np.testing.assert_array_equal(np.floor(each), [[0] * 4, [10] * 4])


def test_other_distributions_agree_with_scipy():
    draws = Draws(0, "many", np.arange(20_000))
    assert stats.kstest(draws.normal(2.0, 3.0), stats.norm(2, 3).cdf).pvalue > 1e-3
    assert stats.kstest(draws.log_uniform(0.5, 20.0), stats.loguniform(0.5, 20).cdf).pvalue > 1e-3
    pairs = draws.normal(0, 1, (2,))
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.03
    assert abs(stats.kurtosis(pairs.ravel())) < 0.1
    assert stats.binomtest(int(draws.chance(0.3).sum()), 20_000, 0.3).pvalue > 1e-3


@given(st.lists(st.floats(0, 5), min_size=1, max_size=6).filter(lambda w: sum(w) > 0.1))
def test_picks_come_by_their_weights(weights):
    picks = Draws(0, "pick", np.arange(4000)).pick(weights)
    share = np.array(weights) / sum(weights)
    found = np.bincount(picks, minlength=len(weights)) / 4000
    assert found.shape == share.shape
    assert (np.abs(found - share) < 5 * np.sqrt(share * (1 - share) / 4000) + 1e-3).all()
    assert (found[share == 0] == 0).all()


def test_chances_of_zero_and_one_are_certain():
    draws = Draws(0, "c", np.arange(100))
    assert not draws.chance(0.0, (50,)).any()
    assert draws.chance(1.0, (50,)).all()
