"""Finished runs: read, taken together by method, and compared pair by pair on the clips that both answered."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ossicle.errors import ConfigError, InputError

SUMMARY = "summary.json"
PREDICTIONS = "predictions.csv"
PREDICTED = "predicted_"
"""What the columns of networks' answers begin with."""


@dataclass(frozen=True)
class FinishedRun:
    """What a run left: its folder, ``summary.json``, and the rows of ``predictions.csv``."""

    folder: Path
    summary: dict[str, Any]
    predictions: list[dict[str, str]]

    @property
    def method(self) -> str:
        """Name of what was trained."""
        return str(self.summary["method"])

    @property
    def place(self) -> str:
        """Seed and fold: runs of several methods at one place are paired."""
        fold = self.summary.get("fold")
        return f"seed {self.summary['seed']}" + ("" if fold is None else f", fold {fold}")

    @property
    def networks(self) -> list[str]:
        """Names of the networks whose predictions are there."""
        return [name.removeprefix(PREDICTED) for name in self.predictions[0] if name and name.startswith(PREDICTED)]

    def right(self, network: str) -> list[bool]:
        """Return whether each answer of a network was right.

        Raises
        ------
        ConfigError
            If its predictions are not there.
        """
        if network not in self.networks:
            raise ConfigError(
                f"{self.folder} has no predictions of {network!r}", hint=f"--network {' or '.join(self.networks)}"
            )
        return [row["label"] == row[PREDICTED + network] for row in self.predictions]


def read_run(folder: Path) -> FinishedRun:
    """Read a finished run's folder.

    Raises
    ------
    InputError
        If a file is missing, damaged, or lacks what every run has.
    """
    hint = f"name folders with {SUMMARY} and {PREDICTIONS}, as recipes write them at their end"
    try:
        summary = json.loads((folder / SUMMARY).read_text("utf-8"))
        with (folder / PREDICTIONS).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{folder} is no finished run", why=str(error), hint=hint) from error
    if not isinstance(summary, dict) or not {"method", "seed"} <= set(summary):
        raise InputError(f"{folder} is no finished run", why=f"{SUMMARY} names no method or no seed", hint=hint)
    if not rows:
        raise InputError(f"{folder} is no finished run", why=f"{PREDICTIONS} holds no clip", hint=hint)
    if not {"path", "label"} <= set(rows[0]) or any(None in row or None in row.values() for row in rows):
        raise InputError(
            f"{folder} is no finished run", why=f"{PREDICTIONS} lacks a column or part of a row", hint=hint
        )
    return FinishedRun(folder, summary, rows)


@dataclass(frozen=True)
class Answers:
    """What the runs of one method said of clips.

    Parameters
    ----------
    method
        Its name.
    keys
        (place of the run, path of the clip) of each answer.
    right
        Whether each was right.
    sources
        The recording of each clip; its path where no recording is known.
    by_run
        Error rate at each place.
    """

    method: str
    keys: tuple[tuple[str, str], ...]
    right: tuple[bool, ...]
    sources: tuple[str, ...]
    by_run: dict[str, float]


def gather(runs: Iterable[FinishedRun], network: str) -> dict[str, Answers]:
    """Return the answers of each method, its runs over seeds and folds taken together.

    Raises
    ------
    ConfigError
        If two runs of a method are of one place, a network's predictions are missing, or some runs were tested on the test
        set and others on held-out training clips.
    """
    methods: dict[str, list[FinishedRun]] = {}
    tested: dict[str, Path] = {}
    for run in runs:
        methods.setdefault(run.method, []).append(run)
        tested.setdefault(str(run.summary.get("tested_on", "test set")), run.folder)
    if len(tested) > 1:
        shown = "; ".join(f"{folder}: {what}" for what, folder in tested.items())
        raise ConfigError("the runs were tested on different clips", why=shown, hint="name runs of one kind")
    return {method: _together(method, found, network) for method, found in methods.items()}


def _together(method: str, runs: Sequence[FinishedRun], network: str) -> Answers:
    keys: list[tuple[str, str]] = []
    right: list[bool] = []
    sources: list[str] = []
    by_run: dict[str, float] = {}
    for run in runs:
        if run.place in by_run:
            raise ConfigError(f"two runs of {method} are of {run.place}", hint="name each once")
        answers = run.right(network)
        by_run[run.place] = 1 - sum(answers) / len(answers)
        keys += [(run.place, row["path"]) for row in run.predictions]
        right += answers
        sources += [row.get("source") or row["path"] for row in run.predictions]
    return Answers(method, tuple(keys), tuple(right), tuple(sources), by_run)


def describe_method(answers: Answers) -> dict[str, Any]:
    """Return a method's error rate with its 95 % interval over recordings, and the error of each run."""
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


def compare_pairs(answers: Sequence[Answers], baseline: str | None = None) -> list[dict[str, Any]]:
    """Return a row for every pair of methods, or for every pair with the baseline.

    Differences are error of the first minus error of the second, with a 95 % interval over recordings. ``t_p`` is of the
    paired t test over places: corrected for overlapping training sets where there are several folds.

    Raises
    ------
    ConfigError
        If two methods share no answer.
    """
    from ossicle.runs.statistics import holm

    rows = [
        _pair(first, second)
        for at, first in enumerate(answers)
        for second in answers[at + 1 :]
        if baseline is None or baseline in (first.method, second.method)
    ]
    for row, p in zip(rows, holm([row["mcnemar_mid_p"] for row in rows]), strict=True):
        row["holm_p"] = p
    return rows


def _pair(first: Answers, second: Answers) -> dict[str, Any]:
    from ossicle.runs.statistics import cluster_bootstrap, mcnemar

    there = dict(zip(second.keys, second.right, strict=True))
    shared = [
        (right, there[key], source)
        for key, right, source in zip(first.keys, first.right, first.sources, strict=True)
        if key in there
    ]
    if not shared:
        raise ConfigError(
            f"{first.method} and {second.method} share no clip of one seed and fold",
            hint="compare runs of equal seeds and folds",
        )
    ours, theirs, sources = (list(column) for column in zip(*shared, strict=True))
    difference, low, high = cluster_bootstrap([int(t) - int(o) for o, t, _ in shared], sources)
    test = mcnemar(ours, theirs)  # type: ignore[arg-type]
    return {
        "first": first.method,
        "second": second.method,
        "difference": difference,
        "low": low,
        "high": high,
        "clips": len(shared),
        "first_only_right": test.first_only,
        "second_only_right": test.second_only,
        "mcnemar_exact_p": test.p_exact,
        "mcnemar_mid_p": test.p_mid,
        "t_p": _over_places(first.by_run, second.by_run),
    }


def _over_places(first: dict[str, float], second: dict[str, float]) -> float | None:
    from ossicle.runs.statistics import corrected_resampled_t, paired_t

    places = [place for place in first if place in second]
    if len(places) < 2:
        return None
    differences = [first[place] - second[place] for place in places]
    folds = len({place.split(", fold ")[1] for place in places if ", fold " in place})
    # k folds: each is tested on one part and trained on k - 1.
    test = corrected_resampled_t(differences, n_train=folds - 1, n_test=1) if folds > 1 else paired_t(differences)
    return test.p
