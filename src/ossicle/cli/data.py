"""`ossicle data`: data sets that plugins know, and whether a copy of one is whole."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from cyclopts import App, Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, progress, table
from ossicle.errors import InputError, OssicleError
from ossicle.registry import default_registry

app = App(name="data", help="List data sets and check a copy of one.", version_flags=[])


@app.command(name="list")
def list_(*, json: options.Json = False) -> int:
    """List the data sets that plugins know."""
    registry = default_registry()
    rows = [{"name": found.component.name, "summary": found.component.summary} for found in registry.all("dataset")]
    if json:
        emit_json(rows)
    else:
        emit(table([(row["name"], row["summary"]) for row in rows], ("data set", "summary")))
    return 0


@app.command
def check(
    name: Annotated[str, Parameter(help="A data set of the list.")],
    folder: Annotated[str, Parameter(help="Where the copy lies.")],
    /,
    *,
    decode: Annotated[bool, Parameter(negative="", help="Decode every clip too.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Check a copy of a data set: layout, number of clips, classes, folds, missing and unreadable files.

    Examples:
      ossicle data check esc50 ~/ESC-50-master
      ossicle data check urbansound8k ~/UrbanSound8K --decode
    """
    dataset = default_registry().build("dataset", name, folder=folder)
    clips = dataset.clips()
    missing = [str(path) for path in dataset.missing()]
    unreadable = _undecodable(clips, set(missing), quiet) if decode else []
    expected = getattr(dataset, "expected", None)
    report: dict[str, Any] = {
        "name": name,
        "folder": folder,
        "home": dataset.home,
        "clips": len(clips),
        "expected": expected,
        "classes": dict.fromkeys(dataset.labels, 0)
        | dict(sorted(Counter(dataset.labels[c.label] for c in clips if c.label >= 0).items())),
        "folds": dict(sorted(Counter(c.fold for c in clips if c.fold).items())),
        "splits": dict(sorted(Counter(c.split for c in clips if c.split).items())),
        "missing": missing,
        "unreadable": unreadable,
    }
    whole = not missing and not unreadable and expected in (None, len(clips))
    report["whole"] = whole
    if json:
        emit_json(report)
    else:
        _show(report)
    return 0 if whole else InputError.exit_code


def _undecodable(clips: Any, missing: set[str], quiet: bool) -> list[dict[str, str]]:
    from ossicle.audio.files import read

    found = []
    with progress(len(clips), "decode", quiet=quiet) as advance:
        for clip in clips:
            if str(clip.path) not in missing:
                try:
                    read(clip.path)
                except OssicleError as error:
                    found.append({"path": str(clip.path), "why": str(error).splitlines()[0]})
            advance(clip.path.name)
    return found


def _show(report: dict[str, Any]) -> None:
    of = f" of {report['expected']}" if report["expected"] else ""
    emit(f"{report['name']} in {report['folder']}: {report['clips']}{of} clips, {len(report['classes'])} classes")
    for what in ("folds", "splits"):
        if report[what]:
            emit(f"  {what}: " + ", ".join(f"{key}: {count}" for key, count in report[what].items()))
    counts = sorted(set(report["classes"].values()))
    emit(f"  clips a class: {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else ""))
    for what in ("missing", "unreadable"):
        if report[what]:
            first = report[what][0]
            emit(f"  {len(report[what])} {what}, the first: {first if isinstance(first, str) else first['path']}")
    if report["whole"]:
        emit("  the copy is whole")
    else:
        emit(f"  the copy is not whole{'; get it at ' + report['home'] if report['home'] else ''}")
