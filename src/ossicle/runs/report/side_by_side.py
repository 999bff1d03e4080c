"""Several runs on one page: numbers in a table, curves in one picture, and only those settings that differ."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ossicle.runs.report.answers import confusions
from ossicle.runs.report.curves import metric_names, shared_curves
from ossicle.runs.report.from_files import plain, result
from ossicle.runs.report.record import RunRecord, flat
from ossicle.runs.report.run import REPORT
from ossicle.runs.report.samples import sample_sounds
from ossicle.runs.report.sections import Confusion, Facts, Link, Page, Section, Table, Text, Value
from ossicle.runs.report.together import together

_NESTED = "."
_LINES = 16
"""Runs that a chart draws: more lines cannot be told apart."""


def named(runs: Sequence[RunRecord]) -> dict[str, RunRecord]:
    """Return runs by the shortest name that tells them apart: their folder's, with folders above it where two share one."""
    parts = [run.folder.resolve().parts for run in runs]
    for depth in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return dict(zip(names, runs, strict=True))
    return {run.name: run for run in runs}  # One run named twice is one run.


def comparison_numbers(runs: Mapping[str, RunRecord]) -> list[dict[str, Any]]:
    """Return of each run its results, the last value of each metric, and its settings."""
    return [
        {
            "name": name,
            "folder": str(run.folder),
            "results": run.scalars,
            "last": {metric: _last(run, metric) for metric in metric_names(run.metrics)},
            "settings": flat(run.settings),
            "faults": list(run.faults),
        }
        for name, run in runs.items()
    ]


def _last(run: RunRecord, metric: str) -> Any:
    return next((line[metric] for line in reversed(run.metrics) if line.get(metric) is not None), None)


def comparison_page(runs: Mapping[str, RunRecord], *, beside: Path | None = None) -> Page:
    """Return the page of several runs; `beside` is the folder it will lie in, so that it can lead to their own pages."""
    drawn = {name: run.metrics for name, run in list(runs.items())[:_LINES]}
    curves = shared_curves(drawn)
    found: list[Section | None] = [
        _faults(runs),
        *_results(runs, beside),
        curves,
        Text("Not drawn", [f"Curves show the first {_LINES} of {len(runs)} runs."]) if len(runs) > _LINES else None,
        _by_class(runs),
        sample_sounds(runs),
        *_matrices(runs),
        *together({name: run.stored.sections for name, run in list(runs.items())[:_LINES]}),
        differing("Settings that differ", {name: run.settings for name, run in runs.items()}),
        differing("Environment that differs", {name: run.environment for name, run in runs.items()}),
        Text("Commands", code="\n".join(str(run.environment.get("command", "")) for run in runs.values())),
    ]
    sections = [section for section in found if section is not None]
    return Page(f"{len(runs)} runs side by side", sections, ", ".join(runs) if len(runs) <= _LINES else "")


def _faults(runs: Mapping[str, RunRecord]) -> Text | None:
    faults = [f"{name}: {fault}" for name, run in runs.items() for fault in run.faults]
    return Text("Warnings", faults, notice=True) if faults else None


def _results(runs: Mapping[str, RunRecord], beside: Path | None) -> list[Section]:
    """Return a table of the results that differ, and those that all runs share."""
    columns: list[str] = []
    seen: set[tuple[str, ...]] = set()
    same: dict[str, Value] = {}
    for key in {key: None for run in runs.values() for key in run.scalars}:
        values = tuple(repr(run.scalars.get(key)) for run in runs.values())
        if len(set(values)) == 1 and len(runs) > 1:
            same |= [result(key, next(iter(runs.values())).scalars[key])]
        elif not (_NESTED in key and values in seen):
            # A table within the summary may say again what a single value says.
            columns.append(key)
            seen.add(values)
    found: list[Section] = []
    if columns:
        rows = [
            [_linked(name, run, beside), *(result(key, run.scalars.get(key))[1] for key in columns)]
            for name, run in runs.items()
        ]
        found.append(Table("Results", ("run", *(result(key, None)[0] for key in columns)), rows))
    return [*found, Facts("The same in all", same)] if same else found


def _linked(name: str, run: RunRecord, beside: Path | None) -> Value:
    page = run.folder / REPORT
    if beside is None or not page.exists():
        return name
    # An address, not a path: a # or % in a folder's name would mean something else.
    return Link(name, quote(Path(os.path.relpath(page, beside)).as_posix()))


def differing(title: str, tables: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """Return the values that are not the same in all tables, a row a name and a column a run; None where all are."""
    flats = {name: flat(table) for name, table in tables.items()}
    keys = {key: None for table in flats.values() for key in table}
    rows: list[list[Value]] = [
        [key, *(plain(table.get(key)) for table in flats.values())]
        for key in keys
        if key not in ("utc", "command") and len({repr(table.get(key)) for table in flats.values()}) > 1
    ]
    return Table(title, ("name", *flats), rows) if rows else None


def _first_confusion(run: RunRecord) -> Confusion | None:
    return next((section for section in confusions(run) if isinstance(section, Confusion)), None)


def _by_class(runs: Mapping[str, RunRecord]) -> Table | None:
    found = {name: matrix for name, run in runs.items() if (matrix := _first_confusion(run))}
    labels = {label: None for matrix in found.values() for label in matrix.labels}
    if not labels:
        return None

    def recall(matrix: Confusion, label: str) -> Value:
        at = list(matrix.labels).index(label) if label in matrix.labels else None
        of = sum(matrix.counts[at]) if at is not None else 0
        return matrix.counts[at][at] / of if at is not None and of else None

    rows = [[label, *(recall(matrix, label) for matrix in found.values())] for label in labels]
    return Table("Recall of each class", ("class", *found), rows)


def _matrices(runs: Mapping[str, RunRecord]) -> list[Section]:
    found: list[Section] = []
    for name, run in list(runs.items())[:_LINES]:
        matrix = _first_confusion(run)
        if matrix:
            found.append(Confusion(f"{matrix.title}: {name}", matrix.labels, matrix.counts, matrix.note))
    return found
