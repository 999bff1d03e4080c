"""The blocks of code in a Markdown page, and what its comments say of them.

A block with `<!-- not run: reason -->` before it is shown and not run. One with `<!-- file: path -->` is written there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- *(?P<mark>not run|file): *(?P<said>.*?) *-->\s*\n)?^```(?P<language>[\w-]*)[ ]*\n(?P<code>.*?)^```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
SHELL, PYTHON = ("sh", "bash", "shell", "console"), ("python", "py")


@dataclass(frozen=True)
class Block:
    """A block: where it begins, its language and text; why it is not run, or which file it is."""

    page: str
    line: int
    language: str
    code: str
    not_run: str | None = None
    file: str | None = None

    @property
    def is_shell(self) -> bool:
        return self.language in SHELL

    @property
    def is_python(self) -> bool:
        return self.language in PYTHON

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(text: str, page: str) -> list[Block]:
    """Return the shell and Python blocks of a page, and those that are files."""
    found = []
    for match in _BLOCK.finditer(text):
        mark, said = match["mark"], match["said"]
        block = Block(
            page,
            text.count("\n", 0, match.start("code")),
            match["language"],
            match["code"],
            not_run=said if mark == "not run" else None,
            file=said if mark == "file" else None,
        )
        if block.is_shell or block.is_python or block.file:
            found.append(block)
    return found


def read_blocks(root: Path, page: str) -> list[Block]:
    """Return the blocks of a page of the repository."""
    return blocks_of((root / page).read_text("utf-8"), page)
