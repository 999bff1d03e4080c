"""What a person may name as input: files, folders, quoted globs, ``@list.txt``, and ``-`` for standard input."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ossicle.cli.console import STDIO
from ossicle.errors import NoInputError, UsageError


@dataclass(frozen=True)
class Input:
    """One input: its path (None: standard input), and its place below the folder it was found in."""

    path: Path | None
    below: Path

    @property
    def label(self) -> str:
        """What messages call it."""
        return "standard input" if self.path is None else str(self.path)

    def read_bytes(self) -> bytes:
        """Return its bytes."""
        return sys.stdin.buffer.read() if self.path is None else self.path.read_bytes()


def expand(names: Sequence[str], suffixes: Iterable[str]) -> list[Input]:
    """Return the inputs that names stand for, each once, in order.

    Parameters
    ----------
    names
        Files (taken whatever their suffix), folders (searched below for `suffixes`), globs, ``@list.txt`` with a name
        a line, ``-``. A file that is named and missing is kept: it fails by itself, and the others go on.

    Raises
    ------
    NoInputError
        If nothing is found.
    """
    wanted = {suffix.lower() for suffix in suffixes}
    found: list[Input] = []
    for name in with_lists(names):
        found.extend(_expand_one(name, wanted))
    unique = list({(i.path.resolve() if i.path else None): i for i in found}.values())
    if not unique:
        raise NoInputError(
            f"nothing to do for {', '.join(names)}",
            why=f"no file with one of {', '.join(sorted(wanted))} was found",
            hint="name files, folders, quoted globs such as 'in/*.wav', @list.txt, or - for standard input",
        )
    return unique


def is_search(names: Sequence[str]) -> bool:
    """Return whether names stand for a search (folder, glob or list), whose results go to a folder even if one is found."""
    return any(
        name.startswith("@") or Path(name).expanduser().is_dir() or (glob.has_magic(name) and not Path(name).exists())
        for name in names
    )


def with_lists(names: Sequence[str]) -> list[str]:
    """Return names with each ``@list.txt`` replaced by the names in it, a name a line.

    Raises
    ------
    UsageError
        If a list cannot be read.
    """
    spread: list[str] = []
    for name in names:
        if not name.startswith("@"):
            spread.append(name)
            continue
        try:
            lines = Path(name[1:]).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"cannot read the list {name[1:]}", why=str(error), hint="a list is a text file with a name a line"
            ) from error
        spread.extend(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    return spread


def _expand_one(name: str, wanted: set[str]) -> list[Input]:
    if name in ("-", STDIO):
        return [Input(None, Path("stdin"))]
    path = Path(name).expanduser()
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in wanted)
        return [Input(p, p.relative_to(path)) for p in files]
    if path.exists() or not glob.has_magic(name):
        return [Input(path, Path(path.name))]
    fixed, matches = matching(path)
    return [Input(p, p.relative_to(fixed)) for p in matches if p.is_file() and p.suffix.lower() in wanted]


def matching(path: Path) -> tuple[Path, list[Path]]:
    """Return the folder that a glob searches, and what matches it there, in order."""
    fixed = Path(*_fixed_parts(path))
    return fixed, sorted(fixed.glob(str(path.relative_to(fixed))))


def _fixed_parts(path: Path) -> list[str]:
    parts: list[str] = []
    for part in path.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts
