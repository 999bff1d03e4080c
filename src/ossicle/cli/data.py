"""`ossicle data`: data sets that plugins know, and whether a copy of one is whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from ossicle.cli import options
from ossicle.cli.console import STDIO, emit, emit_json, progress, table
from ossicle.cli.sums import read_sums, relative_name, sum_files, write_sums
from ossicle.errors import ConfigError, InputError, OssicleError, UsageError
from ossicle.registry import default_registry

KNOWN = "known"
_SHOWN = 10

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
    sums: Annotated[
        str | None,
        Parameter(help="Compare every clip's SHA-256 with this list; 'known': with those that the data set carries."),
    ] = None,
    write: Annotated[
        str | None, Parameter(name="--write-sums", help="Write the SHA-256 of every clip to this file.")
    ] = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Check a copy of a data set: layout, number of clips, classes, folds, missing, unreadable and altered files.

    Examples:
      ossicle data check esc50 ~/ESC-50-master
      ossicle data check urbansound8k ~/UrbanSound8K --decode
      ossicle data check fsdd ~/fsdd --write-sums fsdd.sha256
      ossicle data check fsdd /mnt/copy --sums fsdd.sha256
    """
    if STDIO in (sums, write):
        raise UsageError("lists of sums are files", hint="name one")
    if write and Path(write).expanduser().exists() and not force:
        raise UsageError(f"{write} is there already", hint="name another file, or say --force")
    dataset = default_registry().build("dataset", name, folder=folder)
    place = Path(getattr(dataset, "folder", Path(folder).expanduser()))
    listed = None if sums is None else _listed(sums, name, dataset)
    clips = dataset.clips()
    names = {relative_name(clip.path, place): clip for clip in clips}
    missing = [str(clip.path) for clip in clips if not clip.path.is_file()]
    unreadable = _undecodable(clips, set(missing), quiet) if decode else []
    found: dict[str, str | None] = {}
    if listed is not None or write:
        with progress(len({*names, *(listed or {})}), "sums", quiet=quiet) as advance:
            found = sum_files(place, dict.fromkeys([*names, *(listed or {})]), advance)
    missing += [str(place / key) for key in listed or {} if found[key] is None and key not in names]
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
    troubles = [missing, unreadable]
    if listed is not None:
        report["altered"] = [key for key, value in listed.items() if found[key] not in (None, value)]
        report["unlisted"] = [key for key in names if key not in listed]
        report["compared"] = sum(found[key] is not None for key in listed)
        troubles += [report["altered"], report["unlisted"]]
    if write:
        summed = {key: value for key in names if (value := found[key]) is not None}
        write_sums(Path(write).expanduser(), summed)
        report["sums_written"] = len(summed)
    whole = not any(troubles) and expected in (None, len(clips))
    report["whole"] = whole
    if json:
        emit_json(report)
    else:
        _show(report)
    return 0 if whole else InputError.exit_code


def _listed(sums: str, name: str, dataset: Any) -> Mapping[str, str]:
    if sums != KNOWN:
        return read_sums(Path(sums).expanduser())
    carried = getattr(dataset, "sums", None)
    if not carried:
        raise ConfigError(
            f"no sums of {name} are known", hint="write a list of a copy that you trust, by --write-sums FILE"
        )
    return {key: value.lower() for key, value in carried.items()}


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
    for what in ("missing", "unreadable", "altered", "unlisted"):
        found = [item if isinstance(item, str) else item["path"] for item in report.get(what, ())]
        if found:
            emit(f"  {len(found)} {what}: " + ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else ""))
    if "compared" in report:
        emit(f"  sums: {report['compared'] - len(report['altered'])} of {report['compared']} files are as listed")
    if "sums_written" in report:
        emit(f"  sums of {report['sums_written']} clips written")
    if report["whole"]:
        emit("  the copy is whole")
    else:
        emit(f"  the copy is not whole{'; get it at ' + report['home'] if report['home'] else ''}")
