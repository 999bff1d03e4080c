"""What goes where: stdout carries results, stderr everything else, a progress bar only a terminal."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from ossicle.errors import OssicleError
from ossicle.loading import debugging

STDIO = "stdio:"
"""What ``-`` becomes on its way through the option parser, which would take a lone dash for an option."""


def say(text: str, *, quiet: bool = False) -> None:
    """Tell the person at the terminal something, on stderr."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


def emit(text: str) -> None:
    """Write a result to stdout."""
    print(text, flush=True)


def emit_json(value: Any) -> None:
    """Write a result to stdout as JSON."""
    emit(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def emit_bytes(data: bytes) -> None:
    """Write a binary result to stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def show_error(error: OssicleError) -> None:
    """Show what, why and what to do, on stderr; the traceback too where debugging is asked for."""
    if debugging():
        traceback.print_exception(error, file=sys.stderr)
    say(f"error: {error}")


def show_bug(error: BaseException) -> None:
    """Show a fault that nobody foresaw."""
    if debugging():
        traceback.print_exception(error, file=sys.stderr)
        return
    say(f"error: a bug in ossicle or a plugin: {type(error).__name__}: {error}")
    say("  do:  run again with --debug and report what it prints")


class Advance(Protocol):
    """Moves a progress bar."""

    def __call__(self, label: str = "") -> None:
        """Move by one; the label names what is next."""
        ...


@contextmanager
def progress(total: int, what: str, *, quiet: bool = False) -> Iterator[Advance]:
    """Show a progress bar for `total` things while the block runs, on a terminal only."""
    if quiet or total < 2 or not sys.stderr.isatty():
        yield lambda label="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[label]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, label="")
        yield lambda label="": bar.update(task, advance=1, label=label)


class Ticker:
    """A line on a terminal that is written over as work goes on; nothing where there is no terminal."""

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._shown = not quiet and sys.stderr.isatty()
        self._last = 0.0

    def __enter__(self) -> Ticker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._last:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def update(self, text: str) -> None:
        """Show where the work has come to, at most five times a second."""
        now = time.monotonic()
        if self._shown and now - self._last > 0.2:
            self._last = now
            print(f"\r\033[K{self._what}: {text}", end="", file=sys.stderr, flush=True)


def table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> str:
    """Return rows as columns of plain text: quick, and readable in a pipe."""
    everything = [header, *rows]
    widths = [max(len(row[i]) for row in everything) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in everything
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
