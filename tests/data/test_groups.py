import numpy as np
from hypothesis import given, strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fgbgnet.data.groups import connected, encode


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_connected_agrees_with_scipy(pairs):
    pairs = np.array(pairs, np.int64).reshape(-1, 2)
    lead = connected(pairs, 20)
    _, labels = connected_components(coo_array((np.ones(len(pairs)), pairs.T), shape=(20, 20)), directed=False)
    assert lead.tolist() == [np.flatnonzero(labels == label)[0] for label in labels]


def test_a_long_chain_is_one():
    order = np.random.default_rng(0).permutation(3000)
    assert not connected(np.stack([order[:-1], order[1:]], axis=1), 3000).any()


@given(st.lists(st.text(max_size=3)))
def test_encode_gives_the_values_back(values):
    codes, names = encode(values)
    assert [names[code] for code in codes] == values
    assert names == list(dict.fromkeys(values))
