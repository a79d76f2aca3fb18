import hashlib
import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from fgbgnet.data import sample_seed, seeded


@given(st.integers(-(2**40), 2**70), st.integers(0, 10**6), st.text(st.characters(codec="utf-8"), max_size=20))
def test_sample_seed_is_the_documented_hash(seed, epoch, id):
    digest = hashlib.blake2b(f"{seed}/{epoch}/{id}".encode()).digest()
    expected = sum(byte << (8 * i) for i, byte in enumerate(digest[:8])) // 2
    assert sample_seed(seed, epoch, id) == expected
    assert 0 <= expected < 2**63


def test_sample_seed_never_changes():
    # Published runs depend on this value.
    assert sample_seed(0, 0, "a") == 123446915502512492


def test_seeded_restores_the_global_generators_even_after_an_error():
    def draw():
        return random.random(), np.random.rand(), torch.rand(()).item()

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = draw()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    inside = []
    for _ in range(2):
        try:
            with seeded(2**63 - 1):
                inside.append(draw())
                raise KeyError
        except KeyError:
            pass
    assert inside[0] == inside[1] != expected
    assert draw() == expected
