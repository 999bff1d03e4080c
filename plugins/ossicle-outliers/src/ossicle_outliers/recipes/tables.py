"""Tables with labels that only the report sees: detectors by their mean ROC AUC over seeds, and their ranks over tables."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.atomic import write_bytes
from ossicle.errors import InputError
from ossicle.runs.report import Figure, Section, Table, leave_report
from ossicle_outliers.recipes.detectors import measured, sample_rows
from ossicle_outliers.recipes.options import Options
from ossicle_outliers.recipes.page import histograms, side_by_side
from ossicle_outliers.recipes.ranks import critical_difference_svg, rank_methods
from ossicle_outliers.recipes.results import Results, over_seeds, write_table

FIGURE = "critical-difference.svg"


def read_table(folder: Path, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return rows (n, d) and labels (n,) of ``NAME.npz``.

    Raises
    ------
    InputError
        If it is missing or has no ``X`` and ``y``.
    """
    try:
        with np.load(folder / f"{name}.npz", allow_pickle=False) as found:
            return found["X"].astype(np.float64), found["y"].astype(np.int64)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{folder / name}.npz is no table of this recipe", why=str(error)) from error


def names_of(folder: Path, wanted: list[str]) -> list[str]:
    """Return the tables to take: those wanted, else all that ``manifest.csv`` lists, the smallest first.

    Raises
    ------
    InputError
        If there is no manifest.
    """
    if wanted:
        return wanted
    try:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{folder} has no manifest.csv", why=str(error)) from error
    return [row["name"] for row in sorted(rows, key=lambda row: int(row["n"]) * int(row["d"]))]


def run(options: Options) -> int:
    """Measure every method on every table and seed; write the tables and the figure into the run folder."""
    folder, settings = options.need("data"), options.settings
    results = Results(options.out, settings)
    for name in names_of(folder, settings["data"]["tables"]):
        x, y = read_table(folder, name)
        for seed in settings["run"]["seeds"]:
            rows, marks = sample_rows(x, y, settings["run"]["max_rows"], seed)
            for method, given in settings["methods"].items():
                if seed != settings["run"]["seeds"][0] and given.get("one_seed"):
                    continue
                own = {key: value for key, value in given.items() if key != "one_seed"}
                key = {"table": name, "method": method, "seed": seed}

                facts = {"n": len(x), "rows": len(rows), "d": x.shape[1]}
                found = results.measure(key, partial(measured, facts, own, rows, marks, seed))
                options.say(f"{name:<18} {method:<20} seed {seed}  AUC {found['auc']:.4f}  {found['cpu_s']:.1f} s")
    report(results.rows(), options, list(settings["methods"]))
    return 0


def report(rows: list[dict[str, Any]], options: Options, methods: list[str]) -> None:
    """Write ``results.csv`` (a row for each table and method) the figure and ``report.html``; say the means."""
    table = over_seeds(rows, ("table", "method"), ("auc", "pauc", "ap", "cpu_s"), ("n", "rows", "d"))
    write_table(options.out / "results.csv", table)
    found: list[Section] = [side_by_side("ROC AUC", table, "table")]
    names = list(dict.fromkeys(row["table"] for row in table))
    auc = {(row["table"], row["method"]): row["auc"] for row in table}
    values = np.array([[auc[name, method] for method in methods] for name in names])
    for method, mean in zip(methods, values.mean(axis=0), strict=True):
        options.say(f"{method:<20} mean AUC over {len(names)} tables {mean:.4f}")
    if len(names) > 1 and len(methods) > 1:
        ranking = rank_methods(methods, values)
        title = f"Mean ranks by ROC AUC over {len(names)} tables (Friedman p = {ranking.p:.2g})"
        picture = critical_difference_svg(ranking, title)
        write_bytes(options.out / FIGURE, picture.encode())
        ranks: list[list[str | float]] = [[method, rank] for method, rank in zip(methods, ranking.ranks, strict=True)]
        note = (
            f"Friedman p = {ranking.p:.2g}; ranks that differ by less than {ranking.critical:.2f} are not told apart."
        )
        found.append(Table("Mean ranks", ("method", "mean rank"), ranks, note))
        found.append(Figure("Critical difference", picture, f"{title}; the table of mean ranks says the same"))
    leave_report(options.out, [*found, *histograms(rows, "table", methods)], say=options.say)
    print(options.out / "results.csv")
