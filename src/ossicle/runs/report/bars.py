"""Histograms: how values are spread, group beside group."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from html import escape

from ossicle.runs.report.axes import Axis
from ossicle.runs.report.drawing import BOTTOM, HEIGHT, TOP, frame, horizontal, style_of, vertical
from ossicle.runs.report.numbers import shown
from ossicle.runs.report.sections import Histogram


def draw_histogram(histogram: Histogram) -> str:
    """Return a histogram as SVG: of each group the share of its values in each bin, so that groups of any size compare."""
    groups = {name: finite(values) for name, values in histogram.groups.items()}
    everything = [value for values in groups.values() for value in values]
    if not everything:
        return '<p class="empty">no value that is a number</p>'
    edges = bin_edges(min(everything), max(everything), histogram.bins)
    threshold = histogram.threshold
    x = horizontal([edges[0], edges[-1], *([] if threshold is None else [threshold])], pad=0.02)
    shares = {name: bin_shares(values, edges) for name, values in groups.items()}
    y = vertical([0.0, max(100 * share for bins in shares.values() for share in bins)], pad=0.0)
    body: list[str] = []
    for index, (name, bins) in enumerate(shares.items()):
        body += _steps(name, bins, len(groups[name]), edges, x, y, style_of(index))
    if threshold is not None:
        at = f"{x.place(threshold):.1f}"
        body.append(
            f'<line class="mark" x1="{at}" y1="{TOP}" x2="{at}" y2="{HEIGHT - BOTTOM}">'
            f"<title>threshold {shown(threshold)}</title></line>"
        )
    counts = "; ".join(f"{name}: {len(values)} values" for name, values in groups.items())
    describe = f"{counts}; from {shown(min(everything))} to {shown(max(everything))}"
    return frame(
        x, y, title=histogram.title, describe=describe, x_label=histogram.x_label, y_label="% of the group", body=body
    )


def finite(values: Iterable[float | None]) -> list[float]:
    """Return the values that are finite numbers."""
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def bin_edges(low: float, high: float, bins: int) -> list[float]:
    """Return the edges of equal bins; where all values are one, of one bin around it."""
    if high > low:
        return [low + (high - low) * index / bins for index in range(bins)] + [high]
    half = abs(low) / 20 or 0.5
    return [low - half, low + half]


def bin_shares(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    """Return the share of values in each bin; an upper edge belongs to the next bin, the last one to the last."""
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect_right(edges, value) - 1, 0), len(counts) - 1)] += 1
    return [count / len(values) for count in counts] if values else []


def _steps(
    name: str, bins: Sequence[float], of: int, edges: Sequence[float], x: Axis, y: Axis, style: str
) -> list[str]:
    if not bins:
        return []
    foot = y.place(0)
    places = [f"{x.place(edges[0]):.1f},{foot:.1f}"]
    tips = []
    for share, start, end in zip(bins, edges, edges[1:], strict=False):
        left, right, top = x.place(start), x.place(end), y.place(100 * share)
        places += [f"{left:.1f},{top:.1f}", f"{right:.1f},{top:.1f}"]
        if share:
            tips.append(
                f'<rect class="tip" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{foot - top:.1f}">'
                f"<title>{escape(name)}: {round(share * of)} of {of} from {shown(start)} to {shown(end)}</title></rect>"
            )
    places.append(f"{x.place(edges[-1]):.1f},{foot:.1f}")
    return [f'<polygon class="area {style}" points="{" ".join(places)}"/>', *tips]
