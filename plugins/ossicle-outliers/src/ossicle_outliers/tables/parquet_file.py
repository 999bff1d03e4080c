"""Parquet files through pyarrow, row group by row group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ossicle.errors import InputError, MissingPackageError
from ossicle_outliers.tables.source import Floats


def import_pyarrow() -> tuple[Any, Any]:
    """Return the modules pyarrow and pyarrow.parquet.

    Raises
    ------
    MissingPackageError
        If they are not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        hint = "pip install 'ossicle-outliers[parquet]'"
        raise MissingPackageError("Parquet needs pyarrow", why=str(error), hint=hint) from error
    return pyarrow, pyarrow.parquet


class ParquetFile:
    """A Parquet file: its flat columns of numbers and truth values; a null becomes NaN."""

    extra: tuple[str, ...] = ()
    named = True

    def __init__(self, path: Path) -> None:
        self.path = path
        arrow, parquet = import_pyarrow()
        try:
            with parquet.ParquetFile(path) as file:
                schema, self.n_rows = file.schema_arrow, int(file.metadata.num_rows)
        except (arrow.ArrowException, OSError) as error:
            raise InputError(f"{path} is no Parquet file", why=str(error).splitlines()[0]) from error
        types = arrow.types
        numeric = [
            t for t in schema if types.is_integer(t.type) or types.is_floating(t.type) or types.is_boolean(t.type)
        ]
        self.columns = tuple(field.name for field in numeric)
        self.left_out = tuple(name for name in schema.names if name not in self.columns)

    def read(self, columns: Sequence[str], rows: int, start: int = 0, stop: int | None = None) -> Iterator[Floats]:
        """Yield pieces (n, len(columns)); row groups outside `start` to `stop` are not read.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        arrow, parquet = import_pyarrow()
        stop = self.n_rows if stop is None else min(stop, self.n_rows)
        try:
            with parquet.ParquetFile(self.path, memory_map=False, pre_buffer=False) as file:
                groups: list[int] = []
                first, at = 0, 0
                for group in range(file.metadata.num_row_groups):
                    size = file.metadata.row_group(group).num_rows
                    if at < stop and at + size > start:
                        first = first if groups else at
                        groups.append(group)
                    at += size
                at = first
                for batch in file.iter_batches(batch_size=rows, row_groups=groups, columns=list(columns)):
                    low, high = max(start - at, 0), min(stop - at, batch.num_rows)
                    at += batch.num_rows
                    if low < high:
                        yield _matrix(batch.slice(low, high - low), columns)
        except (arrow.ArrowException, OSError) as error:
            raise InputError(f"{self.path} cannot be read", why=str(error).splitlines()[0]) from error


def _matrix(batch: Any, columns: Sequence[str]) -> Floats:
    out = np.empty((batch.num_rows, len(columns)))
    for at, name in enumerate(columns):
        out[:, at] = batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
    return out
