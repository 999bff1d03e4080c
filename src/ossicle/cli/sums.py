"""Lists of SHA-256 sums in the text format of ``sha256sum``: read, written, compared with files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ossicle.atomic import write_bytes
from ossicle.errors import InputError

_LINE = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)")
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


def relative_name(path: Path, folder: Path) -> str:
    """Return a file's name as lists have it: relative to the folder, with slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()


def read_sums(path: Path) -> dict[str, str]:
    """Return sums in lower case by name; empty lines and lines that begin with # are passed over.

    Raises
    ------
    InputError
        If the file is missing, a line is no sum, a file has two, or there is none.
    """
    try:
        lines = [line.removesuffix("\r") for line in path.read_text("utf-8").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the sums in {path}", why=str(error)) from error
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise InputError(
                f"{path}, line {number} is no SHA-256 sum",
                why=f"it is {line[:80]!r}",
                hint="64 hexadecimal digits, two spaces and a name, as sha256sum and --write-sums write them",
            )
        escaped, value, name = match.groups()
        if escaped:
            name = re.sub(r"\\[\\nr]", lambda found: _ESCAPES[found.group()], name)
        name = Path(name).as_posix()
        if sums.setdefault(name, value.lower()) != value.lower():
            raise InputError(f"{path}, line {number} has a second sum for {name}", hint="keep the right one")
    if not sums:
        raise InputError(f"{path} holds no sums")
    return sums


def write_sums(path: Path, sums: Mapping[str, str]) -> None:
    """Write sums by name, sorted, whole or not at all; ``sha256sum -c`` reads them from within the folder."""
    lines = []
    for name, value in sorted(sums.items()):
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        lines.append(f"{'' if escaped == name else chr(92)}{value}  {escaped}\n")
    write_bytes(path, "".join(lines).encode())


def sum_files(folder: Path, names: Iterable[str], advance: Callable[[str], None]) -> dict[str, str | None]:
    """Return the sum of each file below a folder, None where there is none; `advance` is told every name."""
    found: dict[str, str | None] = {}
    for name in names:
        found[name] = sum_file(folder / name)
        advance(name)
    return found


def sum_file(path: Path) -> str | None:
    """Return a file's SHA-256 in hexadecimal, or None where it cannot be read or is no regular file."""
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()
