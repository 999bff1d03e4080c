"""Two tries at a better default of the autoencoder detector: columns scaled otherwise, and neighbours' distance in the score.

Parts of scores are computed once for each table, seed and scaling, and blended in many ways. Blends are chosen on every other table of the
manifest alone; the tables between are measured only with --others, for the blends that are named.

Run: python benchmarks/outliers_tries.py TABLES -o benchmarks/results/outliers-tries.json
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from outliers_default import table
from scipy import stats
from sklearn.metrics import roc_auc_score

import ossicle
from ossicle.runs.environment import describe
from ossicle.runs.folder import write_json
from ossicle_outliers.autoencoder import AutoencoderDetector

SEEDS = (0, 1, 2)
Parts = Mapping[str, Any]


def as_it_is(x: Any) -> Any:
    """Return the rows: the detectors bring columns to mean zero and deviation one."""
    return x


def robust(x: Any) -> Any:
    """Return columns by median and quartiles, cut at ten of their ranges; a column without a range stays."""
    low, middle, high = np.percentile(x, [25, 50, 75], axis=0)
    wide = high > low
    return np.where(wide, np.clip((x - middle) / np.where(wide, high - low, 1), -10, 10), x)


def soft(at: float) -> Callable[[Any], Any]:
    """Return what lets a column grow by the logarithm alone beyond so many interquartile ranges from its median."""

    def scale(x: Any) -> Any:
        low, middle, high = np.percentile(x, [25, 50, 75], axis=0)
        wide = high > low
        z = (x - middle) / np.where(wide, high - low, 1)
        beyond = np.maximum(np.abs(z) - at, 0)
        return np.where(wide, np.sign(z) * (np.minimum(np.abs(z), at) + np.log1p(beyond)), x)

    return scale


def normal_ranks(x: Any) -> Any:
    """Return each column as normal quantiles of its ranks; equal values stay equal."""
    return stats.norm.ppf((stats.rankdata(x, axis=0) - 0.5) / len(x))


def half_ranks(x: Any) -> Any:
    """Return standardised columns beside their normal ranks: twice as many."""
    deviation = x.std(0)
    return np.hstack([(x - x.mean(0)) / np.where(deviation > 0, deviation, 1), normal_ranks(x)])


SCALINGS: dict[str, Callable[[Any], Any]] = {
    "as it is": as_it_is,
    "robust": robust,
    "soft at 10": soft(10),
    "soft at 5": soft(5),
    "soft at 3": soft(3),
    "normal ranks": normal_ranks,
    "beside ranks": half_ranks,
}


class _Open(AutoencoderDetector):
    """Keeps the two parts of its score apart that the default had before it had soft tails and neighbours."""

    def _blend(self, network: Any, distance: Any, away: Any) -> Any:
        self.parts = network.numpy(), distance.numpy()
        return super()._blend(network, distance, away)


def parts_of(x: Any, seed: int, scaling: str) -> dict[str, Any]:
    """Return parts of scores, (n,) each."""
    x = SCALINGS[scaling](x)
    found: dict[str, Any] = {}
    shapes: dict[str, dict[str, Any]] = {"": {}}
    if scaling == "as it is":
        shapes |= {" k5": {"neighbors": 5}, " k20": {"neighbors": 20}, " of 512": {"reference_size": 512}}
    for name, settings in shapes.items():
        detector = _Open(seed=seed, neighbor_share=0.0, tail_from=0.0, **settings).fit(x)
        found[f"network{name}"], found[f"shift{name}"] = detector.parts
    for k in (5, 20, 50):
        given = {"neighbors": min(k, len(x) - 1)}
        found[f"knn{k}"] = ossicle.build("outlier-detector", "knn", **given).fit(x).decision_scores_
    for k in (3, 10):
        draws = [
            ossicle.build("outlier-detector", "knn", neighbors=k, reference_size=256, seed=100 * seed + draw)
            for draw in range(3)
        ]
        found[f"sample-knn{k}"] = np.mean([draw.fit(x).decision_scores_ for draw in draws], axis=0)
    return found


def unit(scores: Any) -> Any:
    """Return scores by median and upper spread, as the detector brings its parts together."""
    middle, upper = np.percentile(scores, [50.0, 84.13])
    return (scores - middle) / ((upper - middle) or 1.0)


def blend(**weights: float) -> Callable[[Parts], Any]:
    """Return what adds standardised parts; names have ``_`` for a space and ``__`` for a hyphen."""
    names = {name.replace("__", "-").replace("_", " "): weight for name, weight in weights.items()}
    return lambda parts: sum(weight * unit(parts[name]) for name, weight in names.items())


def ranks(*names: str) -> Callable[[Parts], Any]:
    """Return the mean of parts' ranks."""
    return lambda parts: sum(stats.rankdata(parts[name]) for name in names)


