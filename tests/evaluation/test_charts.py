import math
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from fgbgnet.evaluation.charts import line_chart, nice_ticks

SVG = "{http://www.w3.org/2000/svg}"


def points_of(svg):
    path = ElementTree.fromstring(svg).find(f"{SVG}polyline").get("points")
    return [tuple(float(number) for number in pair.split(",")) for pair in path.split()]


def test_points_are_placed_in_proportion():
    (x0, y0), (x1, y1), (x2, y2) = points_of(line_chart([(0, 0.0), (5, 1.0), (10, 0.5)], "loss"))
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y2 == pytest.approx((y0 + y1) / 2, abs=0.1)
    assert x0 < x1 < x2
    assert y1 < y0  # up is smaller in SVG


def test_many_points_are_thinned_but_the_last_one_stays():
    drawn = points_of(line_chart([(x, x % 7) for x in range(10_003)], "loss"))
    assert len(drawn) <= 402
    assert drawn[-1][0] == pytest.approx(points_of(line_chart([(0, 0), (10_002, 5)], "loss"))[-1][0], abs=0.1)


@pytest.mark.parametrize("points", [[], [(0, math.nan)], [(0, 1.0)], [(0, 2.0), (1, 2.0)], [(1, math.inf), (2, 0.0)]])
def test_degenerate_curves_are_valid_svg(points):
    svg = line_chart(points, "a < b & c")
    assert ElementTree.fromstring(svg).get("aria-label") == "a < b & c"
    assert "nan" not in svg
    assert "inf" not in svg.replace("finite", "")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_ticks_enclose_the_values_at_even_distances(values):
    ticks = nice_ticks(values)
    step = ticks[1] - ticks[0]
    assert 2 <= len(ticks) <= 8
    assert step > 0
    assert all(b - a == pytest.approx(step, rel=1e-3) for a, b in pairwise(ticks))
    room = 1e-6 * step
    assert ticks[0] - room <= min(values)
    assert max(values) <= ticks[-1] + room
