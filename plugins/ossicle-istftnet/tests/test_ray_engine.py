"""`--engine ray`: the same command over a cluster, here a local one of two workers, one of which is killed."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

pytest.importorskip("ray.data", reason="the extra ossicle[ray] is not installed")

RATE = 22050
FILES = 6


def vocode(*options):
    return [sys.executable, "-m", "ossicle", "vocode", *map(str, options), "--engine", "ray", "--workers", "2"]


def test_a_killed_worker_costs_nothing_but_time(tmp_path):
    (tmp_path / "in").mkdir()
    for index in range(FILES):
        wave = 0.1 * np.sin(np.arange(10 * RATE) * (0.05 + 0.01 * index))
        soundfile.write(tmp_path / "in" / f"{index}.wav", wave, RATE)
    process = subprocess.Popen(vocode(tmp_path / "in", "-o", tmp_path / "out"), stderr=subprocess.PIPE)
    killed = False
    deadline = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline:
        if not killed and any((tmp_path / "out").glob("*.wav")):
            found = subprocess.run(["pgrep", "-f", "ray::.*_Worker"], capture_output=True, text=True).stdout.split()
            if found:
                os.kill(int(found[0]), 9)
                killed = True
        time.sleep(0.1)
    _, err = process.communicate(timeout=60)
    assert killed and process.returncode == 0, err
    assert [soundfile.info(tmp_path / "out" / f"{i}.wav").frames for i in range(FILES)] == [10 * RATE] * FILES
    assert not list((tmp_path / "out").glob("*.part"))
    again = subprocess.run(vocode(tmp_path / "in", "-o", tmp_path / "out"), capture_output=True, check=True)
    assert f"{FILES} kept".encode() in again.stderr
