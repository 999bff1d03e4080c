"""The sections of a run that its files alone tell."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import starmap
from typing import Any
from urllib.parse import quote

from ossicle.runs.comparison import PREDICTIONS, SUMMARY
from ossicle.runs.folder import RECORD
from ossicle.runs.log import METRICS
from ossicle.runs.report.answers import confusions, speakers, wrong_answers
from ossicle.runs.report.curves import run_curves
from ossicle.runs.report.record import RunRecord, flat, is_number
from ossicle.runs.report.samples import sample_sounds
from ossicle.runs.report.sections import Facts, Link, Section, Table, Text, Value

_TABLES = (".csv", ".json", ".jsonl")
_MOST_FILES = 40
_HEADLINE = ("error_rate_ema", "error_rate", "valid_mel_l1", "valid_tone_db", "n_labeled", "n_test", "steps")


def result_sections(run: RunRecord) -> list[Section]:
    """Return what a run found: warnings, results, curves, confusion, predictions, sounds."""
    found: list[Section | None] = [
        _warnings(run),
        Facts("Results", dict(starmap(result, run.scalars.items()))) if run.scalars else None,
        run_curves(run.metrics),
        *confusions(run),
        speakers(run),
        wrong_answers(run),
        sample_sounds({run.name: run}),
    ]
    return [section for section in found if section is not None]


def origin_sections(run: RunRecord) -> list[Section]:
    """Return how a run was made: the exact command, settings, environment, files."""
    settings = flat(run.settings)
    environment = {key: value for key, value in flat(run.environment).items() if key != "command"}
    command = run.environment.get("command")
    known = [name for name in (RECORD, METRICS, SUMMARY, PREDICTIONS) if (run.folder / name).is_file()]
    others = sorted(path.name for path in run.folder.iterdir() if path.suffix in _TABLES and path.name not in known)
    files = [*known, *others][:_MOST_FILES]
    found: list[Section | None] = [
        command_section(command) if command else None,
        Table("Configuration", ("setting", "value"), [(k, plain(v)) for k, v in settings.items()])
        if settings
        else None,
        environment_section(environment) if environment else None,
        Facts("Files", {name: Link(_size(run, name), quote(name)) for name in files}, "They lie beside this page."),
    ]
    return [section for section in found if section is not None]


def headline(run: RunRecord) -> dict[str, Value]:
    """Return the few numbers that everyone looks for."""
    found = [(key, run.scalars[key]) for key in _HEADLINE if is_number(run.scalars.get(key))]
    return dict(starmap(result, found[:4]))


def summary_of(run: RunRecord) -> str:
    """Return the line that a recipe says of itself, ``[recipe] summary``; some keep all their settings under ``recipe``."""
    recipe: Any = run.settings.get("recipe")
    inner = recipe.get("recipe") if isinstance(recipe, dict) else None
    found = [place.get("summary") for place in (recipe, inner) if isinstance(place, dict)]
    return str(next((text for text in found if text), ""))


def command_section(command: str) -> Text:
    """Return the exact command of a run or a measurement."""
    return Text(
        "Command",
        ["Absolute paths are shortened to their last part: a report must not tell where its maker's files lie."],
        command,
    )


def environment_section(environment: Mapping[str, Any]) -> Facts:
    """Return machine and versions, as `ossicle.runs.environment.describe` tells them."""
    return Facts("Environment", {spoken(key.removeprefix("packages.")): plain(v) for key, v in environment.items()})


def spoken(key: str) -> str:
    """Return a name of a file as people read it."""
    return key.replace("_", " ").replace(".", " ")


def result(key: str, value: Any) -> tuple[str, Value]:
    """Return a result's name and value as they are shown: rates of error in per cent."""
    if "error_rate" in key or key == "best_valid_error":
        return f"{spoken(key)}, %", 100.0 * value if is_number(value) else None
    return spoken(key), plain(value)


def plain(value: Any) -> Value:
    """Return a value of a file as a cell: lists in one line."""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _warnings(run: RunRecord) -> Text | None:
    told = run.summary.get("warnings")
    warnings = [*run.faults, *(str(text) for text in (told if isinstance(told, list) else []))]
    return Text("Warnings", warnings, notice=True) if warnings else None


def _size(run: RunRecord, name: str) -> str:
    return f"{(run.folder / name).stat().st_size / 1024:.1f} KiB"
