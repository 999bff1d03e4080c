"""`ossicle outliers score`: clips or rows ranked by how little they belong; a manifest and a page, and nothing deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.errors import UsageError


def score(
    *inputs: Annotated[str, Parameter(name="IN", help="Sound files or tables: files, folders, globs, @list.txt.")],
    model: Annotated[str, Parameter(help="A model folder: what ossicle outliers fit wrote.")],
    output: Annotated[
        str | None,
        Parameter(
            name=["--output", "-o"],
            help="Clips: the manifest, .csv or .json. Tables: .csv, .npz or .parquet for one, a folder for many.",
        ),
    ] = None,
    html: Annotated[
        bool,
        Parameter(
            negative="",
            help="Write a page too: PAGE.html if that is named after it, else beside -o, else outliers.html.",
        ),
    ] = False,
    top: Annotated[int, Parameter(help="How many to list and to put on the page, the worst first.")] = 20,
    drop: Annotated[
        float | None,
        Parameter(help="Leave out this share, the highest scores (default: those above the model's threshold)."),
    ] = None,
    label: Annotated[str | None, Parameter(help="A column of 0 and 1 in a table to measure the ranking on.")] = None,
    rows_at_once: Annotated[int | None, Parameter(help="Rows of a table in memory at once.")] = None,
    engine: Annotated[
        str, Parameter(help="local, or ray: over a Ray cluster (RAY_ADDRESS), or a local one.")
    ] = "local",
    workers: Annotated[int, Parameter(help="Processes that share the work; with ray, actors.")] = 1,
    device: options.Device = "auto",
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Rank clips or rows by how little they belong, and say which to leave out; nothing is deleted.

    Examples:
      ossicle outliers score pool/ --model model -o manifest.csv --html
      ossicle outliers score table.parquet --model model -o scores.parquet --drop 0.02
      ossicle outliers score rows/ --model model -o scores/ --engine ray --workers 8
    """
    # Heavy imports wait until there is work, so that --help is quick.
    from ossicle_outliers.commands.inputs import find_inputs
    from ossicle_outliers.commands.scoring import Request, score_clips, score_tables
    from ossicle_outliers.fitted import load_fitted

    if engine not in ("local", "ray"):
        raise UsageError(f"no engine is called {engine!r}", hint="use local or ray")
    if workers < 1 or top < 0 or (rows_at_once is not None and rows_at_once < 1):
        raise UsageError("--workers and --rows-at-once must be at least 1, --top at least 0")
    if drop is not None and not 0 <= drop < 1:
        raise UsageError(f"--drop is {drop}", why="it is a share, from 0 to below 1")
    names, page = _page_of(inputs, html, output)
    folder = Path(model).expanduser()
    place = options.resolve_device(device)
    fitted = load_fitted(folder, device=place)
    found, tables = find_inputs(names, tables=fitted.sound is None)
    if label and not tables:
        raise UsageError("--label is for tables", why="clips have no columns")
    request = Request(
        model=folder,
        device=place,
        output=Path(output).expanduser() if output else None,
        page=page,
        top=top,
        drop=drop,
        label=label,
        rows_at_once=rows_at_once,
        engine=engine,
        workers=workers,
        force=force,
        json=json,
        quiet=quiet,
    )
    return (score_tables if tables else score_clips)(fitted, found, request)


def _page_of(inputs: tuple[str, ...], html: bool, output: str | None) -> tuple[list[str], Path | None]:
    # `--html page.html` reads well, and no page is ever an input.
    pages = [name for name in inputs if name.lower().endswith((".html", ".htm"))]
    names = [name for name in inputs if name not in pages]
    if len(pages) > 1 or (pages and not html) or not names:
        raise UsageError(
            f"{', '.join(pages) or 'nothing'} cannot be scored",
            hint="name sound files or tables, and one page after --html",
        )
    if not html:
        return names, None
    if pages:
        return names, Path(pages[0]).expanduser()
    return names, Path(output).expanduser().with_suffix(".html") if output else Path("outliers.html")
