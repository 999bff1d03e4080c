"""Scored rows written piece by piece, as CSV, NPZ or Parquet by the suffix."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ossicle.atomic import replacing
from ossicle.errors import UsageError
from ossicle_outliers.tables.parquet_file import import_pyarrow

SUFFIXES = (".csv", ".npz", ".parquet")
Columns = dict[str, npt.NDArray[Any]]


class Writer(Protocol):
    """Takes pieces of a table."""

    def __call__(self, piece: Columns) -> None:
        """Write columns of equal length, the same in every piece."""
        ...


@contextmanager
def writing(path: Path, names: Sequence[str]) -> Iterator[Writer]:
    """Yield a writer of columns; the file takes its place when the block ends well.

    Raises
    ------
    UsageError
        If the suffix stands for no format that can be written.
    MissingPackageError
        If it is Parquet and pyarrow is not installed.
    """
    ways = {".csv": _csv, ".npz": _npz, ".parquet": _parquet}
    if path.suffix.lower() not in ways:
        raise UsageError(f"cannot write {path.name}", hint=f"use {', '.join(SUFFIXES)}")
    with replacing(path) as part, ways[path.suffix.lower()](part, names) as write:
        yield write


@contextmanager
def _csv(part: Path, names: Sequence[str]) -> Iterator[Writer]:
    with part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(names)
        yield lambda piece: table.writerows(zip(*(piece[name].tolist() for name in names), strict=True))


@contextmanager
def _parquet(part: Path, names: Sequence[str]) -> Iterator[Writer]:
    arrow, parquet = import_pyarrow()
    opened: list[Any] = []

    def write(piece: Columns) -> None:
        table = arrow.table({name: piece[name] for name in names})
        if not opened:
            opened.append(parquet.ParquetWriter(part, table.schema))
        opened[0].write_table(table)

    try:
        yield write
        if not opened:
            write({name: np.empty(0) for name in names})
    finally:
        if opened:
            opened[0].close()


@contextmanager
def _npz(part: Path, names: Sequence[str]) -> Iterator[Writer]:
    # An archive takes one member after the other: columns wait beside it until all is there.
    waiting = {name: part.with_name(f"{part.name}.{name}") for name in names}
    types: dict[str, Any] = {}
    files = {name: place.open("wb") for name, place in waiting.items()}

    def write(piece: Columns) -> None:
        for name in names:
            types[name] = piece[name].dtype
            files[name].write(np.ascontiguousarray(piece[name]).tobytes())

    try:
        yield write
        for file in files.values():
            file.close()
        with zipfile.ZipFile(part, "w", allowZip64=True) as archive:
            for name in names:
                dtype = np.dtype(types.get(name, np.float64))
                count = waiting[name].stat().st_size // dtype.itemsize
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member, waiting[name].open("rb") as column:
                    header = {"descr": dtype.str, "fortran_order": False, "shape": (count,)}
                    np.lib.format.write_array_header_1_0(member, header)
                    while block := column.read(2**22):
                        member.write(block)
    finally:
        for name in names:
            files[name].close()
            waiting[name].unlink(missing_ok=True)
