"""The command line that the outlier recipes share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ossicle.errors import ConfigError
from ossicle.runs.exits import run_guarded
from ossicle.toml import read_toml


@dataclass(frozen=True)
class Options:
    """A recipe's options: data folders by name, the run folder, and its ``recipe.toml`` with what ``--set`` changed."""

    folder: Path
    data: Mapping[str, Path | None]
    out: Path
    settings: dict[str, Any]
    quiet: bool
    smoke: bool

    def say(self, text: str) -> None:
        """Tell the person at the terminal, on stderr."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def need(self, name: str) -> Path:
        """Return a data folder.

        Raises
        ------
        ConfigError
            If it was not named or is not there.
        """
        found = self.data[name]
        if found is None or not found.expanduser().is_dir():
            raise ConfigError(
                f"--{name} {found or ''} is no folder", hint="the recipe's README says what belongs there"
            )
        return found.expanduser()


def parse(folder: Path, argv: Sequence[str] | None = None, *, data: Mapping[str, str]) -> Options:
    """Read a recipe's command line.

    Parameters
    ----------
    folder
        Of the recipe.
    data
        Options that name data folders, with their help.
    """
    about = read_toml(folder / "recipe.toml")["recipe"]
    parser = argparse.ArgumentParser(description=f"{about['summary']}. Numbers come from recipe.toml.")
    add = parser.add_argument
    for name, what in data.items():
        add(f"--{name}", type=Path, help=what)
    add(
        "--out",
        type=Path,
        default=Path("runs") / f"{folder.parent.name}-{folder.name}",
        help="run folder; a stopped run goes on",
    )
    add("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one number of recipe.toml")
    add("--threads", type=int, help="threads of torch (default: as torch finds them)")
    add("--smoke", action="store_true", help="take smoke.toml: every part, small")
    add("--quiet", action="store_true")
    given = parser.parse_args(argv)
    settings = read_toml(folder / ("smoke.toml" if given.smoke else "recipe.toml"))
    settings["recipe"] = about
    for text in given.set:
        change(settings, text)
    if given.threads:
        torch.set_num_threads(given.threads)
    return Options(folder, {name: getattr(given, name) for name in data}, given.out, settings, given.quiet, given.smoke)


def change(settings: dict[str, Any], text: str) -> None:
    """Set ``SECTION.KEY=VALUE`` in settings; the value is JSON where it parses, else text.

    Raises
    ------
    ConfigError
        If there is no such section.
    """
    path, equals, value = text.partition("=")
    *sections, key = path.split(".")
    place: Any = settings
    for name in sections:
        place = place.get(name) if isinstance(place, dict) else None
    if not equals or not sections or not isinstance(place, dict):
        known = ", ".join(name for name, table in settings.items() if isinstance(table, dict))
        raise ConfigError(f"--set {text} is not understood", hint=f"SECTION.KEY=VALUE with a section of {known}")
    try:
        place[key] = json.loads(value)
    except json.JSONDecodeError:
        place[key] = value


def main(
    work: Callable[[Options], int], folder: Path, argv: Sequence[str] | None = None, *, data: Mapping[str, str]
) -> int:
    """Run a recipe and return its exit code; errors are three lines."""
    return run_guarded(lambda: work(parse(folder, argv, data=data)), resume="run again to go on")
