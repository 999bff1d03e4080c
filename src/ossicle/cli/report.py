"""`ossicle report`: a run's page, or several runs side by side."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.console import STDIO, emit, emit_json, say
from ossicle.cli.inputs import Input, matching, with_lists
from ossicle.cli.outputs import Job
from ossicle.errors import InputError, NoInputError, OssicleError

if TYPE_CHECKING:
    from ossicle.runs.report.record import RunRecord


def report(
    runs: Annotated[list[str], Parameter(name="RUN", help="Run folders, folders of them, quoted globs, or @list.txt.")],
    /,
    *,
    output: Annotated[
        str | None,
        Parameter(
            name=["--output", "-o"],
            help="Where the page goes (default: report.html in the run's folder; here for several); - is stdout.",
        ),
    ] = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Make a run's page from its files, or put several runs side by side on one.

    The page is one HTML file with everything inside it, pictures and sounds too. With --json the numbers are written to stdout; a page
    is written then only where -o says so.

    Examples:
      ossicle report runs/fixmatch
      ossicle report runs/fixmatch-seed* runs/supervised-seed* -o seeds.html
    """
    from ossicle.runs.report.side_by_side import comparison_numbers, named

    folders = _folders(runs)
    records, failed = _read(folders)
    if not records:
        raise NoInputError("no run could be read", hint="name folders that recipes wrote (--out)")
    found = named(records)
    if json:
        emit_json({"runs": comparison_numbers(found), "failed": failed})
    if output or not json:
        _write(found, output, force=force, quiet=quiet)
    return InputError.exit_code if failed else 0


def _write(runs: dict[str, RunRecord], output: str | None, *, force: bool, quiet: bool) -> None:
    from ossicle.runs.report.html import render
    from ossicle.runs.report.run import REPORT, run_page
    from ossicle.runs.report.side_by_side import comparison_page

    first = next(iter(runs.values()))
    place = Path(output).expanduser() if output else first.folder / REPORT if len(runs) == 1 else Path(REPORT)
    if output and (place.is_dir() or output.endswith("/")):
        place /= REPORT
    job = Job(Input(first.folder, Path(first.name)), None if output in ("-", STDIO) else place)
    if job.kept(force=force):
        say(f"kept {job.target}: it exists (--force overwrites)", quiet=quiet)
        return
    page = run_page(first) if len(runs) == 1 else comparison_page(runs, beside=place.parent)
    job.write(render(page).encode())
    if job.output:
        emit(str(job.output))


def _read(folders: Sequence[Path]) -> tuple[list[RunRecord], list[dict[str, Any]]]:
    from ossicle.runs.report.record import read_record

    records, failed = [], []
    for folder in folders:
        try:
            records.append(read_record(folder))
        except OssicleError as error:
            say(f"failed {folder}: {error}")
            failed.append({"folder": str(folder), "what": error.what, "why": error.why})
    return records, failed


def _folders(names: Sequence[str]) -> list[Path]:
    """Return the run folders that names stand for, each once: a folder that is no run is searched below for runs."""
    from ossicle.runs.folder import RECORD
    from ossicle.runs.report.record import is_run

    found: list[Path] = []
    for name in with_lists(names):
        path = Path(name).expanduser()
        globbed = glob.has_magic(name) and not path.exists()
        for match in matching(path)[1] if globbed else [path]:
            folder = match.parent if match.is_file() else match
            below = [] if is_run(folder) else sorted(record.parent for record in folder.rglob(RECORD))
            found += below or [folder]
    return list({folder.resolve(): folder for folder in found}.values())
