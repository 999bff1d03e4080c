"""`ossicle outliers score --engine ray` on clips: a local cluster of two workers, one of which is killed."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
from descendants import children, command

from ossicle.cli.app import main
from ossicle_outliers.fitted import load_fitted
from ossicle_outliers.sound.scoring import ClipScorer

pytest.importorskip("ray.data", reason="the extra ossicle[ray] is not installed")

RATE = 8000
CLIPS = 14


def test_a_killed_worker_costs_nothing_but_time(tmp_path):
    pool, model = tmp_path / "pool", tmp_path / "model"
    pool.mkdir()
    draw = np.random.default_rng(0)
    for index in range(CLIPS):
        # Long clips keep both workers busy while one of them is killed.
        soundfile.write(pool / f"{index:02d}.wav", 0.1 * draw.standard_normal(60 * RATE), RATE)
    detector = "autoencoder:network=ae,shift_steps=1,steps=20"
    assert main(["outliers", "fit", str(pool), "-o", str(model), "--detector", detector, "--quiet"]) == 0
    # It comes first, and that it cannot be read tells that the work has begun.
    (pool / "00-empty.wav").write_bytes(b"")
    words = [sys.executable, "-m", "ossicle", "outliers", "score", str(pool), "--model", str(model)]
    words += ["-o", str(tmp_path / "manifest.json"), "--engine", "ray", "--workers", "2"]
    # Ray's own niceness of 15 would starve the workers where other tests run beside this one.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    overdue = threading.Timer(240, lambda: [os.kill(pid, 9) for pid in [*children(process.pid), process.pid]])
    overdue.start()
    killed = []
    try:
        for line in process.stderr:
            if b"00-empty.wav" in line and not killed:
                killed = [pid for pid in children(process.pid) if b"_Worker" in command(pid)][:1]
                for pid in killed:
                    os.kill(pid, 9)
    finally:
        overdue.cancel()
    assert killed and process.wait(60) == 3
    document = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert [one["path"].rpartition("/")[2] for one in document["failed"]] == ["00-empty.wav"]
    scores = {entry["path"]: entry["score"] for entry in document["manifest"]}
    paths = sorted(pool.glob("??.wav"))
    expected = {str(one.path): one.score for one in ClipScorer(load_fitted(model)).score_all(paths)}
    assert len(scores) == CLIPS and scores == pytest.approx(expected)
