"""A measurement without a run's folder: its JSON, and a page beside it whose tables are what the JSON holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ossicle.runs.folder import write_json
from ossicle.runs.report.from_files import command_section, environment_section, plain, spoken
from ossicle.runs.report.html import write_page
from ossicle.runs.report.record import flat
from ossicle.runs.report.sections import Facts, Page, Section, Table

ENVIRONMENT = "environment"
_WIDE = 16
_WIDEST = 60


def write_measurement(path: Path, result: Mapping[str, Any], *, title: str, summary: str = "") -> Path:
    """Write a measurement as JSON and its page beside it, as ``NAME.html``; return where the JSON is.

    Parameters
    ----------
    result
        Names with values, tables within tables. ``environment``, at any depth, is what `ossicle.runs.environment.describe` told.
    title, summary
        Of the page.
    """
    written = write_json(path, result)
    write_page(path.with_suffix(".html"), Page(title, measurement_sections(result), summary))
    return written


def measurement_sections(result: Mapping[str, Any]) -> list[Section]:
    """Return tables of what a measurement holds, then the exact command and the environment of each part."""
    return [*_sections("", result), *_origins(result)]


def _sections(title: str, value: Any) -> list[Section]:
    if isinstance(value, Mapping):
        return _of_names(title, value)
    rows = [flat(row) for row in value if isinstance(row, Mapping)] if _is_list(value) else []
    return [_table(title or "Rows", rows)] if rows else []


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row for each; where there are many names and few rows, a row for each name."""
    columns = list(dict.fromkeys(name for row in rows for name in row if not _is_environment(name)))
    cells = [[plain(row.get(name)) for name in columns] for row in rows]
    if len(columns) <= _WIDE or len(rows) > len(columns):
        return Table(title, [spoken(name) for name in columns], cells)
    heads = ["", *(str(row[0]) for row in cells)]
    turned = [[spoken(name), *column] for name, *column in zip(columns, *cells, strict=True)]
    return Table(title, heads, turned[1:])


def _of_names(title: str, table: Mapping[str, Any]) -> list[Section]:
    held = {name: value for name, value in table.items() if name != ENVIRONMENT}
    inner = {name: value for name, value in held.items() if isinstance(value, Mapping) or _holds_rows(value)}
    single = {name: plain(value) for name, value in held.items() if name not in inner}
    found: list[Section] = [Facts(title or "Measured", {spoken(n): v for n, v in single.items()})] if single else []
    alike = [value for value in inner.values() if isinstance(value, Mapping) and _is_flat(value)]
    # Several small tables of single values are the rows of one.
    if len(alike) == len(inner) > 1 and max(len(flat(value)) for value in alike) <= _WIDEST:
        rows = [{"": name, **flat(value)} for name, value in inner.items()]
        return [*found, *_sections(title or "Rows", rows)]
    for name, value in inner.items():
        found += _sections(f"{title}, {spoken(name)}" if title else spoken(name), value)
    return found


def _origins(value: Any) -> list[Section]:
    if not isinstance(value, Mapping):
        return []
    found: list[Section] = []
    for name, inner in value.items():
        if name == ENVIRONMENT and isinstance(inner, Mapping) and "command" in inner:
            told = flat(inner)
            found += [command_section(str(told.pop("command"))), environment_section(told)]
        else:
            found += _origins(inner)
    return found


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _holds_rows(value: Any) -> bool:
    return _is_list(value) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _is_flat(table: Mapping[str, Any]) -> bool:
    return bool(table) and ENVIRONMENT not in table and not any(_holds_rows(value) for value in flat(table).values())


def _is_environment(name: str) -> bool:
    return name == ENVIRONMENT or name.startswith(f"{ENVIRONMENT}.")
