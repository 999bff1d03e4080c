"""Rows of a drift recipe's results: written, read, chosen from."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ossicle_unmix_tns.streams.protocol import CLEAN

COLUMNS = (
    "seed",
    "stream",
    "batch_size",
    "adapter",
    "corruption",
    "severity",
    "windows",
    "error",
    "over_stream",
    "protocol",
)


@dataclass(frozen=True)
class Row:
    """One adapter's errors, in percent, on one domain of one stream of one seed."""

    seed: int
    stream: str
    batch_size: int
    adapter: str
    corruption: str
    severity: int
    windows: int
    error: float
    over_stream: tuple[float, ...]
    protocol: str

    def cells(self) -> list[str]:
        """Return what stands in the file."""
        pieces = " ".join(f"{value:.2f}" for value in self.over_stream)
        head = [self.seed, self.stream, self.batch_size, self.adapter, self.corruption, self.severity, self.windows]
        return [*map(str, head), f"{self.error:.3f}", pieces, self.protocol]

    @classmethod
    def of(cls, cells: dict[str, str]) -> Row:
        """Return the row that `cells` wrote."""
        return cls(
            int(cells["seed"]),
            cells["stream"],
            int(cells["batch_size"]),
            cells["adapter"],
            cells["corruption"],
            int(cells["severity"]),
            int(cells["windows"]),
            float(cells["error"]),
            tuple(float(value) for value in cells["over_stream"].split()),
            cells["protocol"],
        )


@dataclass(frozen=True)
class Summary:
    """An adapter's errors on a stream, in percent: means over domains and seeds; `clean` None where none was heard.

    `spread` is the standard deviation of the seeds' means; 0 of one seed.
    """

    stream: str
    batch_size: int
    adapter: str
    seeds: int
    clean: float | None
    corrupted: float
    spread: float


def read_rows(file: Path) -> list[Row]:
    """Return a results file's rows; none where there is no file."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as text:
        return [Row.of(cells) for cells in csv.DictReader(text)]


def corrupted(row: Row) -> bool:
    """Return whether a row is of a corruption."""
    return (row.corruption, row.severity) != CLEAN


def by_seed(rows: Sequence[Row], *, adapter: str, stream: str, choose: Callable[[Row], bool]) -> list[float]:
    """Return an adapter's mean error over the rows chosen of a stream, one value a seed."""
    own = [row for row in rows if row.adapter == adapter and row.stream == stream and choose(row)]
    seeds = sorted({row.seed for row in own})
    return [statistics.fmean(row.error for row in own if row.seed == seed) for seed in seeds]


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """Return a summary of each stream and adapter, in the order in which they come; those without corrupted sound are left out."""
    found = []
    adapters = list(dict.fromkeys(row.adapter for row in rows))
    for stream in dict.fromkeys(row.stream for row in rows):
        size = next(row.batch_size for row in rows if row.stream == stream)
        for adapter in adapters:
            means = by_seed(rows, adapter=adapter, stream=stream, choose=corrupted)
            if not means:
                continue
            clean = by_seed(rows, adapter=adapter, stream=stream, choose=lambda row: not corrupted(row))
            spread = statistics.stdev(means) if len(means) > 1 else 0.0
            own = statistics.fmean(clean) if clean else None
            found.append(Summary(stream, size, adapter, len(means), own, statistics.fmean(means), spread))
    return found
