"""The GPU queue runs on a machine that has torch and little else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[1] / "benchmarks" / "gpu" / "run.py"
BLOCKED = ("librosa", "soundfile", "soxr", "cyclopts", "torchaudio", "pesq", "pystoi", "tomli_w")


JOBS = [
    "kernel-parity",
    "kernel-timing",
    "vocoder-timing",
    "unmix-timing",
    "outlier-timing",
    "train-vocoder",
    "ssl-steps",
    "esc10-table",
]
KERNELS = {
    "istft-head",
    "residual-epilogue",
    "ssl-guess",
    "mixup-gather",
    "ssl-loss",
    "neighbor-shortlist",
    "reconstruction-score",
}
KERNELS |= {f"unmix-{step}" for step in ("statistics", "moments", "normalize", "update")}


@pytest.mark.parametrize("job", JOBS)
def test_every_job_runs_in_miniature_without_other_packages(job, tmp_path):
    script = (
        f"import sys, runpy\nfor name in {BLOCKED!r}: sys.modules[name] = None\n"
        f"sys.argv = ['run.py', {job!r}, '--out', {str(tmp_path)!r}, '--device', 'cpu', '--smoke']\n"
        f"runpy.run_path({str(RUNNER)!r}, run_name='__main__')"
    )
    # Entry points of what happens to be installed here must not help.
    environment = {**os.environ, "OSSICLE_PLUGINS": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / f"{job}.json").read_text())
    assert result["job"] == job and result["environment"]["packages"]["torch"]
    # The registry knows the checkout's kernels, or none would ever be chosen there.
    assert {choice["op"] for choice in result["kernels"]} >= KERNELS
    if job == "esc10-table":
        assert not result["not_finished"] and [row["folds"] for row in result["table"]] == [2, 2]
        assert all(0 <= run["error_rate"] <= 1 and run["n_labeled"] > 0 for run in result["runs"])
    if job == "ssl-steps":
        assert len(result["rows"]) == 6 and all(row["clips_per_s"]["graph bf16"] > 0 for row in result["rows"])
