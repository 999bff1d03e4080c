"""What a run leaves behind."""

import json
import subprocess
import sys

import pytest

from ossicle.errors import CheckpointError, ConfigError, InputError, OssicleError
from ossicle.runs.environment import describe
from ossicle.runs.exits import run_guarded
from ossicle.runs.folder import RunFolder
from ossicle.runs.log import MetricsLog, read_log
from ossicle.training.checkpoint import load_state, save_state
from ossicle.training.loop import LoopConfig, run_loop
from ossicle.training.seeds import generator_for


def test_an_environment_is_plain_data_without_paths(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/some/where/ossicle", "bench", "/a/long/path/file.wav", "-o", "x.json"])
    facts = describe()
    assert facts["command"] == "ossicle bench file.wav -o x.json"
    monkeypatch.setattr("sys.argv", ["recipes/a/run.py", "--out=/long/path/x y", "--seed=3"])
    assert describe()["command"] == "python recipes/a/run.py '--out=x y' --seed=3"
    monkeypatch.setattr("sys.argv", ["/site-packages/ossicle/__main__.py", "info"])
    assert describe()["command"] == "python -m ossicle info"
    assert facts["packages"]["torch"] and facts["python"] and facts["cores"] >= 1
    json.dumps(facts)


def test_a_run_folder_is_not_written_twice_by_accident(tmp_path):
    RunFolder.create(tmp_path / "run", {"training": {"steps": 3}})
    with pytest.raises(ConfigError, match="holds a run already"):
        RunFolder.create(tmp_path / "run", {"training": {"steps": 3}})
    RunFolder.create(tmp_path / "run", {"training": {"steps": 3}}, resume=True)
    with pytest.raises(ConfigError, match="other settings") as caught:
        RunFolder.create(tmp_path / "run", {"training": {"steps": 4}}, resume=True)
    assert "training" in caught.value.why


def test_a_resumed_log_drops_what_is_done_again(tmp_path):
    log = MetricsLog(tmp_path / "m.jsonl")
    for step in (1, 2, 3):
        log.write(step, loss=step / 2, broken=float("nan"))
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # cut off by a crash
    MetricsLog(tmp_path / "m.jsonl", resume_step=2).write(3, loss=9.0)
    lines = read_log(tmp_path / "m.jsonl")
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 0.5), (2, 1.0), (3, 9.0)]
    assert lines[0]["broken"] is None


def raising(error):
    def work():
        raise error

    return work


