"""What a table of results shows of UnMix-TNS, and what it does not: every claim with its figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from ossicle_unmix_tns.drift.rows import Row, by_seed, corrupted

METHOD = "unmix-tns"
STILL = "unmix-tns-still"
"""The method with its state kept as it is before the first window."""
CORRELATED = ("dirichlet", "sorted", "scenes")
RIVALS = ("tbn", "alpha-bn", "ema-bn", "rbn", "rbn-tuned", "iabn", "unmix-tns-paper")
"""Those that change normalization; LAME and TENT stand beside them in the tables."""


def check_claims(rows: Sequence[Row]) -> dict[str, Any]:
    """Return claims by name: ``holds`` and the figures; a claim whose streams are not there is left out.

    Being ahead of every rival is said of those measured; the others are named.

    Errors are in percent, means over seeds and corruptions.
    """

    def mean(adapter: str, stream: str, clean: bool = False) -> float | None:
        found = by_seed(rows, adapter=adapter, stream=stream, choose=lambda row: corrupted(row) != clean)
        return statistics.fmean(found) if found else None

    claims: dict[str, Any] = {}
    for when, name, stream in (("before any adaptation", STILL, "iid"), ("while it adapts", METHOD, "dirichlet")):
        clean = {adapter: mean(adapter, stream, clean=True) for adapter in ("source", name)}
        if None not in clean.values():
            off = clean[name] - clean["source"]  # type: ignore[operator]
            claims[f"clean error within a point of source {when}"] = {"holds": off <= 1.0, **_rounded(clean)}
    orders = {f"{a}, {s}": mean(a, s) for a in (METHOD, "tbn") for s in ("iid", "dirichlet")}
    if None not in orders.values():
        own = abs(orders[f"{METHOD}, iid"] - orders[f"{METHOD}, dirichlet"])  # type: ignore[operator]
        lost = orders["tbn, dirichlet"] - orders["tbn, iid"]  # type: ignore[operator]
        figures = {**_rounded(orders), "own_difference": round(own, 2), "tbn_loses": round(lost, 2)}
        claims["order matters by 3 points at most where tbn loses 20"] = {"holds": own <= 3 and lost >= 20, **figures}
    if (types := _by_type(rows)) is not None:
        share = sum(own < source for own, source in types.values()) / len(types)
        worse = sorted(name for name, (own, source) in types.items() if own >= source)
        figures = {"share": round(share, 3), "not_better": worse}
        claims["better than source on 80 % of the corruptions"] = {"holds": share >= 0.8, **figures}
    for label, streams in (("at batch 64", CORRELATED), ("at batch 1", ("dirichlet-one",))):
        there = [stream for stream in streams if mean(METHOD, stream) is not None]
        means: dict[str, float] = {}
        for adapter in (METHOD, "source", *RIVALS):
            found = [mean(adapter, stream) for stream in there]
            if there and None not in found:
                means[adapter] = statistics.fmean(value for value in found if value is not None)
        rivals = [value for name, value in means.items() if name not in (METHOD, "source")]
        if METHOD in means and rivals:
            absent = [name for name in RIVALS if name not in means]
            figures = {"streams": there, **_rounded(means), "not_measured": absent}
            claims[f"ahead of every rival on correlated streams {label}"] = {
                "holds": means[METHOD] < min(rivals),
                **figures,
            }
    return claims


def _by_type(rows: Sequence[Row]) -> dict[str, tuple[float, float]] | None:
    """Return (own, source) mean errors by corruption over the correlated streams."""
    own = [row for row in rows if row.stream in CORRELATED and corrupted(row)]
    found = {}
    for name in dict.fromkeys(row.corruption for row in own):
        sides = [[r.error for r in own if (r.corruption, r.adapter) == (name, a)] for a in (METHOD, "source")]
        if all(sides):
            found[name] = (statistics.fmean(sides[0]), statistics.fmean(sides[1]))
    return found or None


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) for name, value in values.items()}
