"""A pool cleaned before learning: foreign clips among the unlabelled ones are found and left out, and a semi-supervised run shows
what that is worth.

Three pools: ``clean`` without foreign clips, ``mixed`` with them, and ``cleaned``, the mixed one without what scored highest. The learner
is another plugin's recipe, run as a program of its own, on manifests that this module writes; labelled and test clips are the same
in all three.
"""

from __future__ import annotations

import csv
import io
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.atomic import write_bytes
from ossicle.errors import InputError
from ossicle.recipes import find_recipe
from ossicle.registry import default_registry
from ossicle.runs.report import Section, Table, leave_report
from ossicle_outliers.hearing import heard
from ossicle_outliers.manifest import ranks_of
from ossicle_outliers.measures import roc_auc
from ossicle_outliers.recipes.detectors import HEARD, build, spread_of
from ossicle_outliers.recipes.options import Options
from ossicle_outliers.recipes.page import histograms
from ossicle_outliers.recipes.pools import clip_vectors, draw_pool
from ossicle_outliers.recipes.results import Results, write_table

POOLS = ("clean", "mixed", "cleaned")


class Clips:
    """The data set's clips in three parts by name: labelled (with labels), unlabelled, test (with labels); and the foreign ones."""

    def __init__(self, options: Options, seed: int) -> None:
        settings = options.settings
        dataset = default_registry().build("dataset", settings["data"]["dataset"], folder=options.need("data"))
        records = dataset.clips()
        parts = dataset.split(fold=settings["data"]["fold"])
        self.paths = {record.path.stem: record.path.resolve() for record in records}
        name = [record.path.stem for record in records]
        label = [dataset.labels[record.label] for record in records]
        self.test = {name[at]: label[at] for at in parts["test"]}
        draw = np.random.default_rng(seed)
        self.labelled: dict[str, str] = {}
        for wanted in dataset.labels:
            own = [at for at in parts["train"] if label[at] == wanted]
            count = settings["data"]["labels_per_class"]
            self.labelled |= {name[own[at]]: wanted for at in draw.permutation(len(own))[:count]}
        unlabelled = [name[at] for at in parts["train"] if name[at] not in self.labelled]
        cache = options.out.parent / f"{options.out.name}-cache"
        self.vectors = clip_vectors(options.need("data"), settings["vectors"], cache / "own.npz", options)
        foreign = options.need("foreign")
        known = clip_vectors(foreign, settings["vectors"], cache / "foreign.npz", options)
        self.vectors |= known
        self.paths |= {path.stem: path.resolve() for path in foreign.rglob("*") if path.stem in known}
        count = round(settings["data"]["foreign_share"] * len(unlabelled))
        self.pool, self.foreign = draw_pool(unlabelled, sorted(known), count, seed)


def find_foreign(clips: Clips, method: dict[str, Any], seed: int) -> npt.NDArray[np.float64]:
    """Return the scores of the pool's clips, labels unseen.

    ``fit_on = "pool"``: the detector is fitted on the pool itself. ``fit_on = "labelled"``: on the labelled clips, of which only
    is taken that they belong.
    """
    own = dict(method)
    x = np.stack([clips.vectors[name] for name in clips.pool])
    if own.pop("fit_on") == "pool":
        return build(own, seed).fit(x).decision_scores_
    return build(own, seed).fit(np.stack([clips.vectors[name] for name in clips.labelled])).decision_function(x)


