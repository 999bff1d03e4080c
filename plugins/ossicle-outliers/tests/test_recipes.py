"""Every recipe from data to table, small; runs that are stopped go on; labels are used only where that is said."""

import csv
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.errors import ConfigError, InputError
from ossicle.toml import read_toml
from ossicle_outliers.hearing import heard
from ossicle_outliers.recipes import clean, machines, oracle, pools, tables
from ossicle_outliers.recipes.detectors import spread_of
from ossicle_outliers.recipes.options import change, main
from ossicle_outliers.recipes.page import histograms
from ossicle_outliers.recipes.results import Results, over_seeds
from ossicle_outliers.sound.machine import write_machine

RECIPES = Path(__file__).parents[3] / "recipes"
RATE = 8000


def smoke(work, recipe, out, **data):
    words = [text for name, folder in data.items() for text in (f"--{name}", str(folder))]
    options = {"data": "", "foreign": ""}
    return main(work, RECIPES / recipe, [*words, "--out", str(out), "--smoke", "--quiet"], data=options)


def report_of(out):
    """The titles of a run's report, and how many players it has."""
    html = (out / "report.html").read_text("utf-8")
    assert not re.findall(r'src="(?!data:)', html)
    return re.findall(r"<h2>(.*?)</h2>", html), html.count("<audio")


