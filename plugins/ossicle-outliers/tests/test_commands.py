"""`ossicle outliers` from the command line: pools of clips and tables, manifests, pages, and inputs that are not as they should be."""

import csv
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.cli.app import main
from ossicle.cli.inputs import Input
from ossicle.cli.outputs import Job
from ossicle_outliers.commands.work import ClipWork
from ossicle_outliers.fitted import load_fitted
from ossicle_outliers.manifest import Entry, Term
from ossicle_outliers.page import histogram, write_scores_page
from ossicle_outliers.sound.scoring import ClipScorer

RATE = 8000
QUICK = "autoencoder:network=ae,shift_steps=1,steps=60"


@pytest.fixture
def run(capsys):
    """Run the command line in process: returns (exit code, stdout, stderr)."""

    def call(*words):
        code = main(["outliers", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def write_pool(folder, n=30, odd=2):
    """Tones of one kind, and a few clips of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    at = np.arange(RATE // 4) / RATE
    for i in range(n):
        tone = 0.3 * np.sin(2 * np.pi * draw.uniform(400, 500) * at) + 0.01 * draw.standard_normal(len(at))
        soundfile.write(folder / f"tone{i:02d}.wav", tone, RATE)
    for i in range(odd):
        soundfile.write(folder / f"noise{i}.wav", 0.2 * draw.standard_normal(len(at)), RATE)
    return folder


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return write_pool(tmp_path_factory.mktemp("pool"))


@pytest.fixture(scope="module")
def model(pool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    assert main(["outliers", "fit", str(pool), "-o", str(folder), "--detector", QUICK, "--quiet"]) == 0
    return folder


def write_rows(path, n=300, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((n, 4)) @ draw.standard_normal((4, 4))
    odd = np.zeros(n, int)
    odd[:: n // 10] = 1
    x[odd == 1] += 12
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["name", "a", "b", "c", "d", "odd"])
        table.writerows([f"row {i}", *row.tolist(), int(odd[i])] for i, row in enumerate(x))
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.csv")


@pytest.fixture(scope="module")
def table_model(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "table"
    words = [
        "outliers",
        "fit",
        str(rows),
        "-o",
        str(folder),
        "--detector",
        "knn:neighbors=5",
        "--label",
        "odd",
        "--quiet",
    ]
    assert main(words) == 0
    return folder


def test_the_foreign_clips_of_a_pool_come_first(run, pool, model, tmp_path):
    code, out, _ = run("score", pool, "--model", model, "--json", "-o", tmp_path / "manifest.csv")
    found = json.loads(out)
    assert code == 0 and found["clips"] == 32 and not found["failed"]
    entries = found["manifest"]
    assert [e["rank"] for e in entries] == list(range(1, 33))
    assert {re.sub(r".*/", "", e["path"]) for e in entries[:2]} == {"noise0.wav", "noise1.wav"}
    assert [e["score"] for e in entries] == sorted((e["score"] for e in entries), reverse=True)
    assert all(e["keep"] == (e["score"] <= found["threshold"]) for e in entries)
    assert len(entries[0]["terms"]) == 5 and "band" in entries[0]["terms"][0]["column"]
    with (tmp_path / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "score", "rank", "keep", "terms"]
    assert [float(row["score"]) for row in rows] == [e["score"] for e in entries]
    assert len(list(pool.iterdir())) == 32  # nothing was deleted


def test_a_share_can_be_left_out_instead(run, pool, model, tmp_path):
    code, out, _ = run("score", pool, "--model", model, "--drop", "0.25", "-o", tmp_path / "m.json")
    document = json.loads((tmp_path / "m.json").read_text())
    assert code == 0 and out.strip().endswith("m.json")
    assert [e["keep"] for e in document["manifest"]] == [False] * 8 + [True] * 24
    assert document["left_out"] == 8


def test_what_goes_to_another_process_scores_as_this_one(pool, model):
    work = pickle.loads(pickle.dumps(ClipWork(model, "cpu")))
    for name in ("noise0.wav", "tone00.wav"):
        facts = work(Job(Input(pool / name, Path(name)), None))
        (expected,) = ClipScorer(load_fitted(model)).score_all([pool / name])
        assert facts["score"] == pytest.approx(expected.score)
        assert tuple(Term(*term) for term in facts["terms"]) == expected.terms
    assert pickle.loads(pickle.dumps(work)).fitted.columns == work.fitted.columns


def test_the_page_plays_and_shows_the_worst_and_needs_nothing_else(run, pool, model, tmp_path):
    code, _, err = run("score", pool, "--model", model, "--top", "4", "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert code == 0 and "page.html" in err
    assert page.count("<audio") == page.count("data:audio/") == page.count("data:image/png") == 4
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page) and "viewport" in page
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Scores", "To hear", "Ranking", "Command"]
    assert "the 4 highest of 32 scores" in page and "1. noise" in page and "band" in page


def test_a_clip_that_went_away_is_named_on_the_page(tmp_path):
    entry = Entry(str(tmp_path / "gone.wav"), 2.0, 1, False)
    about = {"model": "m", "clips": 1, "left out": 1}
    write_scores_page(
        tmp_path / "p.html", [entry], scores=np.array([2.0]), left_out=1, threshold=1.0, about=about, sounds=True
    )
    assert "Could not be read: 1. gone.wav" in (tmp_path / "p.html").read_text("utf-8")


def test_a_histogram_is_not_squeezed_by_one_far_score():
    scores = np.array([*np.linspace(0, 1, 99), 1e9])
    found = histogram(scores, 1, 1.5)
    assert (
        max(found.groups["left out"]) < 20 and len(found.groups["kept"]) == 99 and "1 scores up to 1e+09" in found.note
    )
    # A threshold beyond is shown where it is.
    assert histogram(scores, 1, 1e8).groups["left out"] == [1e9]
    assert list(histogram(scores, 0, None).groups) == ["kept"]
    equal = histogram(np.ones(5), 0, 1.0)
    assert equal.groups == {"kept": [1.0] * 5} and equal.note == ""


def test_the_page_lies_beside_the_manifest_unless_it_is_named(run, pool, model, tmp_path):
    assert run("score", pool, "--model", model, "-o", tmp_path / "m.csv", "--html")[0] == 0
    assert {p.name for p in tmp_path.iterdir()} == {"m.csv", "m.html"}


def test_what_exists_is_kept_unless_forced(run, pool, model, tmp_path):
    (tmp_path / "m.csv").write_text("mine")
    code, _, err = run("score", pool, "--model", model, "-o", tmp_path / "m.csv")
    assert code == 0 and "kept" in err and (tmp_path / "m.csv").read_text() == "mine"
    assert run("score", pool, "--model", model, "-o", tmp_path / "m.csv", "--force")[0] == 0
    assert (tmp_path / "m.csv").read_text().startswith("path,score")
    code, _, err = run("fit", pool, "-o", model)
    assert code == 2 and "--force" in err


def test_names_with_markup_stay_names(run, pool, model, tmp_path):
    odd = tmp_path / "a&b <i>.wav"
    odd.write_bytes((pool / "noise0.wav").read_bytes())
    assert run("score", odd, "--model", model, "--html", tmp_path / "page.html")[0] == 0
    assert "a&amp;b &lt;i&gt;.wav" in (tmp_path / "page.html").read_text()


def test_bad_clips_are_named_and_the_others_scored(run, pool, model, tmp_path):
    write_pool(tmp_path / "in", n=3, odd=0)
    (tmp_path / "in" / "empty.wav").write_bytes(b"")
    (tmp_path / "in" / "half.wav").write_bytes((pool / "tone00.wav").read_bytes()[:1000])
    soundfile.write(tmp_path / "in" / "one.wav", np.array([0.1]), RATE)
    soundfile.write(tmp_path / "in" / "silent.wav", np.zeros(500), RATE)
    soundfile.write(tmp_path / "in" / "stereo.flac", np.zeros((500, 2)) + 0.01, 44100)
    code, out, err = run("score", tmp_path / "in", "--model", model, "--json")
    found = json.loads(out)
    assert code == 3 and found["clips"] == 6 and len(found["failed"]) == 2
    assert "empty.wav" in err and "half.wav" in err
    assert all(np.isfinite(e["score"]) for e in found["manifest"])
    assert run("score", tmp_path / "in" / "empty.wav", "--model", model)[0] == 4


def test_frames_score_clips_by_the_share_that_is_worst(run, tmp_path):
    folder = write_pool(tmp_path / "pool", n=12, odd=0)
    wave, _ = soundfile.read(folder / "tone00.wav")
    wave[1000:1100] = 0.5 * np.random.default_rng(1).standard_normal(100)
    (tmp_path / "test").mkdir()
    soundfile.write(tmp_path / "test" / "click.wav", wave, RATE)
    (tmp_path / "test" / "fine.wav").write_bytes((folder / "tone01.wav").read_bytes())
    spec = "autoencoder:network=ae,shift_steps=0,steps=50"
    options = ("--vectors", "frames", "--aggregate", "top", "--top-share", "0.3", "--detector", spec)
    code, out, _ = run("fit", folder, "-o", tmp_path / "model", *options, "--json")
    assert code == 0 and json.loads(out)["rows"] > json.loads(out)["clips"] == 12
    fitted = load_fitted(tmp_path / "model")
    assert fitted.sound.aggregate == "top" and fitted.sound.context == 5 and len(fitted.columns) == 640
    code, out, _ = run("score", tmp_path / "test", "--model", tmp_path / "model", "--json")
    worst, best = json.loads(out)["manifest"]
    assert worst["path"].endswith("click.wav") and not worst["keep"] and worst["score"] > best["score"]


def test_a_table_is_scored_by_its_columns_names(run, rows, table_model, tmp_path):
    code, out, _ = run("score", rows, "--model", table_model, "--label", "odd", "--json", "-o", tmp_path / "s.csv")
    found = json.loads(out)
    assert code == 0 and found["rows"] == 300 and found["measures"]["auc"] > 0.9
    assert len(found["manifest"]) == 300 and found["manifest"][0]["rank"] == 1 and "row" in found["manifest"][0]
    written = list(csv.DictReader((tmp_path / "s.csv").open()))
    assert [int(row["row"]) for row in written] == list(range(300))
    by_row = {e["row"]: e for e in found["manifest"]}
    for row in written:
        entry = by_row[int(row["row"])]
        assert float(row["score"]) == entry["score"] and int(row["rank"]) == entry["rank"]
        assert (row["keep"] == "True") == entry["keep"]


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_pieces_of_any_size_give_the_same_scores(suffix, run, rows, table_model, tmp_path):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    outputs = []
    for size in (7, 1000):
        path = tmp_path / f"{size}{suffix}"
        assert run("score", rows, "--model", table_model, "-o", path, "--rows-at-once", size, "--drop", "0.1")[0] == 0
        outputs.append(read_columns(path))
    np.testing.assert_allclose(outputs[0]["score"], outputs[1]["score"], rtol=1e-9)
    for column in ("row", "rank", "keep"):
        np.testing.assert_array_equal(outputs[0][column], outputs[1][column])
    assert outputs[0]["keep"].sum() == 270


def read_columns(path):
    if path.suffix == ".npz":
        return dict(np.load(path))
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return {
            name: column.to_numpy() for name, column in zip(*_columns(pyarrow.parquet.read_table(path)), strict=True)
        }
    table = list(csv.DictReader(path.open()))
    kinds = {"row": int, "score": float, "rank": int, "keep": lambda cell: cell == "True"}
    return {name: np.array([kind(row[name]) for row in table]) for name, kind in kinds.items()}


def _columns(table):
    return table.column_names, table.columns


def test_a_bounded_sample_is_fitted_on(run, rows, tmp_path):
    code, out, _ = run("fit", rows, "-o", tmp_path / "m", "--detector", "mod", "--max-rows", "100", "--json")
    found = json.loads(out)
    assert code == 0 and found["rows"] == 100
    assert any("100 of 300" in note for note in found["notes"]) and any("name" in note for note in found["notes"])


def test_a_detectors_own_folder_takes_tables_by_place(run, rows, tmp_path):
    from ossicle import build

    x = np.random.default_rng(0).standard_normal((50, 3))
    build("outlier-detector", "knn").fit(x).save(tmp_path / "model")
    np.savez(tmp_path / "x.npz", X=x)
    code, out, _ = run("score", tmp_path / "x.npz", "--model", tmp_path / "model", "--json")
    assert code == 0 and json.loads(out)["rows"] == 50
    code, _, err = run("score", rows, "--model", tmp_path / "model")
    assert code == 3 and "fitted on 3" in err


def test_many_tables_go_to_a_folder_and_one_bad_one_stops_nobody(run, rows, table_model, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.csv").write_bytes(rows.read_bytes())
    (tmp_path / "in" / "bad.csv").write_text("a,b\n1,2\n")
    words = ("score", tmp_path / "in", "--model", table_model, "-o", tmp_path / "out")
    code, out, err = run(*words, "--json")
    found = json.loads(out)
    assert code == 3 and found["written"] == 2 and found["failed"] == 1 and "lacks columns" in err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.parquet", "b.parquet"}
    assert "2 kept" in run(*words)[2]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["fit", "nowhere", "-o", "{t}/m"], 4, "none of 1 files"),
        (["fit", "nowhere.csv", "-o", "{t}/m"], 3, "does not exist"),
        (["fit", "{pool}", "-o", "{t}/m", "--detector", "nobody"], 5, "nobody"),
        (["fit", "{pool}", "-o", "{t}/m", "--contamination", "lots"], 2, "contamination"),
        (["fit", "{pool}", "-o", "{t}/m", "--contamination", "0.9"], 2, "contamination"),
        (["fit", "{pool}", "-o", "{t}/m", "--vectors", "wavelets"], 2, "wavelets"),
        (["fit", "{pool}", "-o", "{t}/m", "--vectors", "embedding"], 2, "--classifier"),
        (["fit", "{pool}/tone00.wav", "-o", "{t}/m"], 3, "no pool"),
        (["fit", "{rows}", "-o", "{t}/m", "--columns", "a,zzz"], 2, "zzz"),
        (["fit", "{rows}", "{pool}", "-o", "{t}/m"], 2, "mixed"),
        (["score", "{rows}", "--model", "{model}"], 2, "sound files, not tables"),
        (["score", "{pool}", "--model", "{t}/none"], 2, "no model folder"),
        (["score", "{pool}", "--model", "{model}", "--drop", "2"], 2, "share"),
        (["score", "{pool}", "--model", "{model}", "--label", "y"], 2, "tables"),
        (["score", "{pool}", "--model", "{model}", "-o", "{t}/m.txt"], 2, "manifest"),
        (["score", "{pool}", "--model", "{model}", "--engine", "spark"], 2, "spark"),
        (["score", "page.html", "--model", "{model}"], 2, "page.html"),
        (["score", "--model", "{model}"], 2, "nothing"),
        (["score", "-", "--model", "{model}"], 2, "standard input"),
    ],
)
def test_what_makes_no_sense_is_refused_in_three_lines(words, code, text, run, pool, rows, model, tmp_path):
    filled = [w.format(t=tmp_path, pool=pool, rows=rows, model=model) for w in words]
    found, out, err = run(*filled)
    assert (found, out) == (code, "") and text in err and "Traceback" not in err


def test_a_model_of_another_version_is_refused(run, pool, model, tmp_path):
    import shutil

    shutil.copytree(model, tmp_path / "model")
    file = tmp_path / "model" / "input.toml"
    file.write_text(file.read_text().replace("version = 1", "version = 99"))
    code, _, err = run("score", pool, "--model", tmp_path / "model")
    assert code == 2 and "another version" in err


def test_help_imports_nothing_heavy():
    import subprocess
    import sys

    code = "import sys; from ossicle.cli.app import main; main(['outliers', 'fit', '--help']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
