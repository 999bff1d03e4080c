"""The report of one run: its files first, then what a recipe adds, then how it was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ossicle.errors import OssicleError
from ossicle.runs.report.from_files import headline, origin_sections, result_sections, summary_of
from ossicle.runs.report.html import write_page
from ossicle.runs.report.record import RunRecord, read_record
from ossicle.runs.report.sections import Page, Section
from ossicle.runs.report.stored import store_sections

REPORT = "report.html"


def write_report(folder: Path, sections: Sequence[Section] | None = None, *, title: str | None = None) -> Path:
    """Write a run's ``report.html`` and return where it is.

    Parameters
    ----------
    folder
        The run's: what ``run.json``, ``metrics.jsonl``, ``summary.json``, ``predictions.csv`` and ``samples/`` tell is shown
        without being named.
    sections
        What the files do not tell; they come after the results and before the configuration. They are kept in ``sections.json``, so
        that `ossicle report` has them later; None takes those that are there.
    title
        Of the page, kept with the sections; None takes the folder's name.

    Raises
    ------
    InputError
        If the folder holds no run.
    """
    if sections is not None or title is not None:
        before = read_record(folder).stored
        store_sections(folder, before.sections if sections is None else sections, title=title or before.title)
    return write_page(folder / REPORT, run_page(read_record(folder)))


def leave_report(folder: Path, sections: Sequence[Section] | None = None, *, say: Callable[[str], None]) -> None:
    """Write a run's report at its end and say where it is; that it cannot be written is said, and does not end the run."""
    try:
        say(f"report: {write_report(folder, sections)}")
    except OssicleError as error:
        say(f"no report: {error}")


def run_page(run: RunRecord) -> Page:
    """Return a run's page."""
    method = run.summary.get("method")
    return Page(
        run.stored.title or (f"{run.name}: {method}" if method and method not in run.name else run.name),
        [*result_sections(run), *run.stored.sections, *origin_sections(run)],
        summary_of(run),
        headline(run),
        footer=f"Run of {run.environment['utc']}." if "utc" in run.environment else "",
    )