def rows_of(out):
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def write_tables(folder):
    folder.mkdir()
    draw = np.random.default_rng(0)
    lines = ["name,n,d"]
    for name, n, d in (("vertebral", 120, 6), ("other", 80, 3)):
        x = draw.standard_normal((n, d)).astype(np.float32)
        y = (np.arange(n) % 8 == 0).astype(np.int8)
        x[y == 1] += 4
        np.savez(folder / f"{name}.npz", X=x, y=y)
        lines.append(f"{name},{n},{d}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_tone(path, hz, seconds=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    at = np.arange(round(seconds * RATE)) / RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * at), RATE)


def write_digits(folder):
    for digit in range(4):
        for speaker in ("ann", "bob", "cy"):
            write_tone(folder / "audio" / f"{digit}_{speaker}_0.wav", 300 + 200 * digit)
    return folder


def write_sounds(folder):
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in (1, 2, 3):
        for target, name in ((0, "dog"), (1, "rooster")):
            for clip in range(2):
                file = f"{fold}-{clip}-A-{target}.wav"
                write_tone(folder / "audio" / file, 500 + 900 * target)
                lines.append(f"{file},{fold},{target},{name},True,{fold}{target}{clip},A")
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_tables(tmp_path):
    data = write_tables(tmp_path / "data")
    assert smoke(tables.run, "odds/outliers", tmp_path / "run", data=data) == 0
    found = rows_of(tmp_path / "run")
    assert [(r["table"], r["method"]) for r in found[:3]] == [
        ("other", "default"),
        ("other", "mod"),
        ("other", "isolation-forest"),
    ]
    assert {r["rows"] for r in found} == {"80", "100"} and {r["n"] for r in found} == {"80", "120"}
    assert all(0.5 < float(r["auc"]) <= 1 for r in found if r["method"] != "default")
    assert "<svg" in (tmp_path / "run" / "critical-difference.svg").read_text()
    titles, _ = report_of(tmp_path / "run")
    expected = ["ROC AUC", "Mean ranks", "Critical difference", "Scores: other", "Scores: vertebral", "Command"]
    assert titles[:6] == expected


def test_a_stopped_run_goes_on_and_other_settings_are_refused(tmp_path, capsys):
    data = write_tables(tmp_path / "data")
    assert smoke(tables.run, "odds/outliers", tmp_path / "run", data=data) == 0
    lines = tmp_path / "run" / "results.jsonl"
    whole = lines.read_text().splitlines(keepends=True)
    lines.write_text("".join(whole[:2]) + whole[2][:20])
    assert smoke(tables.run, "odds/outliers", tmp_path / "run", data=data) == 0
    again = lines.read_text().splitlines(keepends=True)
    assert again[:2] == whole[:2] and len(again) == len(whole)
    words = ["--data", str(data), "--out", str(tmp_path / "run"), "--smoke", "--set", "run.max_rows=50"]
    assert main(tables.run, RECIPES / "odds" / "outliers", words, data={"data": ""}) == 2
    assert "other settings" in capsys.readouterr().err


def test_the_oracle_says_that_labels_were_used(tmp_path, capsys):
    data = write_tables(tmp_path / "data")
    assert smoke(oracle.run, "odds/oracle", tmp_path / "run", data=data) == 0
    out = capsys.readouterr().out
    assert out.startswith("LABELS WERE USED") and "best of 2 seeds" in out and "mean" in out
    found = rows_of(tmp_path / "run")
    assert [r["shift_steps"] for r in found] == ["0", "1", "2", "3"]
    assert all(float(r["best_by_test_labels"]) >= float(r["mean"]) for r in found)
    assert report_of(tmp_path / "run")[0][:3] == ["Labels were used", "ROC AUC on the test part", "Seed by seed"]
    assert found[0]["neighbors"] == "" and {r["neighbors"] for r in found[1:]} <= {"3", "5"}


def test_the_oracles_parts_are_stratified_and_apart():
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((400, 3)), (np.arange(400) % 10 == 0).astype(int)
    data = oracle.split(x, y, 0)
    assert len(data.fitted) == 300 and len(data.valid) == len(data.test) == 100
    assert data.y_valid.sum() == data.y_test.sum() == 10
    np.testing.assert_allclose(data.fitted.mean(0), 0, atol=1e-12)
    fitted = {tuple(row) for row in data.fitted.tolist()}
    assert not fitted & {tuple(row) for row in data.test.tolist()}


def test_pools_of_digits(tmp_path):
    data = write_digits(tmp_path / "fsdd")
    assert smoke(pools.run, "fsdd/outliers", tmp_path / "run", data=data) == 0
    found = rows_of(tmp_path / "run")
    assert {r["method"] for r in found} == {"ae-shift1", "isolation-forest"}
    assert {(r["n"], r["foreign"]) for r in found} == {("5", "2")}
    titles, players = report_of(tmp_path / "run")
    assert titles[:3] == ["ROC AUC", "Scores: digit-0", "Highest scores"] and players == 4


def test_pools_are_drawn_as_the_recipe_says():
    names = [f"{d}_{s}_{t}" for d in range(3) for s in ("george", "jackson") for t in range(4)]
    assert pools.digits(names, 2, digit="1") == [n for n in names if n.startswith("1_") and n[-1] in "01"]
    pool, y = pools.draw_pool(["a", "b"], ["x", "y", "z"], 2, seed=0)
    assert pool[:2] == ["a", "b"] and y.tolist() == [0, 0, 1, 1] and len(set(pool)) == 4
    full = read_toml(RECIPES / "fsdd" / "outliers" / "recipe.toml")
    assert len(full["pools"]) == 5 and full["run"]["takes"] == 20


def test_machines_that_are_made_up(tmp_path):
    assert smoke(machines.run, "dcase2020/outliers", tmp_path / "run") == 0
    found = rows_of(tmp_path / "run")
    assert {r["method"] for r in found} == {"frames-mean", "clips-knn"} and {r["data"] for r in found} == {"made up"}
    assert all(0 <= float(r["auc"]) <= 1 and r["units"] == "1" for r in found)
    titles, players = report_of(tmp_path / "run")
    assert titles[:3] == ["ROC AUC", "Scores: hum", "Normal beside abnormal"] and players == 2


def test_machines_of_a_folder_are_measured_unit_by_unit(tmp_path):
    write_machine(tmp_path / "data", units=2, train=6, test=8, seconds=0.4)
    method = {"component": "knn", "neighbors": 3}
    found = machines.measure(tmp_path / "data" / "hum", method, 0, 1000)
    units = found["units"]
    assert set(units) == {"id_00", "id_01"} and all(0 <= unit["auc"] <= 1 for unit in units.values())
    assert {name: len(scores) for name, scores in found["scores"].items()} == {"belongs": 8, "outliers": 8}


@pytest.mark.parametrize(
    ("name", "unit", "anomaly"),
    [
        ("normal_id_02_00000012.wav", "id_02", False),
        ("anomaly_id_00_00000000.wav", "id_00", True),
        ("section_01_source_test_anomaly_0003.wav", "section_01", True),
        ("section_00_target_train_normal_0000_strength_1.wav", "section_00", False),
    ],
)
def test_the_names_of_dcase_are_understood(name, unit, anomaly, tmp_path):
    write_tone(tmp_path / name, 300)
    (found,) = machines.recordings(tmp_path)
    assert (found.unit, found.anomaly) == (unit, anomaly)


def test_other_names_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no recordings"):
        machines.recordings(tmp_path)
    write_tone(tmp_path / "clip.wav", 300)
    with pytest.raises(InputError, match="not named"):
        machines.recordings(tmp_path)
    with pytest.raises(InputError, match="no machine"):
        machines.machines(tmp_path, [])


def clean_detector():
    return read_toml(RECIPES / "esc10" / "clean" / "smoke.toml")["run"]["detector"]


def test_a_pool_is_cleaned_and_learned_from(tmp_path, monkeypatch):
    monkeypatch.setenv("OSSICLE_RECIPES", str(RECIPES))
    data, foreign = write_sounds(tmp_path / "esc"), write_digits(tmp_path / "fsdd")
    assert smoke(clean.run, "esc10/clean", tmp_path / "run", data=data, foreign=foreign) == 0
    found = {r["what"]: r for r in rows_of(tmp_path / "run")}
    assert len(found) == 6
    for pool in clean.POOLS:
        assert 0 <= float(found[f"test error after learning from the {pool} pool"]["mean"]) <= 1
    titles, players = report_of(tmp_path / "run")
    assert titles[:3] == ["Results", f"Scores: {clean_detector()}", "Left out first"] and players == 2
    counts = {}
    for pool in clean.POOLS:
        with (tmp_path / "run" / f"{pool}-seed0" / "data" / "manifest.csv").open() as file:
            lines = list(csv.DictReader(file))
        counts[pool] = [
            sum(line["split"] == "test" for line in lines),
            sum(bool(line["label"]) for line in lines),
            len(lines),
        ]
    # Four test clips, six labelled ones with them; six unlabelled, three foreign; two of nine left out.
    assert counts == {"clean": [4, 6, 12], "mixed": [4, 6, 15], "cleaned": [4, 6, 13]}
    assert len(list(data.rglob("*.wav"))) == 12  # nothing was deleted


def test_settings_are_changed_from_the_command_line():
    settings = {"run": {"seeds": [0]}, "learner": {"set": {"training": {}}}}
    change(settings, "run.seeds=[1, 2]")
    change(settings, "learner.set.training.steps=5")
    change(settings, "run.name=some text")
    assert settings == {"run": {"seeds": [1, 2], "name": "some text"}, "learner": {"set": {"training": {"steps": 5}}}}
    for wrong in ("seeds=1", "nobody.seeds=1", "run.seeds", "run.seeds.first=1"):
        with pytest.raises(ConfigError):
            change(settings, wrong)


def test_missing_data_is_three_lines(tmp_path, capsys):
    assert smoke(tables.run, "odds/outliers", tmp_path / "run", data=tmp_path / "none") == 2
    assert "README" in capsys.readouterr().err
    data = write_tables(tmp_path / "data")
    np.savez(data / "other.npz", Z=np.zeros(3))
    assert smoke(tables.run, "odds/outliers", tmp_path / "run", data=data) == 3


def test_scores_for_a_histogram_are_few_and_have_both_ends():
    scores, y = np.arange(1000.0), (np.arange(1000) >= 990).astype(int)
    kept = spread_of(scores, y)
    assert len(kept["belongs"]) == 200 and kept["outliers"] == list(range(990, 1000))
    assert kept["belongs"][0] == 0 and kept["belongs"][-1] == 989
    assert spread_of(scores, np.zeros(1000, int))["outliers"] == []


def test_a_report_of_many_tables_draws_some_and_names_the_others():
    rows = [{"table": f"t{at}", "method": "default", "scores": {"belongs": [0.0]}} for at in range(10)]
    *drawn, rest = histograms([*rows, {"table": "old", "method": "default"}], "table", ["mod", "default"])
    assert [one.title for one in drawn] == [f"Scores: t{at}" for at in range(8)]
    assert rest.rows == [["t8"], ["t9"]]


def test_a_clip_that_cannot_be_read_is_named_in_the_report(tmp_path):
    write_tone(tmp_path / "good.wav", 300), (tmp_path / "bad.wav").write_bytes(b"RIFF")
    found = heard("Heard", {"pool": {name: tmp_path / f"{name}.wav" for name in ("bad", "good", "missing")}})
    assert [sound.label for sound in found.clips["pool"]] == ["good"]
    assert "bad (" in found.note and "missing (" in found.note


def test_results_over_seeds():
    rows = [{"a": 1, "seed": s, "auc": v} for s, v in ((0, 0.5), (1, 1.0))]
    assert over_seeds(rows, ("a",), ("auc",)) == [
        {"a": 1, "seeds": 2, "auc": 0.75, "auc_sd": pytest.approx(0.35355339)}
    ]


def test_results_are_measured_once(tmp_path):
    calls = []
    for _ in range(2):
        found = Results(tmp_path, {"x": 1}).measure({"seed": 0}, lambda: calls.append(1) or {"auc": 0.5})
        assert found == {"auc": 0.5}
    assert len(calls) == 1


@pytest.mark.parametrize(
    "recipe", ["odds/outliers", "odds/oracle", "fsdd/outliers", "dcase2020/outliers", "esc10/clean"]
)
def test_every_recipe_has_a_command_line(recipe, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", "--help"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(RECIPES / recipe / "run.py"), run_name="__main__")
    assert caught.value.code == 0 and "--smoke" in capsys.readouterr().out
