"""A run's report from its files alone, several runs side by side, and `ossicle report`."""

import csv
import json
import re
from html import escape

import pytest
from report_sections import HOSTILE, RATE, tone

from ossicle.errors import InputError
from ossicle.runs.folder import RunFolder
from ossicle.runs.log import MetricsLog
from ossicle.runs.report import ORIGINAL, Histogram, write_report, write_samples
from ossicle.runs.report.answers import count_answers
from ossicle.runs.report.curves import group
from ossicle.runs.report.record import read_record
from ossicle.runs.report.side_by_side import named


def make_run(path, *, method="fixmatch", seed=0, error=0.25, labels=("cat", "dog")):
    folder = RunFolder.create(path, {"recipe": {"summary": "cats and dogs"}, "training": {"seed": seed, "steps": 20}})
    log = MetricsLog(path / "metrics.jsonl")
    for step in (10, 20):
        log.write(step, loss=1 / step, valid_error_rate=error, elapsed_s=step / 10)
    rows = [("a.wav", "ann", 0, 0), ("b.wav", "ann", 1, 0), ("c.wav", "bob", 1, 1), ("d.wav", "bob", 0, 0)]
    with (path / "predictions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "speaker", "label", "predicted_ema"), *rows])
    folder.write_json(
        "summary.json",
        {
            "method": method,
            "seed": seed,
            "error_rate_ema": error,
            "error_rates": {"ema": error},
            "n_test": 4,
            "labels": list(labels),
            "confusion_ema": [[2, 0], [1, 1]],
            "guesses_by_true_class": [[0, 0], [0, 0]],
            "warnings": ["few labels"],
        },
    )
    return path


def titles(html):
    return re.findall(r"<h2>(.*?)</h2>", html)


def test_a_finished_run_is_told_from_its_files_alone(tmp_path):
    folder = make_run(tmp_path / "run")
    html = write_report(folder).read_text("utf-8")
    assert titles(html) == [
        "Warnings", "Results", "Curves", "Confusion, ema", "Confusion, ema, class by class", "By speaker",
        "Wrong answers", "Command", "Configuration", "Environment", "Files",
    ]  # fmt: skip
    assert "cats and dogs" in html and "few labels" in html and "training.steps" in html
    assert "dog answered as cat: 1 of 2" in html
    assert re.search(r"error rate ema, %</dt><dd>25<", html)
    command = json.loads((folder / "run.json").read_text("utf-8"))["environment"]["command"]
    assert f"<code>{escape(command)}" in html


def test_what_is_missing_is_left_out(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "summary.json").unlink(), (run / "predictions.csv").unlink()
    html = write_report(run).read_text("utf-8")
    assert titles(html) == ["Curves", "Command", "Configuration", "Environment", "Files"]
    (run / "metrics.jsonl").unlink()
    assert titles(write_report(run).read_text("utf-8")) == ["Command", "Configuration", "Environment", "Files"]


def test_confusion_is_counted_from_predictions_where_no_summary_tells_it(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "summary.json").unlink()
    assert "Confusion, ema" in titles(write_report(run).read_text("utf-8"))
    rows = read_record(run).predictions
    assert count_answers(rows, "predicted_ema", ["cat", "dog"]) == (["cat", "dog"], [[2, 0], [1, 1]])
    assert count_answers(rows, "predicted_ema", None) == (["0", "1"], [[2, 0], [1, 1]])
    # Numbers that no label has are shown as they are.
    assert count_answers(rows, "predicted_ema", ["cat"])[0] == ["cat", "1"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", b"{"),
        ("summary.json", b"[1, 2]"),
        ("summary.json", b"\xff\xfe"),
        ("metrics.jsonl", b'{"loss": 1}\n'),
        ("metrics.jsonl", b"junk"),
        ("predictions.csv", b"path,label,predicted_ema\na.wav,0\n"),
        ("run.json", b"null"),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_is_shown(name, content, tmp_path):
    run = make_run(tmp_path / "run")
    (run / name).write_bytes(content)
    html = write_report(run).read_text("utf-8")
    assert f"{name} cannot be read" in html and len(titles(html)) > 4


@pytest.mark.parametrize(
    "summary",
    [
        {"confusion_ema": [[1, 2]], "labels": ["a", "b"]},
        {"confusion_ema": "junk", "labels": 5},
        {"confusion_ema": [[1, "x"], [None, 2]], "guesses_by_true_class": 7},
        {"warnings": 3, "error_rate": "high", "labels": {}},
        {HOSTILE: HOSTILE, "nested": {"deep": {HOSTILE: [1, 2]}}},
    ],
)
def test_a_summary_of_any_shape_gives_a_page(summary, tmp_path):
    run = make_run(tmp_path / "run")
    (run / "summary.json").write_text(json.dumps(summary))
    html = write_report(run).read_text("utf-8")
    assert "Configuration" in titles(html) and "<script>alert" not in html


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no run"):
        write_report(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match="nothing of the run"):
        write_report(tmp_path)


def test_sections_that_a_recipe_adds_stand_between_results_and_configuration(tmp_path):
    run = make_run(tmp_path / "run")
    html = write_report(run, [Histogram("Scores", {"all": [1.0, 2.0]})], title="Odd ones").read_text("utf-8")
    found = titles(html)
    assert found.index("Wrong answers") < found.index("Scores") < found.index("Command")
    assert "<h1>Odd ones</h1>" in html


def test_sounds_of_a_run_are_the_original_beside_the_latest(tmp_path):
    run = make_run(tmp_path / "run")
    for version, hz in ((ORIGINAL, 440), ("step-0000010", 300), ("step-0000020", 435)):
        write_samples(run, version, {"one": tone(hz), "two": tone(2 * hz)}, RATE)
    (run / "samples" / "step-0000020" / "two.flac").write_bytes(b"junk")
    html = write_report(run).read_text("utf-8")
    captions = re.findall(r"<figcaption>(\S+) <small>", html)
    assert captions == ["original", "step-0000020", "original"]
    assert "Could not be read: step-0000020/two.flac" in html


def test_metrics_of_one_thing_share_a_chart():
    names = ["mel", "total", "valid_mel_l1", "valid_tone_db", "error_rate", "error_rate_ema", "valid_error_rate"]
    assert group(names) == {
        "mel": ["mel", "valid_mel_l1"],
        "total": ["total"],
        "valid_tone_db": ["valid_tone_db"],
        "error_rate": ["error_rate", "valid_error_rate", "error_rate_ema"],
    }


def test_runs_get_the_shortest_names_that_tell_them_apart(tmp_path):
    runs = [read_record(make_run(tmp_path / place)) for place in ("x/seed-0", "y/seed-0", "y/seed-1")]
    assert list(named(runs)) == ["x/seed-0", "y/seed-0", "y/seed-1"]
    assert list(named(runs[1:])) == ["seed-0", "seed-1"]


def test_one_run_gets_its_page_beside_it_and_an_existing_one_is_kept(run, tmp_path):
    folder = make_run(tmp_path / "run")
    code, out, _ = run("report", folder)
    assert code == 0 and out.strip() == str(folder / "report.html") and (folder / "report.html").exists()
    (folder / "report.html").write_text("mine")
    code, out, err = run("report", folder)
    assert code == 0 and "kept" in err and out == "" and (folder / "report.html").read_text() == "mine"
    assert run("report", folder, "--force")[0] == 0 and (folder / "report.html").read_text() != "mine"


def test_several_runs_stand_side_by_side(run, tmp_path):
    first = make_run(tmp_path / "runs" / "fixmatch # 1", error=0.1)
    make_run(tmp_path / "runs" / "supervised", method="supervised", seed=1, error=0.4)
    write_report(first)
    for version, hz in ((ORIGINAL, 440), ("end", 435)):
        write_samples(first, version, {"one": tone(hz)}, RATE)
    code, _, _ = run("report", tmp_path / "runs", "-o", tmp_path / "both.html")
    html = (tmp_path / "both.html").read_text("utf-8")
    assert code == 0
    assert titles(html) == [
        "Results", "The same in all", "Curves", "Recall of each class", "Sounds", "Confusion, ema: fixmatch # 1",
        "Confusion, ema: supervised", "Settings that differ", "Commands",
    ]  # fmt: skip
    table = re.search(r'<section id="results".*?</section>', html, re.DOTALL).group()
    assert re.findall(r'data-key="(\d.*?)"', table) == ["0.0", "10.0", "1.0", "40.0"]
    assert 'href="runs/fixmatch%20%23%201/report.html"' in html
    differ = re.search(r'<section id="settings-that-differ".*?</section>', html, re.DOTALL).group()
    assert "training.seed" in differ and "training.steps" not in differ
    assert html.count("<polyline") == 4 and "fixmatch # 1, end" in html


def test_the_numbers_come_as_json(run_json, tmp_path):
    make_run(tmp_path / "a", error=0.1), make_run(tmp_path / "b", error=0.4, seed=1)
    code, found = run_json("report", tmp_path / "a", tmp_path / "b")
    assert code == 0 and [one["name"] for one in found["runs"]] == ["a", "b"]
    assert found["runs"][0]["results"]["error_rate_ema"] == 0.1
    assert found["runs"][1]["last"] == {"loss": 0.05, "valid_error_rate": 0.4}
    assert found["runs"][1]["settings"]["training.seed"] == 1
    assert not list(tmp_path.rglob("*.html"))


def test_one_bad_run_does_not_stop_the_others(run, tmp_path):
    make_run(tmp_path / "a"), (tmp_path / "empty").mkdir()
    code, _, err = run("report", tmp_path / "a", tmp_path / "empty", tmp_path / "nowhere")
    assert (
        code == 3 and "empty is no run" in err and "nowhere is no run" in err and (tmp_path / "a/report.html").exists()
    )
    assert run("report", tmp_path / "empty")[0] == 4


@pytest.mark.parametrize("how", ["glob", "list", "file", "twice"])
def test_runs_are_named_in_every_usual_way(how, run_json, tmp_path):
    for name in ("seed-0", "seed-1"):
        make_run(tmp_path / name)
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'seed-0'}\n{tmp_path / 'seed-1'}\n")
    words = {
        "glob": [tmp_path / "seed-*"],
        "list": [f"@{tmp_path / 'list.txt'}"],
        "file": [tmp_path / "seed-0" / "run.json", tmp_path / "seed-1"],
        "twice": [tmp_path / "seed-0", tmp_path, tmp_path / "seed-1" / "summary.json"],
    }
    code, found = run_json("report", *words[how])
    assert code == 0 and [one["name"] for one in found["runs"]] == ["seed-0", "seed-1"]


def test_the_page_goes_to_stdout_or_into_a_folder_where_asked(run, tmp_path):
    folder = make_run(tmp_path / "run")
    (tmp_path / "pages").mkdir()
    assert run("report", folder, "-o", tmp_path / "pages")[1].strip() == str(tmp_path / "pages" / "report.html")


def test_the_page_can_be_piped(tmp_path):
    import subprocess
    import sys

    folder = make_run(tmp_path / "run")
    done = subprocess.run([sys.executable, "-m", "ossicle", "report", str(folder), "-o", "-"], capture_output=True)
    assert done.returncode == 0 and done.stdout.startswith(b"<!doctype html>") and done.stdout.endswith(b"</html>")


def test_a_report_without_sound_imports_no_torch(tmp_path):
    import subprocess
    import sys

    folder = make_run(tmp_path / "run")
    script = (
        "import sys; from pathlib import Path; from ossicle.runs.report import write_report;"
        f"write_report(Path({str(folder)!r})); print('torch' in sys.modules, 'librosa' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_a_run_without_numbers_in_its_log_has_no_curves(tmp_path):
    run = make_run(tmp_path / "run")
    MetricsLog(run / "metrics.jsonl").write(1, loss=float("nan"))
    assert "Curves" not in titles(write_report(run).read_text("utf-8"))
