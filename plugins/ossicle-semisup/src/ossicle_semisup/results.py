"""Finished runs of a recipe, collected: means, intervals, tests, confusions, quality of the guesses, commands and machine."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ossicle.errors import ConfigError, InputError
from ossicle.runs.comparison import SUMMARY, FinishedRun, compare_pairs, describe_method, gather, read_run
from ossicle.runs.folder import RECORD

_EQUAL = ("recipe", "labels", "front_end", "backbone", "split")
"""Sections of the settings that all runs of a table share."""


def find_runs(places: Sequence[Path]) -> list[Path]:
    """Return run folders; a folder that is none itself is searched one level below.

    Raises
    ------
    InputError
        If nothing is named.
    """
    found = []
    for place in places:
        below = sorted(path.parent for path in place.glob(f"*/{SUMMARY}"))
        found += [place] if (place / SUMMARY).exists() or not below else below
    if not found:
        raise InputError("there are no runs", hint="name run folders, or a folder of them")
    return found


def collect(
    folders: Sequence[Path], *, network: str = "ema", baseline: str = "supervised", ignore: Sequence[str] = ()
) -> dict[str, Any]:
    """Return everything that a table shows, as plain values.

    Errors and differences are shares in [0, 1]; differences are a method's error minus the baseline's, so that below zero
    the method is better. Intervals are bootstrapped over recordings.

    Parameters
    ----------
    folders
        Finished runs of one recipe.
    network, baseline
        Whose answers count; the method that the others are compared with.
    ignore
        Training settings in which runs of one method may differ, such as ``strength`` where it has no strong view; they
        are named in the results.

    Raises
    ------
    InputError, ConfigError
        If a folder is no finished run, or the runs do not belong into one table.
    """
    runs = [read_run(folder) for folder in folders]
    records = [_record(run) for run in runs]
    _check_settings(runs, records, ignore)
    answers = gather(runs, network)
    if len(answers) > 1 and baseline not in answers:
        raise ConfigError(f"no run is of the method {baseline!r}", hint=f"name another: {', '.join(answers)}")
    methods = []
    for method, given in answers.items():
        own = [run for run in runs if run.method == method]
        described = describe_method(given)
        methods.append(
            {
                "method": method,
                "runs": len(own),
                "answers": len(given.right),
                **_spread(list(given.by_run.values())),
                "low": described["low"],
                "high": described["high"],
                "by_run": given.by_run,
                "first_network": _spread([float(run.summary["error_rate"]) for run in own]),
                "wall_s": statistics.fmean(float(run.summary["wall_s"]) for run in own),
                "cpu_s": _mean_or_none([run.summary.get("cpu_s") for run in own]),
                "confusion": _confusion(own, network),
                "guesses": _guesses(own),
            }
        )
    for pair in compare_pairs(list(answers.values()), baseline):
        method = pair["second"] if pair["first"] == baseline else pair["first"]
        row = next(row for row in methods if row["method"] == method)
        turned = pair["first"] == baseline
        row["against_baseline"] = _against(pair, row["by_run"], answers[baseline].by_run, turned=turned)
    methods.sort(key=lambda row: (row["method"] != baseline, row["mean"]))
    summary, settings = runs[0].summary, records[0]["settings"]
    return {
        "recipe": settings["recipe"]["summary"],
        "tested_on": summary["tested_on"],
        "network": network,
        "baseline": baseline,
        "ignored": list(ignore),
        "labels": [str(label) for label in summary["labels"]],
        "methods": methods,
        "environments": _environments(runs, records),
        "runs": [_row(run, record) for run, record in zip(runs, records, strict=True)],
    }


def _record(run: FinishedRun) -> dict[str, Any]:
    needed = ("error_rate", "error_rate_ema", "n_labeled", "n_test", "steps", "wall_s", "labels", "tested_on")
    absent = [name for name in needed if name not in run.summary]
    if absent:
        raise InputError(f"{run.folder} is no run of a semi-supervised recipe", why=f"it has no {', '.join(absent)}")
    try:
        record = json.loads((run.folder / RECORD).read_text("utf-8"))
        settings = record["settings"]
        settings["recipe"]["summary"], settings["labels"], settings["training"], record["environment"]["command"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{run.folder} has no {RECORD} that can be read", why=repr(error)) from error
    return record


def _check_settings(runs: Sequence[FinishedRun], records: Sequence[Mapping[str, Any]], ignore: Sequence[str]) -> None:
    """Refuse runs of several data sets or numbers of labels, and runs of one method with several settings."""
    first = records[0]["settings"]
    by_method: dict[str, tuple[Path, dict[str, Any]]] = {}
    for run, record in zip(runs, records, strict=True):
        settings = record["settings"]
        apart = [name for name in _EQUAL if settings.get(name) != first.get(name)]
        if apart or run.summary["labels"] != runs[0].summary["labels"]:
            raise ConfigError(
                f"{run.folder} does not belong into a table with {runs[0].folder}",
                why=f"they differ in {', '.join(apart) or 'the names of classes'}",
            )
        training = {name: value for name, value in settings["training"].items() if name not in ("seed", *ignore)}
        own = {"training": training, "method": settings.get("method"), "steps": run.summary["steps"]}
        where, before = by_method.setdefault(run.method, (run.folder, own))
        if before != own:
            raise ConfigError(
                f"{where} and {run.folder} are both of {run.method}, with different settings",
                why=f"they differ in {', '.join(_differences(own, before))}",
                hint="make a table of each; --ignore KEY where a training setting means nothing to the method",
            )


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], path: str = "") -> list[str]:
    found = []
    for name in {**one, **other}:
        a, b = one.get(name), other.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _differences(a, b, f"{path}{name}.")
        elif a != b:
            found.append(f"{path}{name} ({b} and {a})")
    return found


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": statistics.fmean(values), "sd": statistics.stdev(values) if len(values) > 1 else None}


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def _against(
    pair: Mapping[str, Any], own: Mapping[str, float], base: Mapping[str, float], *, turned: bool
) -> dict[str, Any]:
    by_run = {place: own[place] - base[place] for place in own if place in base}
    return {
        "low": -pair["high"] if turned else pair["low"],
        "high": -pair["low"] if turned else pair["high"],
        "by_run": by_run,
        **_spread(list(by_run.values())),
        "better_in": sum(value < 0 for value in by_run.values()),
        **{name: pair[name] for name in ("mcnemar_mid_p", "mcnemar_exact_p", "holm_p", "t_p")},
    }


def _confusion(runs: Sequence[FinishedRun], network: str) -> list[list[int]]:
    """Return how often each class (a row) was called each class (a column), over all runs."""
    count = len(runs[0].summary["labels"])
    table = [[0] * count for _ in range(count)]
    for run in runs:
        for row in run.predictions:
            table[int(row["label"])][int(row[f"predicted_{network}"])] += 1
    return table


def _guesses(runs: Sequence[FinishedRun]) -> dict[str, Any] | None:
    """Return how right the guesses of a method were, class by class, among those that it trained on at the end."""
    tables = [run.summary.get("guesses_by_true_class") for run in runs]
    if not all(tables):
        return None
    classes = range(len(tables[0]))  # type: ignore[arg-type]
    total = [[sum(table[i][j] for table in tables) for j in classes] for i in classes]  # type: ignore[index]
    of_class = [sum(row) for row in total]
    guessed = [sum(row[j] for row in total) for j in classes]
    counted = sum(of_class)
    if not counted:
        return None
    return {
        "counted": counted,
        "accuracy": sum(total[k][k] for k in classes) / counted,
        "precision": [total[k][k] / guessed[k] if guessed[k] else None for k in classes],
        "recall": [total[k][k] / of_class[k] if of_class[k] else None for k in classes],
    }


def _row(run: FinishedRun, record: Mapping[str, Any]) -> dict[str, Any]:
    labels = record["settings"]["labels"]
    each, summary = labels.get("per_class"), run.summary
    return {
        "method": run.method,
        "seed": summary["seed"],
        "fold": summary.get("fold"),
        "labels": f"{each} a class" if each is not None else f"{100 * labels['share']:g} %",
        **{name: summary[name] for name in ("steps", "error_rate", "error_rate_ema", "n_labeled", "n_test", "wall_s")},
        "command": bare_command(record["environment"]["command"]),
        "commit": record["environment"].get("commit"),
        "utc": record["environment"].get("utc"),
    }


def bare_command(command: str) -> str:
    """Return a command whose folders are named by their last part alone: where they lay is nobody's business."""
    return " ".join(word.rstrip("/").rpartition("/")[2] for word in command.split(" "))


def _environments(runs: Sequence[FinishedRun], records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the machines and versions that the runs were made with, each once, with the runs made there."""
    found: list[dict[str, Any]] = []
    for run, record in zip(runs, records, strict=True):
        place = {k: v for k, v in record["environment"].items() if k not in ("utc", "command", "commit")}
        name = f"{run.method}, {run.place}"
        known = next((other for other in found if {k: v for k, v in other.items() if k != "runs"} == place), None)
        if known:
            known["runs"].append(name)
        else:
            found.append({**place, "runs": [name]})
    return found
