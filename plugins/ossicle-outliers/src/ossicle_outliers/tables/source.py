"""What every table offers: names of its numeric columns, and rows in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ossicle.errors import InputError, UsageError

Floats = npt.NDArray[np.float64]

SUFFIXES = (".csv", ".tsv", ".npz", ".npy", ".parquet")
"""Suffixes that a folder is searched for."""

_VALUES_AT_ONCE = 2**21
_ROWS_AT_ONCE = 2**16


class Source(Protocol):
    """A table on the disk.

    `columns` are the numeric ones in their order, `left_out` those of text; `named` tells whether the file gives names, or they are
    mere numbers; `extra` are columns that can be labels but are no part of the matrix; `n_rows` is None where only reading tells.
    """

    path: Path
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    extra: tuple[str, ...]
    named: bool

    @property
    def n_rows(self) -> int | None:
        """Number of rows."""
        ...

    def read(self, columns: Sequence[str], rows: int, start: int = 0, stop: int | None = None) -> Iterator[Floats]:
        """Yield pieces (n, len(columns)) of at most `rows` rows, of the rows from `start` to before `stop`."""
        ...


@dataclass(frozen=True)
class Piece:
    """Consecutive rows: number of the first, matrix (n, D) float64, labels (n,) if asked for."""

    start: int
    x: Floats
    y: Floats | None


def open_table(path: Path) -> Source:
    """Return a table; what kind it is of, its suffix says.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, or has no numeric column.
    MissingPackageError
        If it is Parquet and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is no table that can be read", hint=f"use {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty", why="it has 0 bytes")
    source: Source
    # Imported by suffix: nobody needs pyarrow for a CSV file.
    if suffix == ".parquet":
        from ossicle_outliers.tables.parquet_file import ParquetFile

        source = ParquetFile(path)
    elif suffix in (".npz", ".npy"):
        from ossicle_outliers.tables.numpy_file import NumpyFile

        source = NumpyFile(path)
    else:
        from ossicle_outliers.tables.csv_file import CsvFile

        source = CsvFile(path)
    if not source.columns:
        raise InputError(f"{path} has no column of numbers", why=f"it has {', '.join(source.left_out) or 'nothing'}")
    return source


def choose_columns(
    source: Source, *, columns: Sequence[str] | None = None, label: str | None = None
) -> tuple[str, ...]:
    """Return the columns to fit on: those named, else all numeric ones but the label.

    Raises
    ------
    UsageError
        If a name is not there, or nothing is left.
    """
    known = (*source.columns, *source.extra)
    for name in (*(columns or ()), *((label,) if label else ())):
        if name not in known:
            why = "it is not numeric" if name in source.left_out else f"it has {_few(known)}"
            raise UsageError(f"{source.path} has no column {name!r} to use", why=why)
    chosen = tuple(columns) if columns else tuple(name for name in source.columns if name != label)
    if not chosen:
        raise UsageError(f"no column of {source.path} is left to fit on")
    return chosen


def match_columns(source: Source, wanted: Sequence[str], *, named: bool) -> tuple[str, ...]:
    """Return a table's columns that a model was fitted on: by name where both have names, else by place.

    Raises
    ------
    InputError
        If a column is missing or, by place, their numbers differ.
    """
    if named and source.named:
        missing = [name for name in wanted if name not in source.columns]
        if missing:
            why = f"{_few(missing)} of {len(wanted)} are missing; it has {_few(source.columns)}"
            raise InputError(f"{source.path} lacks columns that the model was fitted on", why=why)
        return tuple(wanted)
    if len(source.columns) != len(wanted):
        raise InputError(
            f"{source.path} has {len(source.columns)} columns of numbers",
            why=f"the model was fitted on {len(wanted)}, and without names they go by place",
        )
    return source.columns


def pieces(
    source: Source,
    columns: Sequence[str],
    *,
    label: str | None = None,
    rows: int | None = None,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[Piece]:
    """Yield a table's rows in pieces of bounded memory.

    Parameters
    ----------
    rows
        Rows at most a piece; None: as many as hold two million values, 65,536 at most.

    Raises
    ------
    InputError
        If a value is missing or not finite: row and column are named, rows counted from 0 below the header.
    """
    wanted = (*columns, *((label,) if label else ()))
    size = rows or max(1, min(_ROWS_AT_ONCE, _VALUES_AT_ONCE // max(1, len(wanted))))
    at = start
    for block in source.read(wanted, size, start, stop):
        bad = ~np.isfinite(block)
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            value = block[row, column]
            raise InputError(
                f"{source.path}: row {at + row}, column {wanted[column]!r} is {'missing or NaN' if np.isnan(value) else value}",
                why=f"{int(bad.sum())} values of these {len(block)} rows are no finite numbers",
                hint="fill them in, or leave the rows or the column out",
            )
        yield Piece(at, block[:, : len(columns)], block[:, -1] if label else None)
        at += len(block)


def read_all(
    source: Source, columns: Sequence[str], *, label: str | None = None, max_rows: int | None = None, seed: int = 0
) -> tuple[Floats, Floats | None, int]:
    """Return matrix, labels and the number of rows seen; with `max_rows` a uniform sample of the rows, in their order.

    The sample is a reservoir (Vitter, "Random sampling with a reservoir", 1985, algorithm R), so that memory is that of the sample.

    Raises
    ------
    InputError
        If there is no row, or a value is no finite number.
    """
    draw = np.random.default_rng(seed)
    kept: list[Floats] = []
    reservoir = np.empty((0, 0))
    numbers = np.empty(0, np.int64)
    seen = 0
    for piece in pieces(source, columns, label=label):
        block = piece.x if piece.y is None else np.column_stack([piece.x, piece.y])
        if max_rows is None:
            kept.append(block)
        else:
            if not reservoir.size:
                reservoir, numbers = np.empty((max_rows, block.shape[1])), np.full(max_rows, -1)
            free = max(0, min(max_rows - seen, len(block)))
            reservoir[seen : seen + free], numbers[seen : seen + free] = block[:free], np.arange(seen, seen + free)
            index = np.arange(seen + free, seen + len(block))
            places = np.floor(draw.random(len(index)) * (index + 1)).astype(np.int64)
            # Where two rows of a piece take one place the later one stays, as it would one by one.
            taken = places < max_rows
            reservoir[places[taken]], numbers[places[taken]] = block[free:][taken], index[taken]
        seen += len(block)
    if not seen:
        raise InputError(f"{source.path} has no rows")
    if max_rows is None:
        data = np.concatenate(kept)
    else:
        order = np.argsort(numbers[: min(seen, max_rows)])
        data = reservoir[: min(seen, max_rows)][order]
    return (data, None, seen) if label is None else (data[:, :-1], data[:, -1], seen)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
