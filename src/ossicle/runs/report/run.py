"""The report of one run: its files first, then what a recipe adds, then how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ossicle.runs.report.from_files import headline, origin_sections, result_sections
from ossicle.runs.report.html import write_page
from ossicle.runs.report.record import RunRecord, read_record
from ossicle.runs.report.sections import Page, Section

REPORT = "report.html"


def write_report(folder: Path, sections: Sequence[Section] = (), *, title: str | None = None) -> Path:
    """Write a run's ``report.html`` and return where it is.

    Parameters
    ----------
    folder
        The run's: what ``run.json``, ``metrics.jsonl``, ``summary.json``, ``predictions.csv`` and ``samples/`` tell is shown
        without being named.
    sections
        What the files do not tell; they come after the results and before the configuration.
    title
        Of the page; None takes the folder's name.

    Raises
    ------
    InputError
        If the folder holds no run.
    """
    return write_page(folder / REPORT, run_page(read_record(folder), sections, title=title))


def run_page(run: RunRecord, sections: Sequence[Section] = (), *, title: str | None = None) -> Page:
    """Return a run's page."""
    recipe = run.settings.get("recipe")
    summary = recipe.get("summary", "") if isinstance(recipe, dict) else ""
    method = run.summary.get("method")
    return Page(
        title or (f"{run.name}: {method}" if method and method not in run.name else run.name),
        [*result_sections(run), *sections, *origin_sections(run)],
        str(summary),
        headline(run),
        footer=f"Run of {run.environment['utc']}." if "utc" in run.environment else "",
    )
