"""`--engine ray`: the same command over a cluster, here a local one of two workers, one of which is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.cli.inputs import Input
from ossicle.cli.outputs import Job
from ossicle.cli.ray_engine import run_ray
from ossicle.errors import ConfigError

pytest.importorskip("ray.data", reason="the extra ossicle[ray] is not installed")
import ray

# Ray's workers stand back for everybody else (niceness 15), and so would wait for the tests beside this one.
os.environ.setdefault("RAY_worker_niceness", "0")
RATE = 22050
FILES = 6


def vocode(*options):
    return [sys.executable, "-m", "ossicle", "vocode", *map(str, options), "--engine", "ray", "--workers", "2"]


def make_tones(folder, seconds):
    folder.mkdir()
    for index in range(FILES):
        wave = 0.1 * np.sin(np.arange(seconds * RATE) * (0.05 + 0.01 * index))
        soundfile.write(folder / f"{index}.wav", wave, RATE)
    return folder


def written(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.wav")}


def test_a_killed_worker_costs_nothing_but_time(tmp_path):
    tones = make_tones(tmp_path / "in", 10)
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


def children(pid):
    return [int(found) for found in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True).stdout.split()]


def test_a_cluster_that_goes_away_halfway_leaves_whole_files_and_work_to_go_on_with(tmp_path):
    # Long enough that workers are still at it when the first file is there.
    tones, out = make_tones(tmp_path / "in", 40), tmp_path / "out"
    process = subprocess.Popen(vocode(tones, "-o", out), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while process.poll() is None and not written(out) and time.monotonic() < deadline:
        time.sleep(0.05)
    cluster = children(process.pid)
    for pid in [*(worker for daemon in cluster for worker in children(daemon)), *cluster]:
        os.kill(pid, signal.SIGKILL)
    try:
        # Ray may tell the command that all is lost, end it, or let it hope for minutes.
        assert process.wait(timeout=10) != 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    done = written(out)
    assert 0 < len(done) < FILES
    assert all(soundfile.info(out / name).frames == 40 * RATE for name in done)
    again = subprocess.run([*vocode(tones, "-o", out)[:-4]], capture_output=True, text=True, check=True)
    assert f"{FILES - len(done)} written, {len(done)} kept" in again.stderr
    assert {name: time for name, time in written(out).items() if name in done} == done
    assert not list(out.glob("*.part"))


def test_what_a_lost_cluster_has_written_counts_and_the_rest_is_named(tmp_path, monkeypatch, capsys):
    class Lost:
        """A data set whose cluster goes away after one row; a second job's file is there, but nobody told."""

        def map(self, worker, *, fn_constructor_args, **_):
            self.work = worker(*fn_constructor_args)
            return self

        def iter_rows(self):
            yield self.work({"index": 0})
            print("(raylet) a worker died")
            jobs[1].output.write_bytes(b"whole")
            raise ray.exceptions.RaySystemError("gone")

    jobs = [Job(Input(tmp_path / name, Path(name)), tmp_path / f"{name}.out") for name in "abcd"]
    jobs[3].output.write_bytes(b"an older one, to be written anew")
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray.data, "from_items", lambda *_, **__: Lost())
    found = list(run_ray(jobs, lambda job: {"fact": 1}, 1))
    assert [o.job for o in found] == jobs and [o.status for o in found] == ["written", "written", "failed", "failed"]
    shown = capsys.readouterr()
    assert not shown.out and "(raylet)" in shown.err  # stdout belongs to results
    assert found[0].facts == {"fact": 1} and "the cluster went away" in found[2].error.why


def test_a_cluster_that_is_not_there_is_named(monkeypatch):
    def refuse(**_):
        raise ConnectionError("Failed to connect to any Ray cluster")

    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.9:6379")
    with pytest.raises(ConfigError, match=r"the Ray cluster at 10\.0\.0\.9:6379 cannot be reached") as caught:
        next(run_ray([], None, 1))
    assert "RAY_ADDRESS" in caught.value.hint and "Failed to connect" in caught.value.why