def write_pool(folder: Path, clips: Clips, unlabelled: Sequence[str]) -> Path:
    """Write a manifest of labelled, unlabelled (no label) and test clips, and return its folder; no clip is copied or moved."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["path", "label", "split"])
    table.writerows([clips.paths[name], label, "train"] for name, label in sorted(clips.labelled.items()))
    table.writerows([clips.paths[name], "", "train"] for name in sorted(unlabelled))
    table.writerows([clips.paths[name], label, "test"] for name, label in sorted(clips.test.items()))
    write_bytes(folder / "manifest.csv", text.getvalue().encode())
    return folder


def learn(data: Path, out: Path, options: Options, seed: int) -> dict[str, float]:
    """Run the semi-supervised recipe on a pool and return its error on the test clips; a stopped run goes on.

    Raises
    ------
    InputError
        If it fails.
    """
    own = options.settings["learner"]
    script = find_recipe(default_registry(), own["recipe"]).folder / "run.py"
    command = [sys.executable, str(script), "--data", str(data), "--out", str(out), "--method", own["method"]]
    command += ["--labels-per-class", str(options.settings["data"]["labels_per_class"]), "--seed", str(seed), "--quiet"]
    command += ["--set", "recipe.dataset=manifest"]
    for section, values in own["set"].items():
        for name, value in values.items():
            command += ["--set", f"{section}.{name}={json.dumps(value)}"]
    if (out / "run.json").exists():
        command.append("--resume")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise InputError(f"the recipe {own['recipe']} failed on {data.name}", why=lines[-1])
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    return {"error": summary["error_rates"][own["network"]], "unlabelled": summary["n_unlabeled"]}


def run(options: Options) -> int:
    """Find, leave out, learn with and without; write ``results.csv``."""
    settings = options.settings
    results = Results(options.out, settings)
    leading: dict[str, Path] = {}
    for seed in settings["run"]["seeds"]:
        clips = Clips(options, seed)
        dropped: set[str] = set()
        for name, method in settings["detectors"].items():
            found = results.measure(
                {"what": "found", "by": name, "seed": seed}, partial(_find, clips, method, settings, seed)
            )
            options.say(
                f"seed {seed}: {name:<16} AUC {found['auc']:.4f}, "
                f"{found['hits']} of {int(clips.foreign.sum())} foreign among {len(found['dropped'])} left out"
            )
            if name == settings["run"]["detector"]:
                dropped = set(found["dropped"])
                if seed == settings["run"]["seeds"][0]:
                    leading = _leading(clips, found["dropped"])
        names = {
            "clean": [name for name, foreign in zip(clips.pool, clips.foreign, strict=True) if not foreign],
            "mixed": clips.pool,
            "cleaned": [name for name in clips.pool if name not in dropped],
        }
        for pool in POOLS if settings["run"]["learn"] else ():
            data = write_pool(options.out / f"{pool}-seed{seed}" / "data", clips, names[pool])
            place = options.out / f"{pool}-seed{seed}" / "run"
            answer = results.measure(
                {"what": "learned", "from": pool, "seed": seed}, partial(learn, data, place, options, seed)
            )
            options.say(f"seed {seed}: {pool:<8} error {100 * answer['error']:.2f} %")
    _report(results.rows(), options, leading)
    return 0


def _report(rows: Sequence[dict[str, Any]], options: Options, leading: Mapping[str, Path]) -> None:
    table: list[dict[str, Any]] = []
    for name in options.settings["detectors"]:
        own = [row for row in rows if row["what"] == "found" and row["by"] == name]
        for measure in ("auc", "recall", "precision"):
            table.append({"what": f"foreign clips by {name}: {measure}", **_mean([row[measure] for row in own])})
    for pool in POOLS:
        errors = [row["error"] for row in rows if row["what"] == "learned" and row["from"] == pool]
        if errors:
            table.append({"what": f"test error after learning from the {pool} pool", **_mean(errors)})
    write_table(options.out / "results.csv", table)
    cells = [[line["what"], line["seeds"], line["mean"], line["sd"] if line["sd"] != "" else None] for line in table]
    found = [{**row, "method": row["by"]} for row in rows if row["what"] == "found"]
    shown = histograms(found, "by", [options.settings["run"]["detector"]])
    sections: list[Section] = [Table("Results", ("what", "seeds", "mean", "sd"), cells), *shown]
    sections.append(heard("Left out first", {"highest scores": leading}, "First seed; nothing was deleted."))
    leave_report(options.out, sections, say=options.say)
    print(options.out / "results.csv")


def _leading(clips: Clips, dropped: Sequence[str]) -> dict[str, Path]:
    foreign = {name for name, is_foreign in zip(clips.pool, clips.foreign, strict=True) if is_foreign}
    return {f"{name}, {'foreign' if name in foreign else 'own'}": clips.paths[name] for name in dropped[:HEARD]}


def _find(clips: Clips, method: dict[str, Any], settings: dict[str, Any], seed: int) -> dict[str, Any]:
    scores = find_foreign(clips, method, seed)
    ranks = ranks_of(scores)
    wanted = round(settings["run"]["drop"] * len(clips.pool))
    dropped = [clips.pool[at] for at in np.argsort(ranks)[:wanted]]
    hits = int(clips.foreign[ranks <= wanted].sum())
    shares = {"recall": hits / int(clips.foreign.sum()), "precision": hits / wanted}
    found = {"auc": roc_auc(scores, clips.foreign), "hits": hits, **shares, "dropped": dropped}
    return {**found, "scores": spread_of(scores, clips.foreign)}


def _mean(values: Sequence[float]) -> dict[str, Any]:
    spread = statistics.stdev(values) if len(values) > 1 else ""
    return {"seeds": len(values), "mean": statistics.fmean(values), "sd": spread}
