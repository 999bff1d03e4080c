"""The recipe from the command line: a run, its resumption after a kill, a corrupt clip, classification with the result."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ossicle.cli.app import main as ossicle
from ossicle_semisup.examples import make_esc50, make_fsdd
from ossicle_semisup.recipe import run

RECIPES = Path(__file__).parents[3] / "recipes"
FSDD = RECIPES / "fsdd" / "semisup"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return make_fsdd(tmp_path_factory.mktemp("fsdd"))


def options(data, out, *more, method="fixmatch"):
    return [
        "--data",
        str(data),
        "--method",
        method,
        "--out",
        str(out),
        "--labels-per-class",
        "2",
        "--smoke",
        "--quiet",
        *more,
    ]


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [{k: v for k, v in line.items() if k not in ("utc", "elapsed_s")} for line in lines]


@pytest.mark.parametrize(
    "method", ["supervised", "mixmatch", "remixmatch", "fixmatch", "mean-teacher", "deep-co-training"]
)
def test_a_run_writes_its_summary_predictions_and_model(method, digits, tmp_path):
    assert run(FSDD, options(digits, tmp_path / "run", method=method)) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert (
        summary["method"] == method and summary["n_labeled"] == 20 and summary["n_test"] == 20 and summary["steps"] == 4
    )
    assert 0 <= summary["error_rate"] <= 1 and 0 <= summary["error_rate_ema"] <= 1 and summary["wall_s"] > 0
    assert sum(map(sum, summary["confusion_ema"])) == 20
    assert (tmp_path / "run" / "predictions.csv").read_text("utf-8").count("\n") == 21
    assert {"model.safetensors", "model.toml", "run.json", "metrics.jsonl", "report.html"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }


def test_the_model_folder_classifies(digits, tmp_path, capsys):
    assert run(FSDD, options(digits, tmp_path / "run")) == 0
    capsys.readouterr()
    clips = sorted((digits / "recordings").iterdir())[:3]
    assert ossicle(["classify", *map(str, clips), "--model", str(tmp_path / "run"), "--json", "--top", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["files"]) == 3 and found["labels"] == [str(d) for d in range(10)]
    assert found["files"][0]["label"] == found["files"][0]["top"][0]["label"] and len(found["files"][0]["top"]) == 2


def test_a_run_killed_anywhere_goes_on_as_if_nothing_had_happened(digits, tmp_path):
    more = ["--steps", "60", "--set", "loop.log_every=4", "--set", "loop.save_every_s=0.2", "--threads", "1"]
    assert run(FSDD, options(digits, tmp_path / "whole", *more, "--cache", str(tmp_path / "cache"))) == 0
    command = [
        sys.executable,
        str(FSDD / "run.py"),
        *options(digits, tmp_path / "cut", *more, "--cache", str(tmp_path / "cache")),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "cut" / "state.pt").exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert (tmp_path / "cut" / "state.pt").exists() and not (tmp_path / "cut" / "summary.json").exists()
    subprocess.run([*command, "--resume"], env=environment, check=True, capture_output=True)
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    whole, cut = (json.loads((tmp_path / name / "summary.json").read_text("utf-8")) for name in ("whole", "cut"))
    spent = {"wall_s": 0, "cpu_s": 0}
    assert whole | spent == cut | spent
    assert (tmp_path / "whole" / "model.safetensors").read_bytes() == (
        tmp_path / "cut" / "model.safetensors"
    ).read_bytes()


def test_a_run_that_is_there_is_not_written_over(digits, tmp_path, capsys):
    assert run(FSDD, options(digits, tmp_path / "run")) == 0
    assert run(FSDD, options(digits, tmp_path / "run")) == 2
    assert "--resume" in capsys.readouterr().err


def test_a_corrupt_clip_is_left_out_and_named(tmp_path):
    data = make_fsdd(tmp_path / "data")
    broken = data / "recordings" / "3_ann_5.wav"
    broken.write_bytes(b"RIFF nothing more")
    assert run(FSDD, options(data, tmp_path / "run")) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert summary["n_unlabeled"] == 59
    assert any("3_ann_5.wav" in warning for warning in summary["warnings"])


def test_a_class_nobody_labelled_is_an_error(tmp_path, capsys):
    data = make_fsdd(tmp_path / "data", digits=range(9))
    assert run(FSDD, options(data, tmp_path / "run")) == 2
    assert "class 9 has no labelled clip" in capsys.readouterr().err


def test_a_held_out_part_of_the_training_clips_can_stand_in_for_the_test_set(digits, tmp_path):
    assert run(FSDD, options(digits, tmp_path / "run", "--valid", "0.3", "--test-on-valid")) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert summary["tested_on"] == "held-out training clips" and summary["n_test"] in range(15, 22)
    paths = (tmp_path / "run" / "predictions.csv").read_text("utf-8")
    assert "_0.wav" not in paths  # takes 0 are the official test set


def test_the_best_checkpoint_is_chosen_on_held_out_training_clips(digits, tmp_path):
    more = ["--valid", "0.3", "--set", "loop.validate_every=2"]
    assert run(FSDD, options(digits, tmp_path / "run", *more)) == 0
    assert (tmp_path / "run" / "best" / "model.toml").exists()
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert 0 <= summary["best_valid_error"] <= 1 and summary["tested_on"] == "test set"


@pytest.mark.parametrize("recipe", ["esc10", "esc50"])
def test_folds_are_asked_for_where_there_are_some(recipe, tmp_path, capsys):
    data = make_esc50(tmp_path / "data", per_class=3)
    folder = RECIPES / recipe / "semisup"
    common = options(data, tmp_path / "run", "--set", "backbone.name=audio-resnet-tiny")
    assert run(folder, common) == 2 and "--fold" in capsys.readouterr().err
    assert run(folder, [*common[:5], str(tmp_path / "other"), *common[6:], "--fold", "2"]) == 0
    assert json.loads((tmp_path / "other" / "summary.json").read_text("utf-8"))["fold"] == 2


def test_unknown_settings_are_named(digits, tmp_path, capsys):
    assert run(FSDD, options(digits, tmp_path / "a", "--set", "training.speed=3")) == 2
    assert "speed" in capsys.readouterr().err
    assert run(FSDD, options(digits, tmp_path / "b", "--set", "method.treshold=0.9")) == 2
    assert "treshold" in capsys.readouterr().err
    change = "methods.fixmatch.threshold=0.9"  # of the recipe's methods, one of which has been chosen by now
    assert run(FSDD, options(digits, tmp_path / "c", "--set", change)) == 2
    assert "write method.threshold" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("front_end.mels=3", "mels"),
        ("loop.every=3", "every"),
        ("split.folds=3", "folds"),
        ("labels.shares=0.1", "shares"),
        ("method.ramp=steep", "no ramp is called"),
        ('method.ramp={"lenght": 3}', "lenght"),
    ],
)
def test_settings_of_every_section_that_do_not_fit_are_named(change, named, digits, tmp_path, capsys):
    assert run(FSDD, options(digits, tmp_path / "run", "--set", change, method="mixmatch")) == 2
    assert named in capsys.readouterr().err


def test_a_ramp_can_be_named_by_its_shape_alone(digits, tmp_path):
    assert run(FSDD, options(digits, tmp_path / "run", "--set", "method.ramp=linear", method="mixmatch")) == 0


def test_numbers_of_a_method_stand_between_those_of_the_recipe_and_of_further_files(tmp_path, digits):
    more = tmp_path / "more.toml"
    more.write_text("[training]\nbatch_unlabeled = 7\n[methods.deep-co-training.training]\nlearning_rate = 5e-3\n")
    folder = tmp_path / "run"
    assert run(FSDD, options(digits, folder, "--with", str(more), method="deep-co-training")) == 0
    training = json.loads((folder / "run.json").read_text("utf-8"))["settings"]["training"]
    # Of smoke.toml, which comes last: 4 steps and 6 clips; of the other file, the rate.
    assert training["steps"] == 4 and training["batch_unlabeled"] == 6 and training["learning_rate"] == 5e-3
