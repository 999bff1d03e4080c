"""`--engine ray`: the same command over a cluster, here a local one of two workers, one of which is killed."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from ossicle.cli.ray_engine import run_ray
from ossicle.errors import ConfigError

pytest.importorskip("ray.data", reason="the extra ossicle[ray] is not installed")

RATE = 22050
FILES = 6


def vocode(*options):
    return [sys.executable, "-m", "ossicle", "vocode", *map(str, options), "--engine", "ray", "--workers", "2"]


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("in")
    for index in range(FILES):
        wave = 0.1 * np.sin(np.arange(10 * RATE) * (0.05 + 0.01 * index))
        soundfile.write(folder / f"{index}.wav", wave, RATE)
    return folder


def written(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.wav")}


def test_a_killed_worker_costs_nothing_but_time(tones, tmp_path):
    process = subprocess.Popen(vocode(tones, "-o", tmp_path / "out"), stderr=subprocess.PIPE)
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
    again = subprocess.run(vocode(tones, "-o", tmp_path / "out"), capture_output=True, check=True)
    assert f"{FILES} kept".encode() in again.stderr


def test_a_cluster_that_goes_away_halfway_leaves_whole_files_and_work_to_go_on_with(tones, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(vocode(tones, "-o", out), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while process.poll() is None and not written(out) and time.monotonic() < deadline:
        time.sleep(0.05)
    daemons = subprocess.run(["pgrep", "-P", str(process.pid), "-x", "raylet"], capture_output=True, text=True)
    os.kill(int(daemons.stdout.split()[0]), 9)
    _, err = process.communicate(timeout=240)
    done = written(out)
    assert process.returncode == 3 and 0 < len(done) < FILES, err
    assert f"{len(done)} written, {FILES - len(done)} failed" in err and "the cluster went away" in err
    assert not list(out.glob("*.part"))
    assert all(soundfile.info(out / name).frames == 10 * RATE for name in done)
    again = subprocess.run(vocode(tones, "-o", out), capture_output=True, text=True, check=True)
    assert f"{FILES - len(done)} written, {len(done)} kept" in again.stderr
    assert {name: time for name, time in written(out).items() if name in done} == done


def test_a_cluster_that_is_not_there_is_named(monkeypatch):
    def refuse(**_):
        raise ConnectionError("Failed to connect to any Ray cluster")

    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.9:6379")
    with pytest.raises(ConfigError, match=r"the Ray cluster at 10\.0\.0\.9:6379 cannot be reached") as caught:
        next(run_ray([], None, 1))
    assert "RAY_ADDRESS" in caught.value.hint and "Failed to connect" in caught.value.why
