"""A table of results in Markdown: adapters down, streams across, means over corruptions with their spread over seeds."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from ossicle_unmix_tns.drift.claims import CORRELATED
from ossicle_unmix_tns.drift.rows import Row, by_seed, corrupted, read_rows


def markdown(rows: Sequence[Row]) -> str:
    """Return the table: clean error and error on corrupted sound of every stream, in percent.

    ``correlated`` is the mean over the Dirichlet, sorted and scene streams at the full batch, where all of them are there; the
    adapter with the least error of a column is in bold.
    """
    streams = list(dict.fromkeys(row.stream for row in rows))
    adapters = list(dict.fromkeys(row.adapter for row in rows))
    first = streams[0] if streams else ""
    columns: list[tuple[str, dict[str, list[float]]]] = [
        (f"clean, {first}", {a: by_seed(rows, adapter=a, stream=first, choose=_clean) for a in adapters}),
        *((s, {a: by_seed(rows, adapter=a, stream=s, choose=corrupted) for a in adapters}) for s in streams),
    ]
    if set(CORRELATED) <= set(streams):
        by_stream = dict(columns)
        joint = {a: _means([by_stream[s][a] for s in CORRELATED]) for a in adapters}
        columns.insert(1 + len(CORRELATED), ("correlated", joint))
    lines = [f"| adapter | {' | '.join(name for name, _ in columns)} |", "| --- |" + " --- |" * len(columns)]
    least = [min((statistics.fmean(v) for v in values.values() if v), default=0.0) for _, values in columns]
    for adapter in adapters:
        cells = [_cell(values[adapter], best) for (_, values), best in zip(columns, least, strict=True)]
        lines.append(f"| {adapter} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _clean(row: Row) -> bool:
    return not corrupted(row)


def _means(streams: Sequence[Sequence[float]]) -> list[float]:
    """Return means over streams, seed by seed; nothing where a stream has not all seeds."""
    if len({len(s) for s in streams}) != 1:
        return []
    return [statistics.fmean(values) for values in zip(*streams, strict=True)]


def _cell(values: Sequence[float], least: float) -> str:
    if not values:
        return ""
    mean = statistics.fmean(values)
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    text = f"{mean:.1f}{spread}"
    return f"**{text}**" if mean == least else text


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table of a ``results.csv``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="a drift recipe's results.csv")
    parser.add_argument("--streams", help="only these, in this order, separated by commas")
    given = parser.parse_args(argv)
    rows = read_rows(given.results)
    if given.streams:
        wanted = given.streams.split(",")
        rows = sorted((row for row in rows if row.stream in wanted), key=lambda row: wanted.index(row.stream))
    print(markdown(rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
