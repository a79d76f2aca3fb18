import numpy as np
import pytest

from fgbgnet.synth.perturb import draws
from fgbgnet.synth.streams import stream


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize(("width", "height"), [(1.0, 1.0), (3.0, 1.0), (1.0, 3.0)])
def test_a_removed_piece_is_never_filled_with_itself(width, height, severity):
    for seed in range(400):
        row = draws.removed(stream(seed, "removed_object"), severity)
        size = np.array([width, height])
        centre = row[:2] * size
        source = np.abs(centre - row[-2:])  # mirrored at the left and the upper border
        source = np.minimum(source, 2 * size - source)
        assert np.hypot(*(source - centre)) > 1.5 * max(row[2:4])
