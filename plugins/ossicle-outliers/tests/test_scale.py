"""Scale: many rows in little memory, the same callable in other engines, and a cluster that loses a worker."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from descendants import children, command

from ossicle import build
from ossicle.errors import InputError
from ossicle_outliers.fitted import Fitted
from ossicle_outliers.scale import RowScorer

COLUMNS = ("a", "b", "c")


def rows(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 3))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale") / "model"
    detector = build("outlier-detector", "knn", neighbors=3).fit(rows(60))
    Fitted(detector, COLUMNS, float(detector.threshold_), named=True).save(folder)
    return folder


def write_parquet(path, n, seed, group):
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    x = rows(n, seed)
    table = arrow.table({**{name: x[:, at] for at, name in enumerate(COLUMNS)}, "id": [f"r{i}" for i in range(n)]})
    pyarrow.parquet.write_table(table, path, row_group_size=group)
    return x


def test_batches_of_columns_get_scores(model):
    x = rows(20, 1)
    scorer = RowScorer(model)
    batch = {"c": x[:, 2], "id": np.arange(20), "a": x[:, 0], "b": x[:, 1]}
    found = scorer(batch)
    expected = build("outlier-detector", "knn", neighbors=3).fit(rows(60)).decision_function(x)
    np.testing.assert_allclose(found["score"], expected, rtol=1e-12)
    assert list(found) == ["c", "id", "a", "b", "score", "keep"] and found["keep"].dtype == bool
    assert list(RowScorer(model, only=["id"])(batch)) == ["id", "score", "keep"]
    assert len(scorer({name: np.empty(0) for name in batch})["score"]) == 0
    with pytest.raises(InputError, match="lacks columns"):
        scorer({"a": x[:, 0]})


def test_data_frames_get_scores(model):
    pandas = pytest.importorskip("pandas")
    x = rows(7, 1)
    frame = pandas.DataFrame(x, columns=list(COLUMNS), index=range(10, 17))
    found = RowScorer(model)(frame)
    assert list(found.columns) == [*COLUMNS, "score", "keep"] and list(found.index) == list(range(10, 17))


MEMORY = """
import sys
from pathlib import Path
from ossicle_outliers.fitted import load_fitted
from ossicle_outliers.tables.scoring import score_table
fitted = load_fitted(Path(sys.argv[1]))
score_table(fitted, Path(sys.argv[2]), Path(sys.argv[3]), stop=1000)
def peak_kib():
    # Not getrusage: that begins with the peak of the process that started this one.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])
before = peak_kib()
result = score_table(fitted, Path(sys.argv[2]), Path(sys.argv[3]), rows_at_once=8192)
print(result.rows, (peak_kib() - before) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_memory_does_not_grow_with_the_table(model, tmp_path):
    np.save(tmp_path / "x.npy", rows(300_000))
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(model), str(tmp_path / "x.npy"), str(tmp_path / "s.npz")],
        capture_output=True,
        text=True,
        check=True,
    )
    count, grown_mib = map(int, done.stdout.split())
    # Scores and ranks are sixteen bytes a row and their sorting as much again; all the rest is a piece at a time.
    assert count == 300_000 and grown_mib < 60
    with np.load(tmp_path / "s.npz") as found:
        assert sorted(found["rank"].tolist()) == list(range(1, 300_001))


def test_long_tables_are_cut_for_workers_and_parts_are_resumed(model, tmp_path, monkeypatch):
    from ossicle.cli.inputs import Input
    from ossicle.cli.outputs import Job
    from ossicle_outliers.commands.work import TableWork, cut
    from ossicle_outliers.tables.source import open_table, read_all

    x = write_parquet(tmp_path / "x.parquet", 100, 3, 30)
    job = Job(Input(tmp_path / "x.parquet", tmp_path / "x.parquet"), tmp_path / "out" / "x.parquet")
    pieces = cut([job], rows=40)
    assert [p.output.name for p in pieces] == ["000000.parquet", "000001.parquet", "000002.parquet"]
    assert cut([job], rows=100) == [job]
    work = TableWork(model, "cpu", None, None)
    assert [work(piece)["rows"] for piece in pieces] == [40, 40, 20]
    parts = [read_all(open_table(p.output), ("row", "score"))[0] for p in pieces]
    found = np.concatenate(parts)
    np.testing.assert_array_equal(found[:, 0], np.arange(100))
    expected = build("outlier-detector", "knn", neighbors=3).fit(rows(60)).decision_function(x)
    np.testing.assert_allclose(found[:, 1], expected, rtol=1e-9)
    assert pieces[0].kept(force=False) and not pieces[0].kept(force=True)


CLUSTER = """
import ray, sys
from ossicle_outliers.scale import RowScorer
ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
data = ray.data.read_parquet(sys.argv[2]).map_batches(
    RowScorer, fn_constructor_args=(sys.argv[1],), fn_constructor_kwargs={"only": ["id"], "threads": 1},
    batch_format="numpy", concurrency=1,
)
data.write_parquet(sys.argv[3])
"""


def test_ray_data_maps_a_model_over_a_data_set_with_an_actor(model, tmp_path):
    pytest.importorskip("ray.data", reason="the extra ossicle[ray] is not installed")
    from ossicle_outliers.tables.source import open_table, read_all

    (tmp_path / "in").mkdir()
    x = np.concatenate([write_parquet(tmp_path / "in" / f"{i}.parquet", 50, i, 20) for i in range(3)])
    words = [sys.executable, "-c", CLUSTER, str(model), str(tmp_path / "in"), str(tmp_path / "out")]
    subprocess.run(words, check=True, capture_output=True, timeout=500)
    found = [read_all(open_table(p), ("score",))[0][:, 0] for p in sorted((tmp_path / "out").glob("*.parquet"))]
    expected = build("outlier-detector", "knn", neighbors=3).fit(rows(60)).decision_function(x)
    np.testing.assert_allclose(np.sort(np.concatenate(found)), np.sort(expected), rtol=1e-9)


def test_a_killed_worker_costs_nothing_but_time(model, tmp_path):
    pytest.importorskip("ray.data", reason="the extra ossicle[ray] is not installed")
    pytest.importorskip("pyarrow")
    from ossicle_outliers.tables.source import open_table, read_all

    (tmp_path / "in").mkdir()
    for index in range(4):
        np.save(tmp_path / "in" / f"{index}.npy", rows(400_000, index))
    words = [sys.executable, "-m", "ossicle", "outliers", "score", str(tmp_path / "in"), "--model", str(model)]
    words += ["-o", str(tmp_path / "out"), "--engine", "ray", "--workers", "2", "--rows-at-once", "4096"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    killed, deadline = False, time.monotonic() + 500
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if not killed and any((tmp_path / "out").glob("*/*.parquet")):
                found = [pid for pid in children(process.pid) if b"_Worker" in command(pid)]
                if found:
                    os.kill(found[0], 9)
                    killed = True
            time.sleep(0.05)
        _, err = process.communicate(timeout=60)
    finally:
        for pid in [] if process.poll() is not None else [*children(process.pid), process.pid]:
            os.kill(pid, 9)
    assert killed and process.returncode == 0, err
    parts = sorted((tmp_path / "out").glob("*/*.parquet"))
    assert len(parts) == 8 and not list((tmp_path / "out").rglob("*.part"))
    for index in range(4):
        own = [read_all(open_table(p), ("row",))[0][:, 0] for p in parts if p.parent.name == str(index)]
        np.testing.assert_array_equal(np.concatenate(own), np.arange(400_000))
    again = subprocess.run(words, capture_output=True, check=True)
    assert b"8 kept" in again.stderr
