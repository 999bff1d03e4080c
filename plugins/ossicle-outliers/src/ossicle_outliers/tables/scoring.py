"""Rows of a table scored piece by piece: memory holds a piece, the worst rows, and sixteen bytes a row for the ranks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from ossicle.errors import ConfigError, InputError
from ossicle_outliers.fitted import Fitted
from ossicle_outliers.manifest import Entry, Floats, keeping, ranks_of, strongest_terms
from ossicle_outliers.measures import report
from ossicle_outliers.tables.source import match_columns, open_table, pieces
from ossicle_outliers.tables.writers import writing

RANKED = 10_000_000
"""Rows up to which ranks are made; beyond, a table is scored and kept or left out by the threshold alone."""

_WRITE_AT_ONCE = 2**18


@dataclass(frozen=True)
class TableResult:
    """What became of a table.

    Parameters
    ----------
    rows, left_out
        How many there are, and how many of them are not kept.
    worst
        The rows of the highest scores, the worst first.
    measures
        How well the scores rank a label column, where one was named.
    scores
        Of all rows, (n,), up to `RANKED` of them; else of the worst.
    """

    rows: int
    left_out: int
    worst: tuple[Entry, ...]
    measures: dict[str, float] = field(default_factory=dict)
    scores: Floats = field(default_factory=lambda: np.empty(0))


def score_table(
    fitted: Fitted,
    path: Path,
    output: Path | None = None,
    *,
    start: int = 0,
    stop: int | None = None,
    worst: int = 20,
    drop: float | None = None,
    label: str | None = None,
    rows_at_once: int | None = None,
    ranks: bool = True,
    advance: Callable[[int], None] | None = None,
) -> TableResult:
    """Score a table's rows and write ``row, score, rank, keep`` of each.

    Parameters
    ----------
    output
        CSV, NPZ or Parquet by its suffix; None: nothing is written.
    start, stop
        The stretch of rows to score; None: to the end.
    worst
        How many rows are returned.
    drop
        Share of the rows not to keep, in [0, 1); None: those above the model's threshold are not kept.
    label
        A column of 0 and 1 (1: outlier) to measure the ranking on; it is not scored.
    ranks
        Whether to make ranks, up to `RANKED` rows.
    advance
        Told how many rows are done.

    Raises
    ------
    InputError
        If the table cannot be read, lacks columns, has no row, or a value is no finite number.
    """
    source = open_table(path)
    columns = match_columns(source, fitted.columns, named=fitted.named)
    if label is not None and label not in (*source.columns, *source.extra):
        raise InputError(f"{path} has no column {label!r} to measure on")
    marks: list[Floats] = []
    best = _Worst(worst, len(columns))
    n = start
    with tempfile.TemporaryFile(dir=output.parent if output and output.parent.is_dir() else None) as spool:
        for piece in pieces(source, columns, label=label, rows=rows_at_once, start=start, stop=stop):
            scores = np.asarray(fitted.detector.decision_function(piece.x), np.float64)
            spool.write(scores.tobytes())
            best.add(piece.start, scores, piece.x)
            if piece.y is not None:
                marks.append(piece.y)
            n = piece.start + len(scores)
            if advance:
                advance(n - start)
        count = n - start
        if not count:
            raise InputError(f"{path} has no rows")
        ranked = ranks and count <= RANKED
        if drop is not None and not ranked:
            raise ConfigError(f"{count} rows are too many to leave out a share of", hint="leave --drop out")
        everything = _read(spool, 0, count) if ranked or marks else np.empty(0)
        order = ranks_of(everything) if ranked else None
        left_out = _write(spool, output, order, start, count, fitted.threshold, drop)
        measures = report(everything, np.concatenate(marks)) if marks else {}
    scores, rows, x = best.sorted()
    keep = keeping(scores, np.arange(1, len(scores) + 1), count, threshold=fitted.threshold, drop=drop)
    terms = strongest_terms(fitted.detector, x, columns) if len(x) else []
    entries = tuple(
        Entry(str(path), float(scores[at]), at + 1, bool(keep[at]), terms[at], int(rows[at]))
        for at in range(len(scores))
    )
    return TableResult(count, left_out, entries, measures, everything if len(everything) else scores)


def _write(
    spool: IO[bytes],
    output: Path | None,
    order: npt.NDArray[np.int64] | None,
    start: int,
    count: int,
    threshold: float,
    drop: float | None,
) -> int:
    names = ["row", "score", *(["rank"] if order is not None else []), "keep"]
    left_out = 0
    with writing(output, names) if output else nullcontext(lambda piece: None) as write:
        for at in range(0, count, _WRITE_AT_ONCE):
            scores = _read(spool, at, min(_WRITE_AT_ONCE, count - at))
            piece: dict[str, npt.NDArray[np.generic]] = {"row": np.arange(start + at, start + at + len(scores))}
            piece["score"] = scores
            if order is not None:
                piece["rank"] = order[at : at + len(scores)]
            keep = keeping(scores, piece.get("rank"), count, threshold=threshold, drop=drop)
            left_out += int((~keep).sum())
            write({**piece, "keep": keep})
    return left_out


def _read(spool: IO[bytes], at: int, count: int) -> Floats:
    spool.seek(8 * at)
    return np.frombuffer(spool.read(8 * count), np.float64)


class _Worst:
    """The rows of the highest scores so far."""

    def __init__(self, size: int, width: int) -> None:
        self._size = size
        self._scores = np.empty(0)
        self._rows = np.empty(0, np.int64)
        self._x = np.empty((0, width))

    def add(self, start: int, scores: Floats, x: Floats) -> None:
        if self._size == 0:
            return
        floor = self._scores.min() if len(self._scores) == self._size else -np.inf
        new = np.flatnonzero(scores > floor)
        self._scores = np.concatenate([self._scores, scores[new]])
        self._rows = np.concatenate([self._rows, start + new])
        self._x = np.concatenate([self._x, x[new]])
        order = self._order()[: self._size]
        self._scores, self._rows, self._x = self._scores[order], self._rows[order], self._x[order]

    def sorted(self) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
        return self._scores, self._rows, self._x

    def _order(self) -> npt.NDArray[np.int64]:
        return np.lexsort((self._rows, -self._scores))