def test_a_recipe_ends_with_a_code_and_a_word(capsys):
    assert run_guarded(lambda: 0) == 0 and run_guarded(lambda: 7) == 7
    assert capsys.readouterr().err == ""
    assert run_guarded(raising(InputError("no data", why="none there", hint="name it"))) == 3
    assert capsys.readouterr().err == "error: no data\n  why: none there\n  do:  name it\n"
    assert run_guarded(raising(ConfigError("odd"))) == 2
    assert run_guarded(raising(KeyboardInterrupt()), resume="run again to go on") == 130
    assert capsys.readouterr().err.endswith("interrupted; run again to go on\n")
    assert run_guarded(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted; go on with --resume\n"
    # A defect is not a word to a user: it passes with its traceback.
    with pytest.raises(ZeroDivisionError):
        run_guarded(lambda: 1 // 0)


def test_plugins_hear_a_run(site, tmp_path):
    site.add(
        "listener",
        """
        from ossicle.plugin import hookimpl

        HEARD = []

        @hookimpl
        def ossicle_run_event(event):
            HEARD.append((event.what, event.step, dict(event.values)))
        """,
    )
    MetricsLog(tmp_path / "m.jsonl").write(5, loss=1.0)
    import listener

    assert listener.HEARD == [("started", 0, {}), ("metrics", 5, {"loss": 1.0})]


class Counter:
    """Counts; its loss is what it is told."""

    def __init__(self, loss=1.0):
        self.step_number, self.loss, self.saved = 0, loss, 0

    def step(self):
        self.step_number += 1
        return {"loss": self.loss}

    def save(self, path):
        self.saved += 1
        path.write_text(str(self.step_number))


def test_the_loop_logs_means_validates_and_saves(tmp_path):
    lines = []
    counter = Counter()
    done = run_loop(
        counter,
        LoopConfig(steps=5, log_every=2, validate_every=4),
        tmp_path,
        log=lambda step, values: lines.append((step, {k: v for k, v in values.items() if k != "elapsed_s"})),
        validate=lambda: {"valid": 0.5},
    )
    assert done and counter.saved == 1 and (tmp_path / "state.pt").read_text() == "5"
    assert lines == [(2, {"loss": 1.0}), (4, {"loss": 1.0}), (4, {"valid": 0.5})]


def test_the_loop_stops_by_the_clock_and_can_go_on(tmp_path):
    counter = Counter()
    assert not run_loop(counter, LoopConfig(steps=5, minutes=0.0), tmp_path, log=lambda *_: None)
    assert counter.step_number == 1
    assert run_loop(counter, LoopConfig(steps=5), tmp_path, log=lambda *_: None)


def test_the_loop_ends_in_good_order_on_a_signal(tmp_path):
    import os
    import signal

    class Interrupted(Counter):
        def step(self):
            if self.step_number == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().step()

    counter = Interrupted()
    assert not run_loop(counter, LoopConfig(steps=100), tmp_path, log=lambda *_: None)
    assert counter.step_number == 3 and (tmp_path / "state.pt").read_text() == "3"


def test_a_run_stopped_between_two_lines_goes_on_with_the_means_of_an_unbroken_one(tmp_path):
    class Counting(Counter):
        def step(self):
            super().step()
            return {"loss": float(self.step_number), **({"rare": 7.0} if self.step_number == 2 else {})}

    def run(counter, folder, minutes):
        lines = []
        config = LoopConfig(steps=4, log_every=4, minutes=minutes)
        run_loop(counter, config, folder, log=lambda step, values: lines.append((step, values["loss"], values["rare"])))
        return lines

    (tmp_path / "whole").mkdir(), (tmp_path / "cut").mkdir()
    whole = run(Counting(), tmp_path / "whole", None)
    cut = Counting()
    for _ in range(3):
        assert run(cut, tmp_path / "cut", 0.0) == []
    assert run(cut, tmp_path / "cut", None) == whole == [(4, 2.5, 7.0)]


def test_a_run_that_diverges_says_so(tmp_path):
    with pytest.raises(OssicleError, match="diverged"):
        run_loop(Counter(float("nan")), LoopConfig(steps=100), tmp_path, log=lambda *_: None)


def test_state_is_written_whole_and_read_without_running_code(tmp_path):
    save_state(tmp_path / "s.pt", {"step": 3})
    assert load_state(tmp_path / "s.pt") == {"step": 3}
    (tmp_path / "s.pt").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_state(tmp_path / "s.pt")
    with pytest.raises(CheckpointError, match="no training state"):
        load_state(tmp_path / "other.pt")


def test_random_numbers_depend_on_seed_and_labels_alone():
    import torch

    def draw(*labels):
        return torch.rand(3, generator=generator_for(*labels)).tolist()

    assert draw(0, "batch", 7) == draw(0, "batch", 7)
    assert (
        len({tuple(draw(*labels)) for labels in ((0, "batch", 7), (0, "batch", 8), (1, "batch", 7), (0, "x", 7))}) == 4
    )


def test_memory_that_is_freed_stays_with_the_process():
    script = """
import re
from pathlib import Path
from ossicle.training.memory import keep_freed_memory
kept = keep_freed_memory()
block = bytearray(b"1") * 100_000_000
del block
resident = int(re.search("VmRSS:\\s+([0-9]+)", Path("/proc/self/status").read_text()).group(1)) if kept else 0
print(kept, resident)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    kept, resident_kib = done.stdout.split()
    assert kept == "False" or int(resident_kib) > 97_000
