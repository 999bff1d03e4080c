"""Which file of the repository is which page of the site, and links between them."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_LINK = re.compile(r"(?P<start>\]\()(?P<target>[^)#\s]*)(?P<anchor>#[^)\s]*)?(?P<end>\))")
_ELSEWHERE = ("http:", "https:", "mailto:")
_CARD = "plugins/ossicle-istftnet/src/ossicle_istftnet/default/kerstin-v2/MODEL_CARD.md"
_SINGLE = {
    "README.md": "index.md",
    "docs/README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/gpu/QUEUE.md": "gpu-queue.md",
    "examples/README.md": "examples.md",
    _CARD: "plugins/kerstin-v2.md",
}


def page_of(source: str) -> str | None:
    """Return the page that a file of the repository becomes, both relative and with slashes; None: it is no page.

    A folder stands for its README.
    """
    source = source.rstrip("/")
    if (ROOT / source).is_dir():
        source = posixpath.join(source, "README.md")
    if source in _SINGLE:
        return _SINGLE[source]
    if match := re.fullmatch(r"(?:plugins|examples)/(ossicle-[^/]+)/README\.md", source):
        return f"plugins/{match[1]}.md"
    if match := re.fullmatch(r"recipes/([^/]+)/([^/]+)/README\.md", source):
        return f"recipes/{match[1]}-{match[2]}.md"
    if match := re.fullmatch(r"docs/((?!_)[^/]+(?:/[^/]+)?\.md)", source):
        return match[1]
    return None


def sources() -> dict[str, str]:
    """Return every page by the file that it comes from, in order; ``docs/README.md`` is the front page."""
    patterns = (
        "docs/*.md",
        "docs/commands/*.md",
        "docs/kinds/*.md",
        "plugins/*/README.md",
        "examples/*/README.md",
        "recipes/*/*/README.md",
    )
    found = [path.relative_to(ROOT).as_posix() for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    found += [source for source in _SINGLE if source != "README.md" and source not in found]
    return {source: page for source in found if (page := page_of(source)) is not None}


def title_of(source: str) -> str:
    """Return the first heading of a file."""
    for line in (ROOT / source).read_text("utf-8").splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    raise ValueError(f"{source} has no heading")


def rewrite_links(text: str, source: str, page: str, keep: Callable[[str], str | None]) -> str:
    """Return a file's text with its links as they must be on its page; code is left alone.

    Parameters
    ----------
    text, source, page
        The text, the file that it comes from, and its page.
    keep
        Called with a linked file that is no page; returns where the site has it, or None where it has not.

    Raises
    ------
    ValueError
        If a link leads nowhere.
    """
    here = posixpath.dirname(page)

    def turned(match: re.Match[str]) -> str:
        target, anchor = match["target"], match["anchor"] or ""
        if not target or target.startswith(_ELSEWHERE):
            return match[0]
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if wanted.startswith("..") or not (ROOT / wanted).exists():
            raise ValueError(f"{source} links to {target}, which is not there")
        found = page_of(wanted) or keep(wanted)
        if found is None:
            raise ValueError(f"{source} links to {target}, which can be no page")
        return f"{match['start']}{posixpath.relpath(found, here or '.')}{anchor}{match['end']}"

    lines, fence = [], ""
    for line in text.splitlines(keepends=True):
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence):
                fence = ""
        lines.append(line if fence else _LINK.sub(turned, line))
    return "".join(lines)


class Stage:
    """A folder that is filled with the site's pages, in Markdown.

    Parameters
    ----------
    folder
        Made anew.
    """

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder = folder

    def write(self, page: str, text: str) -> None:
        """Write a page that links to pages alone."""
        path = self.folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def add(self, source: str, page: str, text: str) -> None:
        """Write the page of a file; what it links to comes with it."""
        self.write(page, rewrite_links(text, source, page, self.keep))

    def keep(self, source: str) -> str | None:
        """Copy a file that is no page, and return where it is."""
        if not (ROOT / source).is_file():
            return None
        place = f"files/{source}"
        if place.endswith(".md"):
            place = f"{place[:-3]}.txt"
        (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, self.folder / place)
        os.utime(self.folder / place)
        return place
