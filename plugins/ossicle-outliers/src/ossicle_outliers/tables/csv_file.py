"""CSV and TSV files, with or without a header, in pieces."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ossicle.errors import InputError
from ossicle_outliers.tables.source import Floats

_LOOK_AT = 1000


class CsvFile:
    """A text table, with a header or without.

    The first line is a header if it has a word above a column of numbers, or no number at all, or counts 0, 1, 2, ... as pandas does.
    A column counts as numeric if its first thousand values are numbers or missing (an empty cell, ``NA`` or ``nan``); one without a
    name, which is how pandas writes an index, is left out.
    """

    extra: tuple[str, ...] = ()
    n_rows: int | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with self._open() as file:
                first = list(itertools.islice(self._rows(file), _LOOK_AT + 1))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path} is no text table", why=str(error)) from error
        if not first:
            raise InputError(f"{path} has no rows")
        width = len(first[0])
        cells = [cell.strip() for cell in first[0]]
        below = [_is_numeric(first[1:], at) for at in range(width)]
        words = [_number(cell) is None for cell in cells]
        counts = cells == [str(at) for at in range(width)] or cells == ["", *(str(at) for at in range(width - 1))]
        self.named = counts or all(w or not c for w, c in zip(words, cells, strict=True)) or _any_both(words, below)
        self._names = tuple(cells) if self.named else tuple(map(str, range(width)))
        if twice := sorted({name for name in self._names if self._names.count(name) > 1}):
            raise InputError(f"{path} has two columns called {twice[0]!r}", hint="rename one")
        numeric = below if self.named else [_is_numeric(first, at) for at in range(width)]
        self.columns = tuple(n for n, ok in zip(self._names, numeric, strict=True) if ok and n)
        self.left_out = tuple(n or "(no name)" for n, ok in zip(self._names, numeric, strict=True) if not (ok and n))

    def _open(self):  # type: ignore[no-untyped-def]
        return self.path.open(newline="", encoding="utf-8-sig")

    def _rows(self, file: Iterator[str]) -> Iterator[list[str]]:
        delimiter = "\t" if self.path.suffix.lower() == ".tsv" else ","
        return (row for row in csv.reader(file, delimiter=delimiter) if row)

    def read(self, columns: Sequence[str], rows: int, start: int = 0, stop: int | None = None) -> Iterator[Floats]:
        """Yield pieces (n, len(columns)); a missing value becomes NaN.

        Raises
        ------
        InputError
            If a row is too short or a cell is no number: both are named.
        """
        places = [self._names.index(name) for name in columns]
        with self._open() as file:
            body = itertools.islice(
                self._rows(file), int(self.named) + start, None if stop is None else int(self.named) + stop
            )
            at = start
            while chunk := list(itertools.islice(body, rows)):
                yield self._numbers(chunk, places, columns, at)
                at += len(chunk)

    def _numbers(self, chunk: list[list[str]], places: list[int], columns: Sequence[str], at: int) -> Floats:
        try:
            return np.array([[float(row[place]) for place in places] for row in chunk])
        except (ValueError, IndexError):
            pass  # slowly then, to name the cell
        out = np.empty((len(chunk), len(places)))
        for number, row in enumerate(chunk):
            for column, place in enumerate(places):
                if place >= len(row):
                    why = f"it has {len(row)} cells of {len(self._names)}"
                    raise InputError(f"{self.path}: row {at + number} ends before column {columns[column]!r}", why=why)
                value = _number(row[place])
                if value is None:
                    raise InputError(
                        f"{self.path}: row {at + number}, column {columns[column]!r} is {row[place]!r}",
                        why="the column's first values are numbers, this one is none",
                    )
                out[number, column] = value
        return out


def _is_numeric(rows: Sequence[list[str]], at: int) -> bool:
    return all(_number(row[at]) is not None for row in rows if at < len(row))


def _any_both(first: Sequence[bool], second: Sequence[bool]) -> bool:
    return any(a and b for a, b in zip(first, second, strict=True))


def _number(cell: str) -> float | None:
    text = cell.strip()
    if not text or text.upper() in ("NA", "NULL", "NONE"):
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None
