"""Lines on a chart as SVG, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 190, 40, 50
_COLOURS = (
    "#222222",
    "#d62728",
    "#ff7f0e",
    "#bcbd22",
    "#2ca02c",
    "#17becf",
    "#1f77b4",
    "#9467bd",
    "#e377c2",
    "#8c564b",
)


def draw_lines(
    lines: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x: str, y: str, log: bool = False
) -> str:
    """Return a chart of named lines of (x, y) points.

    Parameters
    ----------
    title, x, y
        What stands above it and along its axes.
    log
        Whether the horizontal axis is logarithmic.
    """
    points = [point for line in lines.values() for point in line]
    place = (lambda value: math.log(value)) if log else (lambda value: value)
    xs = [place(px) for px, _ in points]
    low_x, high_x = min(xs, default=0.0), max(xs, default=1.0)
    top = max((py for _, py in points), default=1.0) * 1.05 or 1.0
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def at(px: float, py: float) -> tuple[float, float]:
        share = (place(px) - low_x) / (high_x - low_x) if high_x > low_x else 0.5
        return _LEFT + wide * share, _TOP + high * (1 - py / top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>',
        f'<text x="{_LEFT + wide / 2:.0f}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x)}</text>',
        f'<text x="16" y="{_TOP + high / 2:.0f}" text-anchor="middle" transform="rotate(-90 16 {_TOP + high / 2:.0f})">{escape(y)}</text>',
    ]
    for step in range(6):
        value = top * step / 5
        _, row = at(next(iter(points), (1.0, 0.0))[0], value)
        parts.append(f'<line x1="{_LEFT}" x2="{_LEFT + wide}" y1="{row:.1f}" y2="{row:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{row + 4:.1f}" text-anchor="end">{value:.0f}</text>')
    for px in sorted({px for px, _ in points}):
        column, _ = at(px, 0.0)
        parts.append(f'<text x="{column:.1f}" y="{_TOP + high + 16}" text-anchor="middle">{px:g}</text>')
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        dashes = ' stroke-dasharray="5 3"' if number >= len(_COLOURS) else ""
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (at(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        row = _TOP + 12 + 18 * number
        parts.append(
            f'<line x1="{_LEFT + wide + 12}" x2="{_LEFT + wide + 34}" y1="{row}" y2="{row}" stroke="{colour}" stroke-width="2"{dashes}/>'
        )
        parts.append(f'<text x="{_LEFT + wide + 40}" y="{row + 4}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
