"""Pictures of a recipe's results, as SVG: errors with intervals, and tables of shares as heat maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_FONT = 'font-family="sans-serif" font-size="13"'
_BLUE, _GREY = "#0b6e99", "#64748b"


@dataclass(frozen=True)
class Errors:
    """A line of the picture of errors: shares in [0, 1].

    Parameters
    ----------
    name
        The method.
    mean, low, high
        Its error and the ends of the interval.
    runs
        The error of each run.
    """

    name: str
    mean: float
    low: float
    high: float
    runs: Sequence[float]


def errors_figure(rows: Sequence[Errors], title: str) -> str:
    """Return a line a method: the mean as a dot on its interval, and a small circle for every run."""
    left, right, top, line, width = 210, 30, 40, 30, 720
    height = top + line * len(rows) + 50
    highest = max([row.high for row in rows] + [value for row in rows for value in row.runs])
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if highest / s <= 8 or s == 0.5)
    end = max(step, math.ceil(highest / step) * step)

    def x(share: float) -> float:
        return left + share / end * (width - left - right)

    bottom = top + line * len(rows)
    parts = [*_begin(width, height, title), f'<text x="{left}" y="22" font-weight="bold">{escape(title)}</text>']
    for tick in range(round(end / step) + 1):
        at = x(tick * step)
        parts.append(f'<line x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{100 * tick * step:g}</text>')
    parts.append(f'<text x="{(left + width - right) / 2}" y="{bottom + 40}" text-anchor="middle">error, %</text>')
    for at, row in enumerate(rows):
        y = top + line * (at + 0.5)
        parts.append(f'<text x="{left - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(row.name)}</text>')
        for value in row.runs:
            parts.append(f'<circle cx="{x(value):.1f}" cy="{y:.1f}" r="3.5" fill="none" stroke="{_GREY}"/>')
        ends = f'x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        parts.append(f'<line {ends} stroke="{_BLUE}" stroke-width="3" stroke-linecap="round" opacity="0.6"/>')
        parts.append(f'<circle cx="{x(row.mean):.1f}" cy="{y:.1f}" r="5.5" fill="{_BLUE}"/>')
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True)
class HeatMap:
    """A table of shares: the darker a cell, the nearer to 1.

    Parameters
    ----------
    title
        What it shows.
    rows, columns
        Names of its lines and columns.
    shares
        A share in [0, 1] for every cell, None where there is none.
    texts
        What stands in each cell.
    side, below
        What lines and columns are.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    shares: Sequence[Sequence[float | None]]
    texts: Sequence[Sequence[str]]
    side: str = ""
    below: str = ""


def heat_maps(maps: Sequence[HeatMap]) -> str:
    """Return heat maps, one below the other."""
    columns = max(len(m.columns) for m in maps)
    cell = max(11, min(36, 620 // max(columns, 1)))
    left = 40 + 7 * max(len(name) for m in maps for name in m.rows)
    foot = 34 + 7 * max(len(name) for m in maps for name in m.columns)
    width = left + max(cell * columns, max(8 * len(m.title) for m in maps)) + 30
    tall = [50 + cell * len(m.rows) + foot for m in maps]
    parts = _begin(width, sum(tall), maps[0].title)
    top = 0
    for m, height in zip(maps, tall, strict=True):
        parts += _heat_map(m, left, top + 50, cell, foot)
        top += height
    return "\n".join([*parts, "</svg>", ""])


def _heat_map(m: HeatMap, left: int, top: int, cell: int, foot: int) -> list[str]:
    parts = [f'<text x="{left}" y="{top - 24}" font-weight="bold">{escape(m.title)}</text>']
    for i, name in enumerate(m.rows):
        y = top + cell * i
        parts.append(f'<text x="{left - 6}" y="{y + cell / 2 + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        for j, share in enumerate(m.shares[i]):
            x = left + cell * j
            fill = "#f1f5f9" if share is None else _shade(share)
            parts.append(
                f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{fill}" stroke="#cbd5e1" stroke-width="0.5"/>'
            )
            if cell >= 22 and m.texts[i][j]:
                ink = "white" if share is not None and share > 0.55 else "#0f172a"
                at = f'x="{x + cell / 2:.1f}" y="{y + cell / 2 + 4:.1f}"'
                parts.append(
                    f'<text {at} text-anchor="middle" font-size="11" fill="{ink}">{escape(m.texts[i][j])}</text>'
                )
    bottom = top + cell * len(m.rows)
    for j, name in enumerate(m.columns):
        middle, foot_y = left + cell * (j + 0.5) + 4, bottom + 8
        turned = f'text-anchor="end" transform="rotate(-90 {middle:.1f} {foot_y})"'
        parts.append(f'<text x="{middle:.1f}" y="{foot_y}" {turned}>{escape(name)}</text>')
    if m.below:
        middle = left + cell * len(m.columns) / 2
        parts.append(f'<text x="{middle:.1f}" y="{bottom + foot - 8}" text-anchor="middle">{escape(m.below)}</text>')
    if m.side:
        middle = top + cell * len(m.rows) / 2
        turned = f'text-anchor="middle" transform="rotate(-90 14 {middle:.1f})"'
        parts.append(f'<text x="14" y="{middle:.1f}" {turned}>{escape(m.side)}</text>')
    return parts


def _begin(width: int, height: int, title: str) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT}>',
        f'<title>{escape(title)}</title><rect width="{width}" height="{height}" fill="white"/>',
    ]


def _shade(share: float) -> str:
    white, dark = (255, 255, 255), (8, 69, 110)
    weight = min(1.0, max(0.0, share))
    return "#" + "".join(f"{round(a + weight * (b - a)):02x}" for a, b in zip(white, dark, strict=True))
