"""`ossicle outliers fit`: a model of what is normal, from a pool of clips or from tables; nothing is labelled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, progress, say
from ossicle.errors import UsageError

DETECTOR = "autoencoder"
"""What clips and tables are fitted with unless told otherwise."""

FRAMES = "autoencoder:network=ae,shift_steps=0"
"""What frames are fitted with: a shift of so many rows costs hundreds of times more."""


def fit(
    inputs: Annotated[list[str], Parameter(name="IN", help="A folder of clips, or tables; files, globs, @list.txt.")],
    /,
    *,
    output: Annotated[str, Parameter(name=["--output", "-o"], help="The model folder to write.")],
    detector: Annotated[
        str | None, Parameter(help="NAME or NAME:KEY=VALUE,...: autoencoder, mod, knn, pyod or another plugin's.")
    ] = None,
    contamination: Annotated[
        str, Parameter(help="Share expected not to belong, in (0, 0.5], or auto: it sets the threshold.")
    ] = "auto",
    vectors: Annotated[str | None, Parameter(help="Clips as statistics (default), frames or embedding.")] = None,
    classifier: Annotated[str | None, Parameter(help="Folder of a trained classifier, for its embedding.")] = None,
    aggregate: Annotated[str, Parameter(help="A clip's score from its rows': mean, max or top.")] = "mean",
    top_share: Annotated[float, Parameter(help="Share of the rows that top averages.")] = 0.1,
    sample_rate: Annotated[
        int | None, Parameter(help="In Hz (default: the lowest of the pool's, at most 16000).")
    ] = None,
    seconds: Annotated[float, Parameter(help="Cut or pad clips to this length (default: as long as they are).")] = 0.0,
    columns: Annotated[
        str | None, Parameter(help="Columns of a table to fit on: A,B,C (default: all of numbers).")
    ] = None,
    label: Annotated[str | None, Parameter(help="A column to leave out: labels.")] = None,
    max_rows: Annotated[int, Parameter(help="Rows to fit on at most, drawn evenly: a bound on the memory.")] = 200_000,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Learn what is normal from a pool in which most belong.

    Examples:
      ossicle outliers fit pool/ -o model
      ossicle outliers fit machine/train -o model --vectors frames --aggregate top
      ossicle outliers fit table.csv -o model --detector knn:neighbors=20
    """
    # Heavy imports wait until there is work, so that --help is quick.
    from ossicle_outliers.commands.fitting import fit_clips, fit_tables
    from ossicle_outliers.commands.inputs import find_inputs, paths_of

    folder = Path(output).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not force:
        raise UsageError(f"{folder} exists", why="a model would be written over what is there", hint="add --force")
    found, tables = find_inputs(inputs)
    paths = paths_of(found)
    settings: dict[str, Any] = {
        "seed": seed,
        "device": options.resolve_device(device),
        "contamination": share(contamination),
    }
    if tables:
        wanted = [name.strip() for name in columns.split(",")] if columns else None
        fitted, notes = fit_tables(
            paths, detector or DETECTOR, settings, columns=wanted, label=label, max_rows=max_rows
        )
    else:
        vectors = vectors or ("embedding" if classifier else "statistics")
        spec = detector or (FRAMES if vectors == "frames" else DETECTOR)
        given = {"aggregate": aggregate, "top_share": top_share, "sample_rate": sample_rate, "seconds": seconds}
        with progress(len(paths), "read", quiet=quiet) as advance:
            fitted, notes = fit_clips(
                paths,
                spec,
                settings,
                vectors=vectors,
                classifier=Path(classifier).expanduser() if classifier else None,
                given=given,
                max_rows=max_rows,
                advance=advance,
            )
    fitted.save(folder)
    for note in notes:
        say(note, quiet=quiet)
    if json:
        emit_json({"model": str(folder), "threshold": fitted.threshold, **fitted.card, "notes": notes})
    else:
        say(
            "fitted on " + ", ".join(f"{value} {key}" for key, value in fitted.card.items() if isinstance(value, int)),
            quiet=quiet,
        )
        emit(str(folder))
    return 0


def share(text: str) -> float | str:
    """Return a contamination as the detectors take it.

    Raises
    ------
    UsageError
        If it is neither ``auto`` nor a number.
    """
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"contamination is {text!r}", hint="use auto or a number in (0, 0.5]") from error
