"""NPY and NPZ files read piece by piece, compressed ones too; nothing in them is ever unpickled."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from ossicle.errors import InputError
from ossicle_outliers.tables.source import Floats

_READING = (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError)


class NumpyFile:
    """An array (n, D), or a vector (n,) as one column: the file's own, or of an NPZ file ``X`` or the only matrix in it.

    Columns are called by their numbers; vectors of n values beside the matrix, such as ``y``, can be labels.
    """

    left_out: tuple[str, ...] = ()
    named = False

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            headers = {name: self._header(name) for name in self._members()}
        except _READING as error:
            raise InputError(f"{path} cannot be read", why=str(error).splitlines()[0]) from error
        for name, (shape, _, dtype) in headers.items():
            if dtype.hasobject:
                why = f"{name or 'its array'} holds Python objects, and reading those would run code"
                raise InputError(f"{path} is refused", why=why, hint="save numbers: X.astype(float)")
            if dtype.kind not in "biuf":
                raise InputError(f"{path} holds no numbers", why=f"{name or 'its array'} of shape {shape} is {dtype}")
        matrices = [name for name, (shape, *_) in headers.items() if len(shape) == 2]
        chosen = "X" if "X" in headers else (matrices or list(headers) or [""])[0]
        if not headers or len(headers[chosen][0]) not in (1, 2) or ("X" not in headers and len(matrices) > 1):
            found = ", ".join(f"{name or 'array'} {shape}" for name, (shape, *_) in headers.items())
            raise InputError(f"{path} has no matrix to take", why=f"it holds {found or 'nothing'}", hint="call it X")
        shape, self._fortran, self._dtype = headers[chosen]
        self._matrix, self.n_rows = chosen, int(shape[0])
        self._width = int(shape[1]) if len(shape) == 2 else 1
        self.columns = tuple(map(str, range(self._width)))
        self.extra = tuple(name for name, (s, *_) in headers.items() if s == (self.n_rows,) and name != chosen)
        self._headers = headers

    def _members(self) -> list[str]:
        if self.path.suffix.lower() == ".npy":
            return [""]
        with zipfile.ZipFile(self.path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]

    @contextmanager
    def _stream(self, name: str) -> Iterator[IO[bytes]]:
        if not name:
            with self.path.open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as member:
            yield member

    def _header(self, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        with self._stream(name) as file:
            return _read_header(file)

    def read(self, columns: Sequence[str], rows: int, start: int = 0, stop: int | None = None) -> Iterator[Floats]:
        """Yield pieces (n, len(columns)).

        Raises
        ------
        InputError
            If the file ends before its array does.
        """
        beside = [np.asarray(self._vector(name)) for name in columns if name in self.extra]
        places = [int(name) for name in columns if name not in self.extra]
        stop = self.n_rows if stop is None else min(stop, self.n_rows)
        at = start
        for block in self._blocks(rows, start, stop):
            parts = [block[:, places], *(vector[at : at + len(block), None] for vector in beside)]
            yield np.concatenate(parts, axis=1, dtype=np.float64)
            at += len(block)

    def _vector(self, name: str) -> Any:
        with self._stream(name) as file:
            _, _, dtype = _read_header(file)
            return np.frombuffer(self._exactly(file, self.n_rows * dtype.itemsize), dtype)

    def _blocks(self, rows: int, start: int, stop: int) -> Iterator[Any]:
        size = self._dtype.itemsize
        with self._stream(self._matrix) as file:
            _read_header(file)
            if self._fortran and self._width > 1:
                # Columns lie one after the other: only the whole of it can be cut into rows.
                data = self._exactly(file, self.n_rows * self._width * size)
                whole = np.frombuffer(data, self._dtype).reshape(self._width, self.n_rows).T
                yield from (whole[at : min(at + rows, stop)] for at in range(start, stop, rows))
                return
            self._skip(file, start * self._width * size)
            for at in range(start, stop, rows):
                count = min(rows, stop - at)
                data = self._exactly(file, count * self._width * size)
                yield np.frombuffer(data, self._dtype).reshape(count, self._width)

    def _skip(self, file: IO[bytes], count: int) -> None:
        while count:
            count -= len(self._exactly(file, min(count, 2**24)))

    def _exactly(self, file: IO[bytes], count: int) -> bytes:
        try:
            data = file.read(count)
        except _READING as error:
            raise InputError(f"{self.path} is damaged", why=str(error)) from error
        if len(data) < count:
            raise InputError(f"{self.path} is cut off", why=f"{count - len(data)} bytes of its array are missing")
        return data


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)
