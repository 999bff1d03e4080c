"""Two processes train as one: the same losses as one process on the joint batch, and the same networks in both."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ossicle.errors import ConfigError
from ossicle.training.distributed import Ranks
from ossicle_semisup.examples import make_fsdd

HERE = Path(__file__).parent
FSDD = HERE.parents[2] / "recipes" / "fsdd" / "semisup"

STEPS = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from small import CLASSES, make_network
from test_trainer import SETTINGS, tones
from ossicle.audio.log_mel import LogMel
from ossicle.registry import default_registry
from ossicle.training.distributed import Ranks
from ossicle_semisup.trainer import SemiTrainer, TrainingConfig

ranks = Ranks.join()
plain = {"none": None, "weak": None, "strong": None}  # nothing is drawn, so that the joint batch is the same
found = {}
for name, settings in json.loads(sys.argv[3]).items():
    method = default_registry().build("ssl-method", name, make_network=make_network, classes=CLASSES, **settings)
    config = TrainingConfig(steps=8, batch_labeled=4, batch_unlabeled=8)
    trainer = SemiTrainer(method, tones(), LogMel(SETTINGS), config, classes=CLASSES, ranks=ranks, pools=plain)
    losses = [trainer.step() for _ in range(4)]
    found[name] = {"losses": losses, "weights": float(sum(p.double().abs().sum() for p in method.parameters()))}
    found[name]["statistics"] = float(sum(b.double().abs().sum() for b in method.buffers()))
Path(sys.argv[2], f"{ranks.rank}.json").write_text(json.dumps(found))
ranks.leave()
tasks = Path("/proc/self/task")  # Linux alone has it
threads = [(task / "comm").read_text().strip() for task in tasks.iterdir()] if tasks.is_dir() else []
assert not any("gloo" in name for name in threads), threads
"""

METHODS = {
    "supervised": {},
    "fixmatch": {"threshold": 0.3},
    "mean-teacher": {"weight": 5.0},
    "mixmatch": {"alpha": 0.0},
    "deep-co-training": {},
}


def start(command, world, **environment):
    """Start the processes as torchrun does, and wait for all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    if world > 1:
        common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
    places = [{"RANK": str(r), "LOCAL_RANK": str(r)} if world > 1 else {} for r in range(world)]
    running = [
        subprocess.Popen(command, env={**common, **place}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for place in places
    ]
    ended = [(process.communicate(timeout=240), process.returncode) for process in running]
    assert all(code == 0 for _, code in ended), "\n".join(err for (_, err), _ in ended)
    return ended


def test_two_processes_have_the_losses_of_one_and_leave_no_thread(tmp_path):
    for world in (1, 2):
        (tmp_path / str(world)).mkdir()
        command = [sys.executable, "-c", STEPS, str(HERE), str(tmp_path / str(world)), json.dumps(METHODS)]
        start(command, world)
    one, first, second = (json.loads((tmp_path / name).read_text()) for name in ("1/0.json", "2/0.json", "2/1.json"))
    for name in METHODS:
        assert first[name] == second[name], name  # both hold the same weights and tell the same means
        assert first[name]["weights"] == pytest.approx(one[name]["weights"], rel=1e-5), name
        assert first[name]["statistics"] == pytest.approx(one[name]["statistics"], rel=1e-5), name
        for mine, its in zip(first[name]["losses"], one[name]["losses"], strict=True):
            assert mine == pytest.approx(its, rel=2e-4, abs=2e-5), name


def test_a_recipe_runs_under_two_processes_and_one_of_them_writes(tmp_path):
    data = make_fsdd(tmp_path / "data")
    arguments = ["--data", data, "--method", "remixmatch", "--out", tmp_path / "run", "--labels-per-class", "2"]
    start([sys.executable, str(FSDD / "run.py"), *map(str, arguments), "--smoke", "--quiet"], 2)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert summary["steps"] == 4 and summary["n_test"] == 20
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert steps == [2, 4]


def test_alone_nothing_is_exchanged():
    ranks = Ranks.join()
    rows = torch.arange(5)
    assert ranks.alone and ranks.first and torch.equal(ranks.share(rows), rows)
    assert ranks.mean_values({"loss": 1.5}) == {"loss": 1.5} and ranks.any(True) and not ranks.any(False)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match="5 cannot be shared by 2"):
        Ranks(1, 2).share(torch.arange(5))
    assert Ranks(1, 2).share(torch.arange(6)).tolist() == [3, 4, 5]


def test_half_an_environment_names_what_is_missing(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="torchrun") as caught:
        Ranks.join()
    assert "MASTER_ADDR" in str(caught.value)
