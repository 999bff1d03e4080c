"""A picture of quality against speed, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 720, 420, 70, 60, 30, 170
_COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce", "#be123c", "#0f766e", "#a16207", "#334155")


def quality_against_speed(points: Sequence[tuple[str, float, float]], quality: str) -> str:
    """Return an SVG of (name, times real time, quality) points, speed on a logarithmic axis."""
    speeds, values = [p[1] for p in points], [p[2] for p in points]
    low, high = math.floor(math.log10(min(speeds))), math.ceil(math.log10(max(speeds)) + 1e-9)
    high = max(high, low + 1)
    margin = 0.1 * (max(values) - min(values)) or 0.5
    bottom, top = min(values) - margin, max(values) + margin

    def x(speed: float) -> float:
        return _LEFT + (math.log10(speed) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - bottom) / (top - bottom) * (_HEIGHT - _BOTTOM - _TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<title>{escape(quality)} against speed</title><rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(f'<line x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{_HEIGHT - _BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">{10.0**power:g}</text>')
    for step in range(5):
        value = bottom + (top - bottom) * step / 4
        parts.append(
            f'<line x1="{_LEFT}" y1="{y(value):.1f}" x2="{_WIDTH - _RIGHT}" y2="{y(value):.1f}" stroke="#eee"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 15}" text-anchor="middle">times real time</text>')
    parts.append(
        f'<text x="18" y="{_HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 18 {_HEIGHT / 2})">{escape(quality)}</text>'
    )
    for index, (name, speed, value) in enumerate(points):
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(f'<circle cx="{x(speed):.1f}" cy="{y(value):.1f}" r="6" fill="{colour}"/>')
        # Names go to a list at the side, where near points do not hide each other's.
        line = _TOP + 18 * index
        parts.append(f'<circle cx="{_WIDTH - _RIGHT + 18}" cy="{line}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{_WIDTH - _RIGHT + 30}" y="{line + 4}">{escape(name[-22:])}</text>')
    return "\n".join([*parts, "</svg>", ""])
