"""What a run left in its folder, read with what is missing left out and what is damaged named."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ossicle.errors import InputError
from ossicle.runs.comparison import PREDICTIONS, SUMMARY
from ossicle.runs.folder import RECORD
from ossicle.runs.log import METRICS, read_log
from ossicle.runs.report.stored import SECTIONS, Stored, read_sections


@dataclass(frozen=True)
class RunRecord:
    """A run's files: `stored` are the sections that its recipe added, `faults` says what could not be read."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    predictions: list[dict[str, str]] = field(default_factory=list)
    stored: Stored = field(default_factory=Stored)
    faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def scalars(self) -> dict[str, Any]:
        """Single values of the summary; those of a table within it as ``table.name``."""
        return {key: value for key, value in flat(self.summary).items() if not isinstance(value, list)}


def is_run(folder: Path) -> bool:
    """Return whether a folder holds anything that a run leaves."""
    return any((folder / name).is_file() for name in (RECORD, SUMMARY, METRICS, PREDICTIONS, SECTIONS))


def read_record(folder: Path) -> RunRecord:
    """Read a run's folder.

    Raises
    ------
    InputError
        If there is no such folder, it holds nothing of a run, or none of it can be read.
    """
    if not is_run(folder):
        raise InputError(
            f"{folder} is no run",
            why="it is no folder" if not folder.is_dir() else f"it holds neither {RECORD} nor {SUMMARY} nor {METRICS}",
            hint="name the folder that a recipe wrote (--out)",
        )
    faults: list[str] = []

    def take(name: str, read: Callable[[Path], Any], empty: Any) -> Any:
        path = folder / name
        if not path.exists():
            return empty
        try:
            return read(path)
        except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
            faults.append(f"{name} cannot be read: {error}")
            return empty

    record = take(RECORD, _table, {})
    stored = take(SECTIONS, read_sections, Stored())
    faults += stored.faults
    found = RunRecord(
        folder,
        settings=_inner(record, "settings"),
        environment=_inner(record, "environment"),
        metrics=take(METRICS, _metrics, []),
        summary=take(SUMMARY, _table, {}),
        predictions=take(PREDICTIONS, _rows, []),
        stored=stored,
        faults=tuple(faults),
    )
    if faults and not (record or found.metrics or found.summary or found.predictions or stored.sections):
        raise InputError(f"nothing of the run in {folder} can be read", why="; ".join(faults))
    return found


def _table(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text("utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"it holds {type(value).__name__}, not names with values")
    return value


def _inner(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _metrics(path: Path) -> list[dict[str, Any]]:
    lines = [line for line in read_log(path) if isinstance(line, dict) and is_number(line.get("step"))]
    if not lines and path.stat().st_size:
        raise ValueError("no line of it is a JSON object with a step")
    return lines


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("a row has not as many cells as the first")
    return rows


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with names like ``section.key``."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
