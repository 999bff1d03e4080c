"""Confusion matrices: drawn, and told class by class."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ossicle.runs.report.sections import Confusion, Table, Value

_WRITTEN = 20
"""Up to so many classes, counts are written into the cells; beyond, they are in the cells' tips."""
_FITS = 12
"""Up to so many classes, a matrix is drawn smaller where it would not fit a phone; beyond, it is scrolled."""
_CHARACTER = 7.0


def draw_confusion(confusion: Confusion) -> str:
    """Return a matrix as SVG: rows are true classes, columns answers, a cell as strong as its share of the row."""
    labels, size = [str(name) for name in confusion.labels], len(confusion.labels)
    if not size:
        return '<p class="empty">no class</p>'
    cell = 30 if size <= _WRITTEN else 15
    names = [_short(name) for name in labels]
    left = round(max(len(name) for name in names) * _CHARACTER) + 12
    side = size * cell
    width, height = left + side + 10, side + left + 28
    right = sum(confusion.counts[i][i] for i in range(size))
    total = sum(sum(row) for row in confusion.counts)
    parts = [
        f'<svg class="matrix{" fits" if size <= _FITS else ""}" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(confusion.title)}">',
        f"<desc>{right} of {total} on the diagonal; rows are true classes, columns answers</desc>",
        f'<text class="tick" x="{left + side / 2}" y="{height - 6}" text-anchor="middle">answer</text>',
    ]
    for row, counts in enumerate(confusion.counts):
        top = row * cell + 4
        parts.append(
            f'<text class="tick" x="{left - 6}" y="{top + cell / 2 + 4}" text-anchor="end">{escape(names[row])}'
            f"<title>{escape(labels[row])}</title></text>"
        )
        at = (left + row * cell + cell / 2 + 4, side + 10)
        parts.append(
            f'<text class="tick" transform="translate({at[0]} {at[1]}) rotate(-90)" text-anchor="end">'
            f"{escape(names[row])}<title>{escape(labels[row])}</title></text>"
        )
        parts += [_cell(labels, counts, row, column, left + column * cell, top, cell) for column in range(size)]
    return "".join([*parts, "</svg>"])


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"


def _cell(labels: list[str], counts: Sequence[int], row: int, column: int, x: float, y: float, size: int) -> str:
    count, of = counts[column], sum(counts)
    share = count / of if of else 0.0
    # A few errors in a hundred must be seen at once: even the faintest cell with a count stands out from an empty one.
    strength = 0.8 * (0.15 + 0.85 * share) if count else 0.0
    kind = "hit" if row == column else "miss"
    tip = f"{labels[row]} answered as {labels[column]}: {count} of {of} ({100 * share:.1f} %)"
    text = ""
    if len(labels) <= _WRITTEN and count:
        text = f'<text class="count" x="{x + size / 2}" y="{y + size / 2 + 4}" text-anchor="middle">{count}</text>'
    return (
        f'<g><title>{escape(tip)}</title><rect class="cell" x="{x}" y="{y}" width="{size}" height="{size}"/>'
        + (
            f'<rect class="{kind}" x="{x}" y="{y}" width="{size}" height="{size}" fill-opacity="{strength:.3f}"/>'
            if count
            else ""
        )
        + f"{text}</g>"
    )


def per_class(confusion: Confusion) -> Table:
    """Return recall, precision, F1 and the commonest mistake of every class."""
    labels, counts = confusion.labels, confusion.counts
    rows: list[list[Value]] = []
    for index, label in enumerate(labels):
        right, clips = counts[index][index], sum(counts[index])
        answered = sum(row[index] for row in counts)
        others = [(count, labels[at]) for at, count in enumerate(counts[index]) if at != index and count]
        often, name = max(others, key=lambda other: other[0], default=(0, ""))
        rows.append(
            [
                str(label),
                clips,
                right,
                right / clips if clips else None,
                right / answered if answered else None,
                2 * right / (clips + answered) if clips + answered else None,
                f"{name} ({often})" if often else None,
            ]
        )
    columns = ("class", "clips", "right", "recall", "precision", "F1", "mostly taken for")
    return Table(f"{confusion.title}, class by class", columns, rows)