BLENDS: dict[str, Callable[[Parts], Any]] = {
    "default": blend(network=0.25, shift=0.75),  # of that time
    "k 5": blend(network_k5=0.25, shift_k5=0.75),
    "k 20": blend(network_k20=0.25, shift_k20=0.75),
    "samples of 512": blend(network_of_512=0.25, shift_of_512=0.75),
    "k 5, 10, 20 together": blend(network=0.25, shift=0.25, shift_k5=0.25, shift_k20=0.25),
    "knn 20 alone": blend(knn20=1),
    "sample knn 3 alone": blend(sample__knn3=1),
    "ranks of network and shift": ranks("network", "shift"),
    "ranks of network and knn 20": ranks("network", "knn20"),
    "ranks of shift and knn 20": ranks("shift", "knn20"),
    "ranks of network, shift, knn 20": ranks("network", "shift", "knn20"),
    "network and knn 20": blend(network=0.25, knn20=0.75),
    "network and knn 5": blend(network=0.25, knn5=0.75),
    "network and knn 50": blend(network=0.25, knn50=0.75),
    "network and sample knn 3": blend(network=0.25, sample__knn3=0.75),
    "network and sample knn 10": blend(network=0.25, sample__knn10=0.75),
    "network, shift, knn 20": blend(network=0.25, shift=0.375, knn20=0.375),
    "network, shift, sample knn 3": blend(network=0.25, shift=0.375, sample__knn3=0.375),
    "network, shift, sample knn 10": blend(network=0.25, shift=0.375, sample__knn10=0.375),
    "network, more shift, knn 20": blend(network=0.1, shift=0.5, knn20=0.4),
}


def waiting(known: Mapping[str, float], only: set[str] | None) -> dict[str, list[str]]:
    """Return the blends of each scaling that are still to be measured; a part that a scaling lacks is missed by all of its blends."""
    if only is None:
        done = {name.partition(": ")[0] for name in known}
        return {scaling: list(BLENDS) for scaling in SCALINGS if scaling not in done}
    found: dict[str, list[str]] = {}
    for scaling, _, name in (text.partition(": ") for text in sorted(only - set(known))):
        found.setdefault(scaling, []).append(name)
    return found


def measure(x: Any, y: Any, seed: int, wanted_by: Mapping[str, list[str]]) -> dict[str, float]:
    """Return the AUC of scalings and blends on one table."""
    found = {}
    for scaling, wanted in wanted_by.items():
        parts = parts_of(x, seed, scaling)
        for name in wanted:
            try:
                found[f"{scaling}: {name}"] = round(float(roc_auc_score(y, BLENDS[name](parts))), 4)
            except KeyError:
                continue  # a part that this scaling does not have
    return found


def pools_of(fsdd: Path, foreign: Path, cache: Path, only: set[str]) -> dict[str, dict[str, float]]:
    """Return the mean AUC over seeds of scalings and blends on the pools of clips of the recipe fsdd/outliers."""
    from types import SimpleNamespace

    from ossicle.toml import read_toml
    from ossicle_outliers.recipes import pools

    settings = read_toml(Path(__file__).parents[1] / "recipes" / "fsdd" / "outliers" / "recipe.toml")
    say: Any = SimpleNamespace(say=lambda text: print(text, file=sys.stderr))
    speech = pools.clip_vectors(fsdd, settings["vectors"], cache / "speech.npz", say)
    sounds = pools.clip_vectors(foreign, settings["vectors"], cache / "foreign.npz", say)
    vectors, names = {**speech, **sounds}, pools.digits(list(speech), settings["run"]["takes"])
    found: dict[str, dict[str, float]] = {}
    for pool in settings["pools"]:
        normal, odd = pools._parts(names, settings["run"]["takes"], pool, sorted(sounds))
        aucs = []
        for seed in SEEDS:
            chosen, y = pools.draw_pool(normal, odd, pool["count"], seed)
            x = np.stack([vectors[name] for name in chosen]).astype(np.float64)
            aucs.append(measure(x, y, seed, waiting({}, only)))
        for name in sorted(only):
            found.setdefault(name, {})[pool["name"]] = round(statistics.fmean(one[name] for one in aucs), 4)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="goes on from what it holds")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--others", nargs="*", help="measure these (SCALING: BLEND) on the tables not chosen on")
    parser.add_argument(
        "--pools", nargs=2, type=Path, metavar=("FSDD", "ESC10"), help="measure those of --others on clips"
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/outliers-tries"), help="of clips, with --pools")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.pools:
        held = json.loads(given.output.read_text("utf-8"))
        held["audio_pools"] = pools_of(*given.pools, given.cache, set(given.others))
        held.setdefault("environment", {})["audio_pools"] = describe()
        write_json(given.output, held)
        return 0
    with (given.tables / "manifest.csv").open(encoding="utf-8") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    half, only = ("others", set(given.others)) if given.others else ("chosen_on", None)
    held = json.loads(given.output.read_text("utf-8")) if given.output.exists() else {}
    aucs = held.setdefault("auc", {}).setdefault(half, {})
    for name in names[1::2] if given.others else names[::2]:
        for seed in SEEDS:
            known = aucs.setdefault(name, {}).setdefault(str(seed), {})
            if not (missing := waiting(known, only)):
                continue
            known |= measure(*table(given.tables / f"{name}.npz", given.rows, seed), seed, missing)
            everywhere = set.intersection(*(set(one) for seeds in aucs.values() for one in seeds.values()))
            means = {
                key: statistics.fmean(statistics.fmean(one[key] for one in seeds.values()) for seeds in aucs.values())
                for key in everywhere
            }
            best = dict(sorted(means.items(), key=lambda item: -item[1]))
            held |= {"rows": given.rows, "seeds": SEEDS}
            held.setdefault("mean_auc", {})[half] = {key: round(value, 4) for key, value in best.items()}
            held.setdefault("environment", {})[half] = describe()
            write_json(given.output, held)
            print(name, seed, list(best.items())[:3], file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
