"""Line charts: how something went over steps or samples."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from ossicle.runs.report.axes import Axis
from ossicle.runs.report.drawing import BOTTOM, HEIGHT, TOP, frame, horizontal, styled, vertical
from ossicle.runs.report.numbers import shown
from ossicle.runs.report.sections import Chart, Line

POINTS = 600
"""Points that a line is drawn with: more than a screen has columns would only make the page slow."""
_TIPS = 40


def draw_lines(chart: Chart) -> str:
    """Return a chart as SVG; its scale is logarithmic where values are above zero and span more than a factor of 50."""
    lines = [thin(line.points) for line in chart.lines]
    values = [y for points in lines for _, y in points if y is not None]
    if not values:
        return '<p class="empty">no value that is a number</p>'
    # Dots alone would sit on the frame.
    pad = 0.0 if any(len(points) > 1 for points in lines) else 0.08
    places = [x for points in lines for x, _ in points]
    x = horizontal(places, log=chart.x_log and min(places) > 0, pad=pad)
    y = vertical(values, log=min(values) > 0 and max(values) > 50 * min(values))
    body = _marks(chart.marks, x)
    for (line, style), points in zip(styled(chart.lines), lines, strict=True):
        body += _line(line, points, x, y, style)
    ends = "; ".join(f"{line.name} ends at {shown(_last(line))}" for line in chart.lines)
    describe = f"{ends}; between {shown(min(values))} and {shown(max(values))}"
    return frame(x, y, title=chart.title, describe=describe, x_label=chart.x_label, y_label=chart.y_label, body=body)


def thin(points: list[tuple[float, float | None]], most: int = POINTS) -> list[tuple[float, float | None]]:
    """Return at most so many points: of each stretch its lowest and its highest, so that no peak is lost."""
    if len(points) <= most:
        return points
    size = -(-len(points) // (most // 2))
    kept = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        known = [point for point in stretch if point[1] is not None]
        if known:
            ends = {min(known, key=_height), max(known, key=_height)}
            kept += sorted(ends, key=lambda point: point[0])
        else:
            kept.append(stretch[0])
    return kept


def _height(point: tuple[float, float | None]) -> float:
    return point[1] or 0.0


def _last(line: Line) -> float | None:
    return next((y for _, y in reversed(line.points) if y is not None), None)


def _marks(marks: Sequence[tuple[float, str]], x: Axis) -> list[str]:
    parts = []
    for at, name in marks:
        if x.low <= at <= x.high:
            place = f"{x.place(at):.1f}"
            parts.append(
                f'<line class="mark" x1="{place}" y1="{TOP}" x2="{place}" y2="{HEIGHT - BOTTOM}">'
                f"<title>{escape(name)}, from {shown(at)} on</title></line>"
            )
    return parts


def _line(line: Line, points: list[tuple[float, float | None]], x: Axis, y: Axis, style: str) -> list[str]:
    parts = []
    for known, run in groupby(points, key=lambda point: point[1] is not None):
        if not known:
            continue
        places = [f"{x.place(a):.1f},{y.place(b):.1f}" for a, b in run if b is not None]
        # A line through one point cannot be seen; its dot can.
        if len(places) > 1:
            parts.append(f'<polyline class="line {style}" points="{" ".join(places)}"/>')
    seen = [(a, b) for a, b in points if b is not None]
    every = -(-len(seen) // _TIPS) or 1
    chosen = [*seen[:-1:every], *seen[-1:]]
    radius = 5 if len(seen) == 1 else 2
    parts += [
        f'<circle class="dot {style}" cx="{x.place(a):.1f}" cy="{y.place(b):.1f}" r="{radius}">'
        f"<title>{escape(line.name)}: {shown(b)} at {shown(a)}</title></circle>"
        for a, b in chosen
    ]
    return parts
