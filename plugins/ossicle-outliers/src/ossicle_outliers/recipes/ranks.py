"""Methods over many data sets: mean ranks, Friedman's test, Nemenyi's critical difference, and the figure of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from ossicle.errors import ConfigError


@dataclass(frozen=True)
class Ranking:
    """Methods by mean rank, 1 the best.

    Parameters
    ----------
    names, ranks
        Of the methods, in the order given.
    critical
        Nemenyi's critical difference of mean ranks.
    p
        Friedman's: the chance of such ranks if all methods were alike (F statistic of Iman and Davenport).
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    critical: float
    p: float


def rank_methods(names: Sequence[str], values: npt.ArrayLike, *, level: float = 0.05) -> Ranking:
    """Return the mean ranks of methods by values (sets, methods), higher = better; equal values share their mean rank.

    Source: Demšar, "Statistical comparisons of classifiers over multiple data sets" (2006), sections 3.2.2 and 3.2.4.

    Raises
    ------
    ConfigError
        If there are not two methods and two sets at least.
    """
    from scipy import stats

    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or table.shape[1] != len(names):
        raise ConfigError(
            f"values of shape {table.shape} for {len(names)} methods", why="two sets and two methods at least"
        )
    sets, methods = table.shape
    mean = stats.rankdata(-table, axis=1).mean(axis=0)
    chi = 12 * sets / (methods * (methods + 1)) * ((mean**2).sum() - methods * (methods + 1) ** 2 / 4)
    rest = sets * (methods - 1) - chi
    p = float(stats.f.sf((sets - 1) * chi / rest, methods - 1, (methods - 1) * (sets - 1))) if rest > 1e-9 else 0.0
    spread = math.sqrt(methods * (methods + 1) / (6 * sets))
    critical = float(stats.studentized_range.ppf(1 - level, methods, np.inf)) / math.sqrt(2) * spread
    return Ranking(tuple(names), tuple(mean.tolist()), critical, p)


def groups(ranking: Ranking) -> list[tuple[float, float]]:
    """Return the widest stretches of mean ranks that no test tells apart, each of two methods at least."""
    ordered = sorted(ranking.ranks)
    found: list[tuple[float, float]] = []
    for first in ordered:
        last = max(rank for rank in ordered if rank - first <= ranking.critical)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def critical_difference_svg(ranking: Ranking, title: str) -> str:
    """Return the figure: methods on an axis of mean ranks, the best at the left; a bar joins those that no test tells apart."""
    order = np.argsort(ranking.ranks, kind="stable")
    methods, bars = len(order), groups(ranking)
    half = (methods + 1) // 2
    width, left, right, axis = 820, 190, 190, 74
    below = axis + 16 + 9 * len(bars)
    height = below + 22 * half + 14

    def x(rank: float) -> float:
        return left + (rank - 1) / max(1, methods - 1) * (width - left - right)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f'<title>{escape(title)}</title><rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{width / 2}" y="18" text-anchor="middle">{escape(title)}</text>',
        _line(x(1), axis, x(methods), axis),
    ]
    for rank in range(1, methods + 1):
        parts.append(_line(x(rank), axis - 5, x(rank), axis))
        parts.append(f'<text x="{x(rank):.1f}" y="{axis - 10}" text-anchor="middle">{rank}</text>')
    parts.append(_line(x(1), 34, x(1 + min(ranking.critical, methods - 1)), 34, 3))
    parts.append(f'<text x="{x(1)}" y="50">critical difference {ranking.critical:.2f}</text>')
    for at, (first, last) in enumerate(bars):
        parts.append(_line(x(first) - 3, axis + 10 + 9 * at, x(last) + 3, axis + 10 + 9 * at, 5))
    for place, method in enumerate(order):
        rank, name = ranking.ranks[method], escape(ranking.names[method])
        early = place < half
        # The outermost names lie highest, so that no two lines cross.
        y = below + 22 * (place if early else methods - 1 - place) + 8
        end = left - 8 if early else width - right + 8
        parts.append(
            f'<polyline points="{x(rank):.1f},{axis} {x(rank):.1f},{y} {end},{y}" fill="none" stroke="#41618a"/>'
        )
        anchor, at_x = ("end", end - 5) if early else ("start", end + 5)
        parts.append(f'<text x="{at_x}" y="{y + 4}" text-anchor="{anchor}">{name} ({rank:.2f})</text>')
    return "\n".join([*parts, "</svg>", ""])


def _line(x1: float, y1: float, x2: float, y2: float, thick: float = 1.5) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}" stroke="#1c2430" stroke-width="{thick}"/>'
