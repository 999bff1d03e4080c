"""What all charts share: their frame, axes and legends, as SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ossicle.runs.report.axes import Axis, label
from ossicle.runs.report.sections import Line

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 10, 40
COLOURS = 8
"""How many line colours the page's style has; after them they come again, dashed."""


def style_of(index: int) -> str:
    """Return the CSS classes of the line or legend entry with this number."""
    return f"s{index % COLOURS}" + (" dashed" if index // COLOURS % 2 else "")


def styled(lines: Sequence[Line]) -> list[tuple[Line, str]]:
    """Return each line with its CSS classes."""
    return [(line, style_of(index if line.colour is None else line.colour)) for index, line in enumerate(lines)]


def frame(x: Axis, y: Axis, *, title: str, describe: str, x_label: str, y_label: str, body: Sequence[str]) -> str:
    """Return a chart: `body` between its grid and its frame.

    Parameters
    ----------
    title, describe
        What a screen reader says of it.
    """
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<desc>{escape(describe)}</desc>",
    ]
    for value in y.ticks():
        at = y.place(value)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{label(value)}</text>')
    for value in x.ticks():
        at = x.place(value)
        foot = HEIGHT - BOTTOM
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{foot}" x2="{at:.1f}" y2="{foot + 4}"/>')
        # The last tick's text must not leave the picture.
        anchor = "end" if at > WIDTH - RIGHT - 12 else "middle"
        parts.append(f'<text class="tick" x="{at:.1f}" y="{foot + 16}" text-anchor="{anchor}">{label(value)}</text>')
    parts += body
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{HEIGHT - BOTTOM}"/>')
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{HEIGHT - BOTTOM}" x2="{WIDTH - RIGHT}" y2="{HEIGHT - BOTTOM}"/>')
    names = x_label if not y_label else f"{x_label} (up: {y_label})"
    parts.append(
        f'<text class="tick" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 5}" text-anchor="middle">{escape(names)}</text>'
    )
    return "".join([*parts, "</svg>"])


def horizontal(values: Sequence[float], *, log: bool = False, pad: float = 0.0) -> Axis:
    """Return the axis along the foot of a chart."""
    return Axis.around(values, LEFT, WIDTH - RIGHT, log=log, pad=pad)


def vertical(values: Sequence[float], *, log: bool = False, pad: float = 0.05) -> Axis:
    """Return the axis along the side of a chart; larger is higher."""
    return Axis.around(values, HEIGHT - BOTTOM, TOP, log=log, pad=pad)
