"""Machines as DCASE's Task 2 lays them out: a model of each machine's normal sound, measured on its test recordings.

``MACHINE/train/normal_id_00_*.wav`` and ``MACHINE/test/{normal,anomaly}_id_00_*.wav`` (2020), or ``section_00_source_test_normal_*.wav``
(from 2021 on). One model a machine, as the baseline has it; every id or section is measured by itself.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ossicle.audio.files import SUFFIXES
from ossicle.errors import InputError
from ossicle.runs.report import leave_report
from ossicle_outliers.fitted import Fitted
from ossicle_outliers.hearing import heard
from ossicle_outliers.measures import harmonic_mean, report
from ossicle_outliers.recipes.detectors import build, spread_of
from ossicle_outliers.recipes.options import Options
from ossicle_outliers.recipes.page import histograms, side_by_side
from ossicle_outliers.recipes.results import Results, over_seeds, write_table
from ossicle_outliers.sound.analysis import build_analysis
from ossicle_outliers.sound.machine import write_machine
from ossicle_outliers.sound.pool import lowest_rates, read_pool
from ossicle_outliers.sound.scoring import ClipScorer, Scored
from ossicle_outliers.sound.settings import settings_for

_NAME = re.compile(r"(?P<state>normal|anomaly)_(?P<unit>id_\d+)|(?P<section>section_\d+)_\w+?_(?P<what>normal|anomaly)")


@dataclass(frozen=True)
class Recording:
    """A file, the id or section it is of, and whether it is an anomaly."""

    path: Path
    unit: str
    anomaly: bool


def recordings(folder: Path) -> list[Recording]:
    """Return the recordings in a folder, by their names.

    Raises
    ------
    InputError
        If there is none, or a name is not one of DCASE's.
    """
    found = []
    for path in sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES):
        match = _NAME.search(path.stem)
        if not match:
            raise InputError(f"{path.name} is not named as DCASE's Task 2 has it", hint="normal_id_00_00000000.wav")
        unit, state = match["unit"] or match["section"], match["state"] or match["what"]
        found.append(Recording(path, unit, state == "anomaly"))
    if not found:
        raise InputError(
            f"{folder} holds no recordings", hint="the data of DCASE Task 2 has MACHINE/train and MACHINE/test"
        )
    return found


def machines(folder: Path, wanted: Sequence[str]) -> list[Path]:
    """Return the folders of machines: those wanted, else all that have ``train`` and ``test``.

    Raises
    ------
    InputError
        If there is none.
    """
    known = sorted(p for p in folder.iterdir() if (p / "train").is_dir() and (p / "test").is_dir())
    found = [p for p in known if not wanted or p.name in wanted]
    if not found:
        names = ", ".join(p.name for p in known) or "none"
        raise InputError(f"{folder} holds no machine to take", why=f"with train and test: {names}")
    return found


def measure(machine: Path, method: Mapping[str, Any], seed: int, max_rows: int) -> dict[str, Any]:
    """Fit on a machine's normal recordings and return ``units``: auc, pauc and ap of each id or section; and ``scores`` by group."""
    own = dict(method)
    sound = {key: own.pop(key) for key in ("vectors", "aggregate", "top_share") if key in own}
    train = [r.path for r in recordings(machine / "train")]
    settings = settings_for(sound.pop("vectors", "statistics"), lowest_rates(train), **sound)
    analysis = build_analysis(settings)
    detector = build(own, seed).fit(read_pool(train, analysis, max_rows=max_rows, seed=seed).rows)
    scorer = ClipScorer(Fitted(detector, analysis.columns, float(detector.threshold_), sound=settings))
    test = recordings(machine / "test")
    scored = []
    for result in scorer.score_all([r.path for r in test]):
        if not isinstance(result, Scored):
            raise InputError(f"{result[0]} cannot be scored", why=result[1].what)
        scored.append(result.score)
    units = np.array([r.unit for r in test])
    anomaly = np.array([int(r.anomaly) for r in test])
    values = np.array(scored)
    found: dict[str, Any] = {
        unit: report(values[units == unit], anomaly[units == unit]) for unit in dict.fromkeys(units.tolist())
    }
    return {"units": found, "scores": spread_of(values, anomaly)}


def run(options: Options) -> int:
    """Measure every method on every machine and seed; without ``--data`` on machines that are made up."""
    settings = options.settings
    folder = options.data["data"]
    if folder is None:
        folder = options.out.parent / f"{options.out.name}-machines"
        for name, seed in settings["synthetic"]["machines"].items():
            if not (folder / name).exists():
                given = {key: value for key, value in settings["synthetic"].items() if key != "machines"}
                write_machine(folder, machine=name, seed=seed, **given)
        options.say("no --data: these machines are made up, and say nothing of real ones")
    else:
        folder = options.need("data")
    results = Results(options.out, settings)
    chosen = machines(folder, settings["run"]["machines"])
    for machine in chosen:
        for seed in settings["run"]["seeds"]:
            for method, given in settings["methods"].items():
                key = {"machine": machine.name, "method": method, "seed": seed}
                done = results.measure(key, partial(measure, machine, given, seed, settings["run"]["max_rows"]))
                aucs = [found["auc"] for found in done["units"].values()]
                options.say(f"{machine.name:<16} {method:<20} seed {seed}  mean AUC {statistics.fmean(aucs):.4f}")
    lines = []
    for row in results.rows():
        units: dict[str, dict[str, float]] = row["units"]
        auc, pauc = ([found[name] for found in units.values()] for name in ("auc", "pauc"))
        means = {"auc": statistics.fmean(auc), "pauc": statistics.fmean(pauc)}
        harmonic = {"auc_harmonic": harmonic_mean(auc), "pauc_harmonic": harmonic_mean(pauc)}
        lines.append({"machine": row["machine"], "method": row["method"], "units": len(units), **means, **harmonic})
    measures = ("auc", "pauc", "auc_harmonic", "pauc_harmonic")
    table = over_seeds(lines, ("machine", "method"), measures, ("units",))
    for row in table:
        row["data"] = "made up" if options.data["data"] is None else folder.name
    write_table(options.out / "results.csv", table)
    found = [
        side_by_side("ROC AUC", table, "machine"),
        *histograms(results.rows(), "machine", list(settings["methods"])),
    ]
    recordings_of = heard("Normal beside abnormal", {machine.name: _pair(machine) for machine in chosen})
    leave_report(options.out, [*found, recordings_of], say=options.say)
    print(options.out / "results.csv")
    return 0


def _pair(machine: Path) -> dict[str, Path]:
    """Return a normal and an abnormal recording of a machine."""
    test = recordings(machine / "test")
    firsts = {state: next((r.path for r in test if r.anomaly == state), None) for state in (False, True)}
    return {f"{'abnormal' if s else 'normal'}: {path.stem}": path for s, path in firsts.items() if path is not None}
