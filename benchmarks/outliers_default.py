"""How the autoencoder detector's default was chosen: settings side by side on every other table, and on the tables between.

The choice looks at the first column alone ("chosen on"); the second says what it is worth where nobody looked.

Run: python benchmarks/outliers_default.py TABLES -o benchmarks/results/outliers-default.json
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import ossicle
from ossicle.runs.environment import describe
from ossicle.runs.report import write_measurement

CANDIDATES: dict[str, dict[str, Any]] = {
    "knn": {"component": "knn"},
    "mod, three steps": {"component": "mod"},
    "default": {},
    "unshifted": {"shift_steps": 0},
    "distance alone": {"distance_weight": 1.0},
    "half distance": {"distance_weight": 0.5},
    "no distance": {"distance_weight": 0.0},
    "three shifts": {"shift_steps": 3},
    "trained for 1000 steps": {"steps": 1000},
    "shifted among all rows": {"reference_size": "all"},
}


def table(path: Path, rows: int, seed: int) -> tuple[Any, Any]:
    """Return at most so many rows of a table and their labels, drawn by the seed."""
    with np.load(path) as held:
        x, y = held["X"].astype(np.float64), held["y"]
    if len(x) > rows:
        chosen = np.random.default_rng(seed).choice(len(x), rows, replace=False)
        x, y = x[chosen], y[chosen]
    return x, y


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="goes on from what it holds")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--candidates", nargs="*", default=list(CANDIDATES), choices=list(CANDIDATES))
    given = parser.parse_args()
    with (given.tables / "manifest.csv").open(encoding="utf-8") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    aucs: dict[str, dict[str, float]] = {}
    if given.output.exists():
        aucs = json.loads(given.output.read_text("utf-8"))["auc"]
    for candidate in given.candidates:
        settings = dict(CANDIDATES[candidate])
        component = settings.pop("component", "autoencoder")
        found = aucs.setdefault(candidate, {})
        for name in [*names[::2], *names[1::2]]:
            if name in found:
                continue
            x, y = table(given.tables / f"{name}.npz", given.rows, given.seed)
            detector = ossicle.build("outlier-detector", component, seed=given.seed, **settings)
            found[name] = float(roc_auc_score(y, detector.fit(x).decision_scores_))
        means = {
            key: {
                "chosen_on": float(np.mean([row[name] for name in names[::2]])),
                "reported_on": float(np.mean([row[name] for name in names[1::2]])),
            }
            for key, row in aucs.items()
            if len(row) == len(names)
        }
        result = {"rows": given.rows, "seed": given.seed, "mean_auc": means, "auc": aucs, "environment": describe()}
        write_measurement(given.output, result, title="Settings of the outlier detector side by side")
        print(f"{candidate}: {means[candidate]}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
