"""`ossicle compare`: whether one run is better than another, and how sure that is."""

from __future__ import annotations

import csv
import json as json_module
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, table
from ossicle.errors import ConfigError, InputError, UsageError


@dataclass(frozen=True)
class Answers:
    """What the runs of one method said of clips: (method, place of the run) and whether each answer was right."""

    method: str
    keys: tuple[tuple[str, str], ...]
    right: tuple[bool, ...]
    sources: tuple[str, ...]
    by_run: dict[str, float]


def compare(
    runs: Annotated[list[str], Parameter(name="RUN", help="Run folders with summary.json and predictions.csv.")],
    /,
    *,
    network: Annotated[str, Parameter(help="Whose predictions count: ema, net, teacher, ...")] = "ema",
    baseline: Annotated[str | None, Parameter(help="Compare every method with this one alone.")] = None,
    json: options.Json = False,
) -> int:
    """Compare runs on the same clips: errors with intervals, and tests of every pair of methods.

    Runs of one method (over seeds or folds) are taken together. Intervals are bootstrapped over recordings, since clips of one
    recording succeed and fail together. Pairs get McNemar's mid-p test over all clips, and a paired t test over seeds or folds
    where there are several (corrected for overlapping training sets where they are folds); p values are adjusted by Holm's method.

    Examples:
      ossicle compare runs/supervised-seed* runs/fixmatch-seed*
    """
    if len(runs) < 2:
        raise UsageError("one run cannot be compared", hint="name two or more")
    answers = _gather([Path(run) for run in runs], network)
    if len(answers) < 2:
        raise ConfigError(f"all runs are of the method {next(iter(answers))}", hint="name runs of two methods or more")
    if baseline is not None and baseline not in answers:
        raise ConfigError(f"no run is of the method {baseline!r}", hint=f"methods: {', '.join(answers)}")
    methods = [_describe(a) for a in answers.values()]
    pairs = _pairs(list(answers.values()), baseline)
    if json:
        emit_json({"network": network, "methods": methods, "pairs": pairs})
        return 0
    emit(
        table(
            [
                (
                    m["method"],
                    str(m["runs"]),
                    str(m["clips"]),
                    _percent(m["error"]),
                    f"{_percent(m['low'])} to {_percent(m['high'])}",
                )
                for m in methods
            ],
            ("method", "runs", "answers", "error %", "95 % interval"),
        )
    )
    emit("")
    emit(
        table(
            [
                (
                    p["first"],
                    p["second"],
                    _percent(p["difference"]),
                    f"{p['mcnemar_mid_p']:.3g}",
                    _number(p["t_p"]),
                    f"{p['holm_p']:.3g}",
                )
                for p in pairs
            ],
            ("first", "second", "difference (points)", "McNemar mid-p", "t test p", "McNemar, Holm"),
        )
    )
    return 0


def _gather(folders: Sequence[Path], network: str) -> dict[str, Answers]:
    found: dict[str, list[tuple[str, list[dict[str, str]]]]] = {}
    for folder in folders:
        try:
            summary = json_module.loads((folder / "summary.json").read_text("utf-8"))
            with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except (OSError, json_module.JSONDecodeError) as error:
            raise InputError(
                f"{folder} is no finished run",
                why=str(error),
                hint="name folders with summary.json and predictions.csv",
            ) from error
        if not rows or f"predicted_{network}" not in rows[0]:
            known = [c.removeprefix("predicted_") for c in (rows[0] if rows else {}) if c.startswith("predicted_")]
            raise ConfigError(f"{folder} has no predictions of {network!r}", hint=f"--network {' or '.join(known)}")
        place = f"seed {summary['seed']}" + (f", fold {summary['fold']}" if summary.get("fold") else "")
        found.setdefault(summary["method"], []).append((place, rows))
    return {method: _join(method, runs, network) for method, runs in found.items()}


def _join(method: str, runs: Sequence[tuple[str, list[dict[str, str]]]], network: str) -> Answers:
    keys, right, sources, by_run = [], [], [], {}
    for place, rows in runs:
        if place in by_run:
            raise ConfigError(f"two runs of {method} are of {place}", hint="name each once")
        answers = [row["label"] == row[f"predicted_{network}"] for row in rows]
        by_run[place] = 1 - sum(answers) / len(answers)
        keys += [(place, row["path"]) for row in rows]
        right += answers
        sources += [row.get("source") or row["path"] for row in rows]
    return Answers(method, tuple(keys), tuple(right), tuple(sources), by_run)


def _describe(answers: Answers) -> dict[str, Any]:
    from ossicle.runs.statistics import cluster_bootstrap

    error, low, high = cluster_bootstrap([not r for r in answers.right], answers.sources)
    return {
        "method": answers.method,
        "runs": len(answers.by_run),
        "clips": len(answers.right),
        "error": error,
        "low": low,
        "high": high,
        "by_run": answers.by_run,
    }


def _pairs(answers: list[Answers], baseline: str | None) -> list[dict[str, Any]]:
    from ossicle.runs.statistics import corrected_resampled_t, holm, mcnemar, paired_t

    rows: list[dict[str, Any]] = []
    for at, first in enumerate(answers):
        for second in answers[at + 1 :]:
            if baseline is not None and baseline not in (first.method, second.method):
                continue
            here = dict(zip(second.keys, second.right, strict=True))
            shared = [(r, here[key]) for key, r in zip(first.keys, first.right, strict=True) if key in here]
            if not shared:
                raise ConfigError(
                    f"{first.method} and {second.method} share no clip of one seed and fold",
                    hint="compare runs of equal seeds and folds",
                )
            ours, theirs = (([pair[side] for pair in shared]) for side in (0, 1))
            test = mcnemar(ours, theirs)  # type: ignore[arg-type]
            places = [place for place in first.by_run if place in second.by_run]
            differences = [first.by_run[place] - second.by_run[place] for place in places]
            folds = len({place.split(", fold ")[1] for place in places if ", fold " in place})
            t = None
            if len(differences) > 1:
                # k folds: each is tested on one part and trained on k - 1.
                t = (
                    corrected_resampled_t(differences, n_train=folds - 1, n_test=1)
                    if folds > 1
                    else paired_t(differences)
                )
            rows.append(
                {
                    "first": first.method,
                    "second": second.method,
                    "difference": (sum(theirs) - sum(ours)) / len(shared),
                    "clips": len(shared),
                    "first_only_right": test.first_only,
                    "second_only_right": test.second_only,
                    "mcnemar_exact_p": test.p_exact,
                    "mcnemar_mid_p": test.p_mid,
                    "t_p": None if t is None else t.p,
                }
            )
    for row, p in zip(rows, holm([row["mcnemar_mid_p"] for row in rows]), strict=True):
        row["holm_p"] = p
    return rows


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
