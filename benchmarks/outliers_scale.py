"""Scoring tables of ten thousand to a million rows: seconds and peak memory, each size in a process of its own.

``python benchmarks/outliers_scale.py --out benchmarks/results/outliers-scale.json``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ossicle import build
from ossicle.runs.environment import describe
from ossicle.runs.report import write_measurement

SIZES = (10_000, 100_000, 1_000_000)
COLUMNS = 10

WORK = """
import json, sys, time
from pathlib import Path
from ossicle_outliers.fitted import load_fitted
from ossicle_outliers.tables.scoring import score_table
model, table, out = map(Path, sys.argv[1:4])
fitted = load_fitted(model)
def peak():
    # Not getrusage: that begins with the peak of the process that started this one.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
score_table(fitted, table, out, stop=1000)
before, started = peak(), time.perf_counter()
rows = score_table(fitted, table, out).rows
print(json.dumps({"rows": rows, "seconds": time.perf_counter() - started, "peak_mib": peak(), "more_than_a_thousand_rows_mib": peak() - before}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/outliers-scale.json"))
    given = parser.parse_args()
    draw = np.random.default_rng(0)
    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build("outlier-detector", "autoencoder").fit(draw.standard_normal((10_000, COLUMNS))).save(folder / "model")
        for size in SIZES:
            np.save(folder / "x.npy", draw.standard_normal((size, COLUMNS)))
            for suffix in (".npz", ".parquet"):
                words = [sys.executable, "-c", WORK, folder / "model", folder / "x.npy", folder / f"s{suffix}"]
                done = subprocess.run([*map(str, words)], check=True, capture_output=True, text=True)
                found.append({"output": suffix, "columns": COLUMNS, **json.loads(done.stdout)})
                print(found[-1], flush=True)
    result = {"environment": describe(), "detector": "autoencoder, default preset", "measured": found}
    write_measurement(given.out, result, title="Scoring tables of many rows, measured")


if __name__ == "__main__":
    main()
