"""Tables of finished runs: what is in them, what does not belong together, and that pictures are pictures."""

import csv
import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from scipy import stats

from ossicle.errors import ConfigError, InputError
from ossicle.testing.sounds import write_table
from ossicle_semisup.figures import Errors, HeatMap, errors_figure, heat_maps
from ossicle_semisup.results import bare_command, collect, find_runs
from ossicle_semisup.tables import COLUMNS, main

CLIPS, LABELS = 30, ["low", "middle", "high <3>"]
GUESSES = [[8, 2, 0], [0, 5, 0], [0, 3, 0]]


@pytest.fixture
def make_run(tmp_path):
    """Write a finished run; `wrong` are the clips that the running average calls the next class."""

    def make(method, wrong, *, seed=0, fold=None, guesses=GUESSES, settings=(), summary=(), name=None):
        folder = tmp_path / "runs" / (name or f"{method}-{seed}-{fold}")
        errors = len(list(wrong)) / CLIPS
        found = {
            "method": method, "seed": seed, "fold": fold, "error_rate": errors + 0.1, "error_rate_ema": errors,
            "n_labeled": 9, "n_test": CLIPS, "steps": 50, "wall_s": 20.0, "cpu_s": 10.0 + seed, "labels": LABELS,
            "tested_on": "test set", "guesses_by_true_class": guesses, **dict(summary),
        }  # fmt: skip
        chosen = {
            "recipe": {"summary": "three tones", "dataset": "tones"},
            "labels": {"per_class": 3, "share": None},
            "front_end": {"n_mels": 16},
            "backbone": {"name": "tiny"},
            "training": {"steps": 50, "seed": seed},
            "method": {"name": method, "component": method},
        }
        for key, value in dict(settings).items():
            chosen[key] = {**chosen[key], **value}
        place = {
            "utc": f"2026-01-0{1 + seed}", "commit": "abc", "cpu": "a processor", "packages": {"torch": "2"},
            "command": f"run.py --data ../somewhere/tones --method {method} --seed {seed}",
        }  # fmt: skip
        write_table(
            folder / "predictions.csv",
            ("path", "source", "label", "predicted_net", "predicted_ema"),
            [(f"{i}.wav", f"tape{i // 2}", i % 3, 0, (i % 3 + (i in wrong)) % 3) for i in range(CLIPS)],
        )
        (folder / "summary.json").write_text(json.dumps(found), "utf-8")
        (folder / "run.json").write_text(json.dumps({"settings": chosen, "environment": place}), "utf-8")
        return folder

    return make


@pytest.fixture
def paired(make_run):
    """Three seeds of a baseline and of a method that is better."""
    wrong = {"supervised": (9, 12, 9), "clever": (3, 6, 0)}
    return [make_run(m, range(n), seed=seed) for m, numbers in wrong.items() for seed, n in enumerate(numbers)]


def test_means_spreads_and_differences(paired):
    results = collect(paired)
    baseline, clever = results["methods"]
    assert (baseline["method"], clever["method"]) == ("supervised", "clever")
    assert baseline["mean"] == pytest.approx(1 / 3) and clever["mean"] == pytest.approx(0.1)
    assert clever["sd"] == pytest.approx(0.1) and clever["by_run"] == pytest.approx(
        {"seed 0": 0.1, "seed 1": 0.2, "seed 2": 0}
    )
    against = clever["against_baseline"]
    assert against["mean"] == pytest.approx(-7 / 30) and against["better_in"] == 3
    assert against["by_run"] == pytest.approx({"seed 0": -0.2, "seed 1": -0.2, "seed 2": -0.3})
    assert against["low"] < against["mean"] < against["high"] < 0
    assert against["t_p"] == pytest.approx(stats.ttest_rel([0.3, 0.4, 0.3], [0.1, 0.2, 0]).pvalue)
    assert against["holm_p"] == against["mcnemar_mid_p"] < 0.001
    assert clever["first_network"]["mean"] == pytest.approx(0.2) and clever["cpu_s"] == 11


def test_a_baseline_named_after_the_other_turns_nothing_round(paired):
    forward, backward = collect(paired), collect(paired[::-1])
    for results in (forward, backward):
        assert results["methods"][1]["against_baseline"]["mean"] == pytest.approx(-7 / 30)
    ends = [
        (r["methods"][1]["against_baseline"]["low"], r["methods"][1]["against_baseline"]["high"])
        for r in (forward, backward)
    ]
    assert ends[0] == pytest.approx(ends[1], abs=0.03) and all(low < high for low, high in ends)
    other = collect(paired, baseline="clever")["methods"]
    assert other[0]["method"] == "clever" and other[1]["against_baseline"]["mean"] == pytest.approx(7 / 30)


def test_confusions_are_summed_over_runs(paired):
    clever = collect(paired)["methods"][1]
    # Clips 0 to 2 once and 0 to 5 once: one and two of each class are called the next.
    assert clever["confusion"] == [[27, 3, 0], [0, 27, 3], [3, 0, 27]]
    assert collect(paired, network="net")["methods"][1]["confusion"] == [[30, 0, 0]] * 3


def test_guesses_are_judged_class_by_class(paired):
    guesses = collect(paired)["methods"][1]["guesses"]
    assert guesses["counted"] == 54 and guesses["accuracy"] == pytest.approx(13 / 18)
    assert guesses["precision"] == [1.0, 0.5, None] and guesses["recall"] == [0.8, 1.0, 0.0]


