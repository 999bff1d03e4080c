"""What the inputs of a command are: sound files or tables, never both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ossicle.audio.files import SUFFIXES as SOUNDS
from ossicle.cli.inputs import Input, expand
from ossicle.errors import UsageError
from ossicle_outliers.tables.source import SUFFIXES as TABLES


def find_inputs(names: Sequence[str], *, tables: bool | None = None) -> tuple[list[Input], bool]:
    """Return the inputs that names stand for, and whether they are tables.

    Parameters
    ----------
    tables
        What a model takes; None: what is found decides.

    Raises
    ------
    NoInputError, UsageError
        If nothing is found, or sound and tables are mixed.
    """
    suffixes = {None: (*SOUNDS, *TABLES), True: TABLES, False: SOUNDS}[tables]
    found = expand(names, suffixes)
    if any(i.path is None for i in found):
        raise UsageError("standard input cannot be scored", why="it has no name for a manifest", hint="name files")
    kinds = {i.path.suffix.lower() in TABLES for i in found if i.path}
    if len(kinds) > 1:
        raise UsageError("sound files and tables are mixed", hint="name one kind, or a folder of one kind")
    if tables is not None and kinds != {tables}:
        wanted, given = ("tables", "sound files") if tables else ("sound files", "tables")
        raise UsageError(f"the model takes {wanted}, not {given}")
    return found, kinds.pop()


def paths_of(found: Sequence[Input]) -> list[Path]:
    """Return the inputs' paths."""
    return [i.path for i in found if i.path]
