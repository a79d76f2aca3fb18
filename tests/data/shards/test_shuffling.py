from random import Random

from hypothesis import given, strategies as st

from fgbgnet.data.shards.shuffling import shuffled


@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 5))
def test_every_item_once_and_never_from_further_ahead_than_the_buffer(count, size, seed):
    taken = []

    def items():
        for n in range(count):
            taken.append(n)
            yield n

    given_out = []
    for item in shuffled(items(), size, Random(seed)):
        given_out.append(item)
        assert len(taken) <= len(given_out) + size
    assert sorted(given_out) == list(range(count))
    assert given_out == list(shuffled(range(count), size, Random(seed)))


def test_a_buffer_for_all_makes_all_orders_alike_likely():
    first = [next(shuffled(range(4), 4, Random(seed))) for seed in range(4000)]
    # Four standard deviations of a binomial distribution with probability 1 / 4.
    assert all(abs(first.count(n) - 1000) < 4 * (4000 * 3 / 16) ** 0.5 for n in range(4))