def test_methods_without_guesses_have_none(make_run):
    runs = [make_run("supervised", range(9), guesses=[[0] * 3] * 3), make_run("clever", [])]
    baseline, clever = collect(runs)["methods"]
    assert baseline["guesses"] is None and clever["guesses"]["counted"] == 18


def test_files_and_the_table_for_people(paired, tmp_path, capsys):
    out = tmp_path / "recipe"
    assert main([*map(str, paired), "--out", str(out)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("| method | runs | error, % |") and len({line.count("|") for line in shown[:4]}) == 1
    assert "33.33 ± 5.77" in shown[2] and "-23.33 ± 5.77" in shown[3] and "3 of 3" in shown[3] and "CPU s" in shown[0]
    assert shown[4] == "" and "adjusted by Holm" in " ".join(shown[5:]) and "may differ" not in " ".join(shown)
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 6
    assert rows[0]["labels"] == "3 a class" and rows[0]["fold"] == "" and float(rows[0]["error_rate_ema"]) == 0.3
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert results["recipe"] == "three tones" and [run["utc"] for run in results["runs"][:3]] == [
        "2026-01-01",
        "2026-01-02",
        "2026-01-03",
    ]
    assert results["runs"][0]["command"] == "run.py --data tones --method supervised --seed 0"
    (machine,) = results["environments"]
    assert machine["cpu"] == "a processor" and len(machine["runs"]) == 6
    for name in ("errors", "confusion", "guesses"):
        assert ElementTree.parse(out / f"{name}.svg").getroot().tag.endswith("svg")
    assert "high &lt;3&gt;" in (out / "confusion.svg").read_text("utf-8")


def test_a_folder_of_runs_and_a_single_method(make_run, tmp_path, capsys):
    make_run("supervised", range(3), fold=1)
    make_run("supervised", range(6), fold=2)
    (tmp_path / "runs" / "unfinished").mkdir()
    assert len(find_runs([tmp_path / "runs"])) == 2
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    assert "15.00 ± 7.07" in capsys.readouterr().out
    assert "supervised,0,2," in (tmp_path / "out" / "results.csv").read_text()


def test_what_does_not_belong_together_is_refused(make_run):
    plain = make_run("supervised", range(9))
    for settings, said in (
        ({"labels": {"per_class": 4}}, "labels"),
        ({"recipe": {"dataset": "words"}}, "recipe"),
        ({"front_end": {"n_mels": 32}}, "front_end"),
    ):
        with pytest.raises(ConfigError, match="does not belong") as caught:
            collect([plain, make_run("clever", [], settings=settings)])
        assert said in str(caught.value)
    other = make_run("supervised", [], seed=1, settings={"training": {"strength": 0.3}})
    with pytest.raises(ConfigError, match="different settings") as caught:
        collect([plain, other])
    assert "training.strength (None and 0.3)" in str(caught.value)
    results = collect([plain, other], ignore=["strength"])
    assert results["ignored"] == ["strength"] and results["methods"][0]["runs"] == 2
    with pytest.raises(ConfigError, match="name each once"):
        collect([plain, make_run("supervised", [], name="again")])
    with pytest.raises(ConfigError, match="different clips"):
        collect([plain, make_run("held", [], summary={"tested_on": "held-out training clips"})])


def test_wrong_use_is_named(make_run, tmp_path, capsys):
    clever, other = make_run("clever", []), make_run("other", [])
    out = ["--out", str(tmp_path / "out")]
    assert main([str(clever), str(other), *out]) == 2 and "of the method 'supervised'" in capsys.readouterr().err
    assert main([str(clever), *out, "--confusion", "cleverer"]) == 2 and "methods: clever" in capsys.readouterr().err
    assert main([str(clever), *out, "--network", "teacher"]) == 2
    assert main([str(tmp_path / "nowhere"), *out]) == 3
    (clever / "run.json").write_text("{}")
    assert main([str(clever), *out]) == 3 and "run.json" in capsys.readouterr().err
    (other / "summary.json").write_text('{"method": "other", "seed": 0}')
    assert main([str(other), *out]) == 3 and "wall_s" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError):
        find_runs([])


def test_it_runs_as_a_module():
    words = [sys.executable, "-m", "ossicle_semisup.tables", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "results.csv" in done.stdout


@pytest.mark.parametrize(
    ("command", "bare"),
    [
        ("run.py --data ../shared/data/fsdd --out runs/a-0", "run.py --data fsdd --out a-0"),
        (
            'run.py --data fsdd/ --set split.held_out_speakers=["theo"]',
            'run.py --data fsdd --set split.held_out_speakers=["theo"]',
        ),
    ],
)
def test_commands_keep_no_folders(command, bare):
    assert bare_command(command) == bare


def test_pictures_of_few_and_of_many_classes():
    for count in (1, 50):
        names = [f"class {i}" for i in range(count)]
        shares = [[None if i == j else 1 / count for j in range(count)] for i in range(count)]
        svg = heat_maps(
            [HeatMap("a title longer than the map is wide", names, names, shares, [["1"] * count] * count, "a", "b")]
        )
        assert ElementTree.fromstring(svg).get("viewBox") and svg.count("<rect") == count**2 + 1
    for error in (0.0, 0.004, 1.0):
        ElementTree.fromstring(errors_figure([Errors("m", error, error, error, [error])], "t"))
