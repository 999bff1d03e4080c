"""Results of a run: one JSON line for each thing measured, so that a stopped run goes on; tables are made of them."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ossicle.atomic import write_bytes
from ossicle.runs.folder import RunFolder

LINES = "results.jsonl"


class Results:
    """The lines of a run folder; `measure` adds one unless it is there already.

    Parameters
    ----------
    folder
        Made where missing, with ``run.json``: settings, machine, versions, command. One of other settings is refused.
    settings
        Of the run.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        RunFolder.create(folder, settings, resume=True)
        self._path = folder / LINES
        self._lines: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for text in self._path.read_text("utf-8").splitlines() if self._path.exists() else []:
            try:
                self._lines.append(tuple(json.loads(text)))
            except json.JSONDecodeError:
                break  # a crash cut the last line off
        write_bytes(self._path, "".join(json.dumps(line) + "\n" for line in self._lines).encode())

    def measure(self, key: Mapping[str, Any], work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Return what was found under a key, doing the work only if it is not there yet."""
        for known, values in self._lines:
            if known == dict(key):
                return values
        values = dict(work())
        self._lines.append((dict(key), values))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([dict(key), values]) + "\n")
        return values

    def rows(self) -> list[dict[str, Any]]:
        """Return every line as one row: its key and what was found."""
        return [{**key, **values} for key, values in self._lines]


def over_seeds(
    rows: Sequence[Mapping[str, Any]], by: Sequence[str], measures: Sequence[str], carry: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return a row for each combination of `by`, in the order met: mean and standard deviation of measures over the rest.

    The deviation is the sample's; of one value it is empty. `carry` are columns that are equal within a group.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    table = []
    for key, members in groups.items():
        line: dict[str, Any] = {**dict(zip(by, key, strict=True)), **{name: members[0][name] for name in carry}}
        line["seeds"] = len(members)
        for name in measures:
            values = [float(member[name]) for member in members]
            line[name] = statistics.fmean(values)
            line[f"{name}_sd"] = statistics.stdev(values) if len(values) > 1 else ""
        table.append(line)
    return table


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV; fractions get four digits after the point."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    for row in rows:
        table.writerow([f"{v:.4f}" if isinstance(v, float) else v for v in (row.get(name, "") for name in names)])
    write_bytes(path, text.getvalue().encode())
