"""`ossicle compare`: runs taken together by method, paired clip by clip, and wrong use said plainly."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

from ossicle.errors import InputError
from ossicle.runs.comparison import read_run
from ossicle.runs.statistics import corrected_resampled_t, mcnemar

CLIPS = 40


@pytest.fixture
def make_run(tmp_path):
    """Write a run folder: `wrong` are the clips that its running average got wrong, two clips a recording."""

    def make(method, wrong, *, seed=0, fold=None, network="ema", clips=range(CLIPS), source=True, **more):
        folder = tmp_path / f"{method}-{seed}-{fold}"
        folder.mkdir()
        summary = {"method": method, "seed": seed, "fold": fold, "tested_on": "test set", **more}
        (folder / "summary.json").write_text(json.dumps(summary), "utf-8")
        with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["path", "source", "speaker", "label", "predicted_net", f"predicted_{network}"])
            for clip in clips:
                label = clip % 3
                said = (label + 1) % 3 if clip in wrong else label
                table.writerow([f"{clip}.wav", f"tape{clip // 2}" if source else "", "", label, label, said])
        return folder

    return make


def test_errors_intervals_and_tests_are_shown(make_run, run):
    code, out, _ = run("compare", make_run("plain", range(10)), make_run("clever", range(2)))
    assert code == 0
    assert "25.00" in out and "5.00" in out and "20.00" in out
    for heading in ("95 % interval", "McNemar mid-p", "t test p", "McNemar, Holm", "difference (points)"):
        assert heading in out


def test_a_pair_is_tested_on_the_clips_that_one_alone_got_right(make_run, run_json):
    code, found = run_json("compare", make_run("plain", range(10)), make_run("clever", [0, 20]))
    (pair,) = found["pairs"]
    assert code == 0 and (pair["first_only_right"], pair["second_only_right"]) == (1, 9)
    assert pair["mcnemar_exact_p"] == pytest.approx(stats.binomtest(1, 10).pvalue)
    assert pair["holm_p"] == pair["mcnemar_mid_p"] < pair["mcnemar_exact_p"] and pair["t_p"] is None
    assert pair["difference"] == pytest.approx(0.2) and pair["low"] < 0.2 < pair["high"]


def test_clips_of_one_recording_are_drawn_together(make_run, run_json):
    together, scattered = make_run("pairs", range(10)), make_run("single", range(10), source=False)
    _, found = run_json("compare", together, scattered)
    first, second = found["methods"]
    assert first["error"] == second["error"] == 0.25
    assert first["high"] - first["low"] > 1.2 * (second["high"] - second["low"])


def test_seeds_are_paired(make_run, run_json):
    errors = {"plain": (10, 12, 9), "clever": (4, 8, 5)}
    runs = [make_run(method, range(n), seed=seed) for method, all_n in errors.items() for seed, n in enumerate(all_n)]
    _, found = run_json("compare", *runs)
    (pair,) = found["pairs"]
    assert found["methods"][0]["by_run"] == pytest.approx({"seed 0": 0.25, "seed 1": 0.3, "seed 2": 0.225})
    assert pair["t_p"] == pytest.approx(stats.ttest_rel(*errors.values()).pvalue)
    assert pair["clips"] == 3 * CLIPS


def test_folds_get_the_test_for_overlapping_training_sets(make_run, run_json):
    wrong = {"plain": (8, 9, 4), "clever": (2, 5, 3)}
    runs = [
        make_run(method, range(n), fold=fold + 1) for method, all_n in wrong.items() for fold, n in enumerate(all_n)
    ]
    _, found = run_json("compare", *runs)
    differences = (np.array(wrong["plain"]) - np.array(wrong["clever"])) / CLIPS
    assert found["pairs"][0]["t_p"] == pytest.approx(corrected_resampled_t(differences, n_train=2, n_test=1).p)


def test_only_what_both_answered_is_compared(make_run, run_json):
    _, found = run_json("compare", make_run("plain", range(8)), make_run("clever", [], clips=range(10)))
    assert found["pairs"][0]["clips"] == 10 and found["pairs"][0]["second_only_right"] == 8


def test_p_values_are_adjusted_for_the_pairs_shown(make_run, run_json):
    runs = [make_run("plain", range(12)), make_run("a", range(4)), make_run("b", range(2))]
    _, everything = run_json("compare", *runs)
    _, against = run_json("compare", *runs, "--baseline", "plain")
    assert len(everything["pairs"]) == 3 and len(against["pairs"]) == 2
    raw = mcnemar(np.arange(CLIPS) >= 12, np.arange(CLIPS) >= 2).p_mid
    assert everything["pairs"][1]["holm_p"] == pytest.approx(3 * raw)
    assert against["pairs"][1]["holm_p"] == pytest.approx(2 * raw)


def test_another_network_can_be_looked_at(make_run, run_json):
    _, found = run_json("compare", make_run("plain", range(9)), make_run("clever", range(3)), "--network", "net")
    assert [method["error"] for method in found["methods"]] == [0.0, 0.0] and found["pairs"][0]["mcnemar_mid_p"] == 1.0


def test_wrong_use_is_two_and_says_what_to_do(make_run, run):
    plain, clever = make_run("plain", range(9)), make_run("clever", range(3))
    for words, said in (
        ([plain], "two or more"),
        ([plain, make_run("plain", [], seed=1)], "two methods"),
        ([plain, plain], "name each once"),
        ([plain, clever, "--baseline", "cleverer"], "methods: plain, clever"),
        ([plain, clever, "--network", "teacher"], "--network net or ema"),
        ([plain, make_run("late", [], seed=7)], "equal seeds and folds"),
        ([plain, make_run("held", [], tested_on="held-out training clips")], "different clips"),
    ):
        code, out, err = run("compare", *words)
        assert code == 2 and said in err and not out, words


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "predictions.csv").unlink(), "predictions.csv"),
        (lambda folder: (folder / "summary.json").write_text("{"), "no finished run"),
        (lambda folder: (folder / "summary.json").write_text("[]"), "no method"),
        (lambda folder: (folder / "summary.json").write_text('{"method": "x"}'), "no seed"),
        (lambda folder: (folder / "summary.json").write_bytes(b"\xff\xfe"), "no finished run"),
        (lambda folder: (folder / "predictions.csv").write_text("path,label,predicted_ema\n"), "holds no clip"),
        (lambda folder: (folder / "predictions.csv").write_text("path,predicted_ema\na,1\n"), "lacks a column"),
        (lambda folder: (folder / "predictions.csv").write_text("path,label,predicted_ema\na,1\n"), "part of a row"),
        (lambda folder: (folder / "predictions.csv").write_bytes(b'path,label,predicted_ema\n"a'), "no finished run"),
    ],
)
def test_a_folder_that_is_no_finished_run_is_named(make_run, run, damage, said):
    broken = make_run("broken", [])
    damage(broken)
    code, _, err = run("compare", make_run("plain", []), broken)
    assert code == 3 and said in err and "broken" in err and "Traceback" not in err
    with pytest.raises(InputError):
        read_run(broken)
