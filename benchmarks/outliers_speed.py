"""Time the outlier plugin beside its peers, interleaved, and write medians as JSON.

Neighbours against scikit-learn's brute force and faiss' flat index; training and scoring against PyOD's AutoEncoder; peak
memory of fitting on 10,000 rows and scoring from 10,000 to 1,000,000.

Run: OMP_NUM_THREADS=1 python benchmarks/outliers_speed.py -o benchmarks/results/outliers-speed.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ossicle.runs.environment import PACKAGES, describe
from ossicle.runs.report import write_measurement
from ossicle.runs.timing import medians
from ossicle_outliers.autoencoder import AutoencoderDetector
from ossicle_outliers.neighbors import search

COLUMNS, K = 32, 20
VERSIONS = (*PACKAGES, "ossicle-outliers", "scikit-learn", "faiss-cpu", "pyod", "numba")
_MEMORY = """
import numpy as np, resource, sys
from ossicle_outliers.autoencoder import AutoencoderDetector
from ossicle_outliers.neighbors import search
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
draw = np.random.default_rng(0)
rows = draw.normal(size=({rows}, {columns})).astype("float32")
{warm}
before = peak()
{work}
print(before, peak())
"""


def rows_of(n: int) -> Any:
    """Return n rows around twenty centres, float32."""
    draw = np.random.default_rng(0)
    centres = 2.0 * draw.normal(size=(20, COLUMNS))
    return (centres[draw.integers(0, 20, n)] + draw.normal(size=(n, COLUMNS))).astype(np.float32)


def cpu_medians(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return each call's median CPU time in s, on one thread: it holds on a machine that others use too."""
    return medians(calls, device="cpu", rounds=rounds, warmup=0, clock=time.process_time)


def neighbours(n: int, rounds: int) -> dict[str, Any]:
    """Time the search of every row's 20 nearest, itself among them, and compare what was found."""
    import faiss
    from sklearn.neighbors import NearestNeighbors

    x = rows_of(n)
    faiss.omp_set_num_threads(torch.get_num_threads())

    def flat() -> Any:
        index = faiss.IndexFlatL2(COLUMNS)
        index.add(x)
        return index.search(x, K)[1]

    def brute() -> Any:
        return NearestNeighbors(n_neighbors=K, algorithm="brute").fit(x).kneighbors(x, return_distance=False)

    calls: dict[str, Callable[[], Any]] = {
        "ossicle": lambda: search(x, k=K, engine="compiled").indices,
        "faiss flat": flat,
        "scikit-learn brute": brute,
    }
    if n < 50_000:
        calls["ossicle, faiss inside"] = lambda: search(x, k=K, engine="faiss").indices
    search(x[:5000], k=K, engine="compiled")
    found = cpu_medians(calls, rounds)
    sample = np.random.default_rng(0).choice(n, 50, replace=False)
    exact = x.astype(np.float64)
    true = np.stack([np.argsort(((exact[row] - exact) ** 2).sum(1), kind="stable")[:K] for row in sample])
    mine = search(x, x[sample], K, engine="compiled").indices
    return {
        "rows": n,
        "columns": COLUMNS,
        "k": K,
        "rounds": rounds,
        "median_cpu_s": found,
        "all_right_on_50_rows": bool((mine == true).all()),
        "times_ossicle": {name: took / found["ossicle"] for name, took in found.items()},
    }


def detectors(n: int, rounds: int, batch_size: int) -> dict[str, Any]:
    """Time one epoch of training at one batch size with the scores of the fitted rows, and scoring alone."""
    from pyod.models.auto_encoder import AutoEncoder

    x = rows_of(n)
    # The score of this one is a plain reconstruction error, as PyOD's is; then with three shifts.
    ours = {"epochs": 1, "batch_size": batch_size, "held_out": 0.0}
    plain = AutoencoderDetector("ae", shift_steps=0, **ours)
    shifted = AutoencoderDetector("pae", **ours)
    theirs = AutoEncoder(epoch_num=1, batch_size=batch_size, verbose=0)
    fits: dict[str, Callable[[], Any]] = {
        "ossicle ae": lambda: plain.fit(x),
        "ossicle pae, shifted": lambda: shifted.fit(x),
        "pyod AutoEncoder": lambda: theirs.fit(x),
    }
    plain.fit(x[:500]), shifted.fit(x[:500])
    fitted = cpu_medians(fits, rounds)
    scored = cpu_medians(
        {
            "ossicle ae": lambda: plain.decision_function(x),
            "ossicle pae, shifted": lambda: shifted.decision_function(x),
            "pyod AutoEncoder": lambda: theirs.decision_function(x),
        },
        rounds,
    )
    whole = {name: fitted[name] + scored[name] for name in fitted}
    return {
        "rows": n,
        "columns": COLUMNS,
        "batch_size": batch_size,
        "epochs": 1,
        "rounds": rounds,
        "fit_median_cpu_s": fitted,
        "score_median_cpu_s": scored,
        "pyod_over_ossicle": {name: whole["pyod AutoEncoder"] / whole[name] for name in whole},
    }


def memory(search_rows: int) -> dict[str, Any]:
    """Return how much processes of their own grow at their peak, in MiB."""
    small = "d = AutoencoderDetector(steps=50).fit(rows[:10000]); d.decision_function(rows[:10000])"
    score = "d.decision_function(rows)"
    found = {f"score {n} rows": _grown(n, small, score) for n in (10_000, 100_000, 1_000_000)}
    warm = "search(rows[:5000], k=20, engine='compiled')"
    found[f"search {search_rows} rows"] = _grown(search_rows, warm, "search(rows, k=20, engine='compiled')")
    return {"grown_mib": found, "columns": COLUMNS}


def _grown(n: int, warm: str, work: str) -> float:
    script = _MEMORY.format(rows=n, columns=COLUMNS, warm=warm, work=work)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = (float(word) for word in done.stdout.split())
    return after - before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="*", default=[20_000, 100_000], help="of the neighbour search")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="*", default=["neighbours", "detectors", "memory"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    parts: dict[str, Callable[[], Any]] = {
        "neighbours": lambda: [neighbours(n, given.rounds if n < 50_000 else 1) for n in given.rows],
        "detectors": lambda: detectors(20_000, given.rounds, 32),
        "memory": lambda: memory(max(given.rows)),
    }
    for name in given.parts:
        # One part after another, into one file: a run takes minutes.
        done = json.loads(given.output.read_text("utf-8")) if given.output.exists() else {}
        done |= {name: {"rows": parts[name](), "environment": describe(VERSIONS)}}
        print("wrote", write_measurement(given.output, done, title="Outlier detection, speed"), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
