"""Data of one's own: recipes run on folders of classes and on manifests, and what is odd in them is handled or named."""

import json
from pathlib import Path

import pytest

from ossicle.cli.app import main as ossicle
from ossicle.errors import ConfigError, InputError
from ossicle.testing.sounds import write_table, write_tone
from ossicle_semisup.datasets.own import ClassFolders, Manifest
from ossicle_semisup.examples import make_class_folders, make_manifest
from ossicle_semisup.recipe import run
from ossicle_semisup.splits import hold_out

RECIPES = Path(__file__).parents[3] / "recipes"


def learn(recipe, data, out, kind, *more):
    words = ["--data", str(data), "--out", str(out), "--set", f"recipe.dataset={kind}", "--labels-per-class", "1"]
    return run(RECIPES / recipe / "semisup", [*words, "--method", "fixmatch", "--smoke", "--quiet", *more])


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text("utf-8"))


@pytest.fixture
def flat(tmp_path):
    """Two classes of ten clips, nothing said of tests."""
    for hz, name in ((300, "low"), (1500, "high")):
        for at in range(10):
            write_tone(tmp_path / "flat" / name / "deep" / f"{at}.wav", 8000, 0.2, hz)
    return tmp_path / "flat"


def test_a_recipe_learns_from_folders_of_classes_and_classifies(tmp_path, capsys):
    data = make_class_folders(tmp_path / "data")
    assert learn("fsdd", data, tmp_path / "run", "class-folders") == 0
    found = summary_of(tmp_path / "run")
    assert found["labels"] == ["high", "low"] and (found["n_labeled"], found["n_test"]) == (2, 4)
    capsys.readouterr()
    assert ossicle(["classify", str(data / "test"), "--model", str(tmp_path / "run"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 4


def test_a_paper_recipe_learns_from_them_too(tmp_path):
    data = make_class_folders(tmp_path / "data")
    small = [
        word
        for setting in ("front_end.n_samples=4096", "front_end.sample_rate=8000", "backbone.name=audio-resnet-tiny")
        for word in ("--set", setting)
    ]
    assert learn("esc10", data, tmp_path / "run", "class-folders", *small) == 0
    assert summary_of(tmp_path / "run")["n_test"] == 4


def test_where_no_clip_is_named_for_the_test_some_of_each_class_are_held_out(flat, tmp_path):
    data = ClassFolders(flat)
    parts = data.split()
    assert sorted(data.clips()[i].label for i in parts["test"]) == [0, 0, 1, 1]
    assert sorted([*parts["train"], *parts["test"]]) == list(range(20)) and data.split() == parts
    assert len(data.split(test_share=0.5)["test"]) == 10
    assert learn("fsdd", flat, tmp_path / "run", "class-folders", "--set", "split.test_share=0.3") == 0
    assert summary_of(tmp_path / "run")["n_test"] == 6


def test_settings_are_chosen_on_a_held_out_part_of_ones_own_clips_too(flat, tmp_path):
    more = ["--valid", "0.25", "--test-on-valid"]
    assert learn("fsdd", flat, tmp_path / "run", "class-folders", *more) == 0
    found = summary_of(tmp_path / "run")
    assert found["tested_on"] == "held-out training clips" and found["n_test"] == 4


def test_a_manifest_with_unlabelled_clips(tmp_path):
    data = make_manifest(tmp_path / "data")
    assert learn("fsdd", data, tmp_path / "run", "manifest") == 0
    found = summary_of(tmp_path / "run")
    assert (found["n_labeled"], found["n_unlabeled"], found["n_test"]) == (2, 6, 2)
    assert learn("fsdd", data / "manifest.csv", tmp_path / "other", "manifest") == 0


def manifest(folder, columns, rows):
    write_table(folder / "manifest.csv", columns, rows)
    return Manifest(folder)


def test_a_clip_without_a_label_is_for_training_wherever_it_is_listed(tmp_path):
    rows = [("a", "x", "train"), ("b", "y", "train"), ("c", "", "test"), ("d", "x", "test"), ("e", "", "valid")]
    parts = manifest(tmp_path, ("path", "label", "split"), rows).split()
    assert parts == {"train": [0, 1, 2, 4], "test": [3]}


def test_recordings_stay_together_when_clips_are_held_out(tmp_path):
    rows = [(f"{i}", "xy"[i % 2], f"tape{i // 4}") for i in range(40)]
    data = manifest(tmp_path, ("path", "label", "source"), rows)
    parts = data.split()
    tested = {(data.clips()[i].source, data.clips()[i].label) for i in parts["test"]}
    learned = {(data.clips()[i].source, data.clips()[i].label) for i in parts["train"]}
    assert len(parts["test"]) == 8 and not tested & learned


def test_clips_without_a_label_are_not_validated_on(tmp_path):
    rows = [(str(i), ("x", "y", "")[i % 3]) for i in range(60)]
    clips = manifest(tmp_path, ("path", "label"), rows).clips()
    kept, held = hold_out(range(60), clips, 0.25, seed=0)
    assert len(held) == 10 and len(kept) == 50 and all(clips[i].label >= 0 for i in held)


def test_folds_of_a_manifest(tmp_path):
    data = manifest(tmp_path, ("path", "label", "fold"), [(f"{i}", "xy"[i % 2], 1 + i // 4) for i in range(8)])
    assert data.split(fold=2) == {"train": [0, 1, 2, 3], "test": [4, 5, 6, 7]}
    with pytest.raises(ConfigError, match="1, 2"):
        data.split()


def test_what_cannot_be_is_named(tmp_path):
    with pytest.raises(ConfigError, match="too few clips"):
        manifest(tmp_path / "few", ("path", "label"), [("a", "x"), ("b", "y")]).split()
    with pytest.raises(ConfigError, match="no folds"):
        manifest(tmp_path / "flat", ("path", "label"), [(str(i), "x") for i in range(9)]).split(fold=1)
    with pytest.raises(InputError, match="line 3: 'one' is no fold"):
        manifest(tmp_path / "odd", ("path", "label", "fold"), [("a", "x", 1), ("b", "y", "one")]).clips()
    with pytest.raises(InputError, match="line 2: no split is called 'dev'"):
        manifest(tmp_path / "dev", ("path", "label", "split"), [("a", "x", "dev")]).clips()
    with pytest.raises(InputError, match="lacks the column label"):
        manifest(tmp_path / "bare", ("path",), [("a",)])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no folder a class"):
        ClassFolders(tmp_path / "empty")


def test_checking_ones_own_data(flat, tmp_path, capsys):
    words = ["data", "check", "class-folders", str(flat), "--decode", "--json"]
    assert ossicle([*words, "--write-sums", str(tmp_path / "sums")]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == {"high": 10, "low": 10}
    (flat / "low" / "deep" / "3.wav").write_bytes(b"RIFF")
    assert ossicle([*words, "--sums", str(tmp_path / "sums")]) == 3
    report = json.loads(capsys.readouterr().out)
    assert report["altered"] == ["low/deep/3.wav"] and len(report["unreadable"]) == 1
    data = make_manifest(tmp_path / "listed")
    assert ossicle(["data", "check", "manifest", str(data / "manifest.csv"), "--write-sums", str(tmp_path / "m")]) == 0
    assert "  sounds/0.wav" in (tmp_path / "m").read_text("utf-8")
