"""Line charts as inline SVG: a few kilobytes of text that need no library, scale, and follow the page's colours."""

import html
import math
from collections.abc import Sequence
from typing import TypeAlias

Points: TypeAlias = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 360, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 28
_MOST_POINTS = 400


def line_chart(points: Points, title: str) -> str:
    """One curve with axes.

    Args:
        points: Pairs (x, y); those that are not finite are left out, and of very many only some are drawn.
        title: What it shows.

    Returns:
        An ``<svg>`` element; its lines have the classes ``axis``, ``grid`` and ``curve``.

    Example:
        >>> line_chart([(0, 1.0), (1, 0.5)], "loss").startswith("<svg")
        True
    """
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    caption = html.escape(title)
    head = (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{caption}" xmlns="http://www.w3.org/2000/svg">'
    )
    head += f'<text class="title" x="{_LEFT}" y="18">{caption}</text>'
    if not finite:
        return f'{head}<text x="{_LEFT}" y="{_HEIGHT // 2}">no finite values</text></svg>'
    # The last point always stays: it is the one that people look for.
    step = -(-len(finite) // _MOST_POINTS)
    drawn = finite[::step] if finite[::step][-1] == finite[-1] else [*finite[::step], finite[-1]]
    x_ticks, y_ticks = (nice_ticks([point[axis] for point in finite]) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    parts = [head]
    for tick in y_ticks:
        x, y = place(x_ticks[0], tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text text-anchor="end" x="{x - 6:.1f}" y="{y + 4:.1f}">{tick:g}</text>')
    for tick in x_ticks:
        x, y = place(tick, y_ticks[0])
        parts.append(f'<text text-anchor="middle" x="{x:.1f}" y="{y + 18:.1f}">{tick:g}</text>')
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in drawn))
    end_x, end_y = place(*finite[-1])
    parts.append(
        f'<polyline class="curve" points="{path}"/><circle class="dot" cx="{end_x:.1f}" cy="{end_y:.1f}" r="3"/>'
    )
    parts.append(f'<text class="value" text-anchor="end" x="{_WIDTH - _RIGHT}" y="18">{finite[-1][1]:.4g}</text></svg>')
    return "".join(parts)


def nice_ticks(values: Sequence[float], most: int = 5) -> list[float]:
    """Round numbers at even distances that enclose values.

    Args:
        values: At least one finite number.
        most: Most steps between the ticks.

    Returns:
        Two or more ascending numbers.

    Example:
        >>> nice_ticks([0.03, 0.91])
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    low, high = min(values), max(values)
    if low == high:
        room = abs(low) / 2 or 0.5
        low, high = low - room, high + room
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10, 20) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    # Rounded relative to the step: 3 * 0.2 is to read 0.6.
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, last + 1)]


__all__ = ["Points", "line_chart", "nice_ticks"]
