"""Tables: every format gives the same rows, in pieces of any size, and what is wrong is named by row and column."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.errors import InputError, UsageError
from ossicle_outliers.tables.source import choose_columns, match_columns, open_table, pieces, read_all
from ossicle_outliers.tables.writers import writing

X = np.random.default_rng(0).standard_normal((57, 3)).round(6)
Y = (np.arange(57) % 10 == 0).astype(np.int8)


def write_csv(path, header=True, x=X):
    lines = ["a,b,name,c,y"] if header else []
    lines += [f"{r[0]},{r[1]},row {i},{r[2]},{Y[i]}" for i, r in enumerate(x.tolist())]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def write_parquet(path):
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    names = [f"row {i}" for i in range(57)]
    table = arrow.table({"a": X[:, 0], "b": X[:, 1], "name": names, "c": X[:, 2], "y": Y})
    pyarrow.parquet.write_table(table, path, row_group_size=10)
    return path


def make(kind, folder):
    path = folder / f"table.{kind}"
    if kind == "csv":
        return write_csv(path), "y"
    if kind == "parquet":
        return write_parquet(path), "y"
    if kind == "npz":
        np.savez_compressed(path, X=X, y=Y)
        return path, "y"
    np.save(path, np.asfortranarray(X))
    return path, None


@pytest.mark.parametrize("kind", ["csv", "npz", "npy", "parquet"])
@pytest.mark.parametrize("rows", [1, 7, 57, 100])
def test_every_format_gives_the_same_rows_in_pieces_of_any_size(kind, rows, tmp_path):
    path, label = make(kind, tmp_path)
    source = open_table(path)
    columns = choose_columns(source, label=label)
    found = list(pieces(source, columns, label=label, rows=rows))
    np.testing.assert_array_equal(np.concatenate([p.x for p in found]), X)
    assert [p.start for p in found] == list(range(0, 57, rows)) or kind == "parquet"
    assert np.cumsum([0, *(len(p.x) for p in found)])[:-1].tolist() == [p.start for p in found]
    if label:
        np.testing.assert_array_equal(np.concatenate([p.y for p in found]), Y)
    assert source.n_rows in (None, 57)


@pytest.mark.parametrize("kind", ["csv", "npz", "npy", "parquet"])
@pytest.mark.parametrize(("start", "stop"), [(0, 5), (13, 31), (50, 57), (20, 20), (40, 99)])
def test_a_stretch_of_rows_is_read_alone(kind, start, stop, tmp_path):
    source = open_table(make(kind, tmp_path)[0])
    names = [name for name in source.columns if name != "y"]
    found = [p.x for p in pieces(source, names, rows=4, start=start, stop=stop)]
    np.testing.assert_array_equal(np.concatenate(found) if found else np.empty((0, 3)), X[start:stop])


def test_columns_of_text_are_left_out_and_columns_can_be_named(tmp_path):
    source = open_table(write_csv(tmp_path / "t.csv"))
    assert source.columns == ("a", "b", "c", "y") and source.left_out == ("name",)
    assert choose_columns(source, columns=["c", "a"]) == ("c", "a")
    assert choose_columns(source, label="y") == ("a", "b", "c")
    for wrong, words in ((["d"], "no column 'd'"), (["name"], "not numeric")):
        with pytest.raises(UsageError, match=words) as caught:
            choose_columns(source, columns=wrong)
        assert words in str(caught.value)


def test_a_model_takes_columns_by_name_else_by_place(tmp_path):
    source = open_table(write_csv(tmp_path / "t.csv"))
    assert match_columns(source, ["c", "a"], named=True) == ("c", "a")
    with pytest.raises(InputError, match="lacks columns"):
        match_columns(source, ["c", "z"], named=True)
    np.savez(tmp_path / "t.npz", X)
    assert match_columns(open_table(tmp_path / "t.npz"), ["c", "a", "b"], named=True) == ("0", "1", "2")
    with pytest.raises(InputError, match="3 columns"):
        match_columns(open_table(tmp_path / "t.npz"), ["a"], named=True)


def test_a_csv_file_without_a_header_is_understood(tmp_path):
    source = open_table(write_csv(tmp_path / "t.csv", header=False))
    assert source.columns == ("0", "1", "3", "4") and source.left_out == ("2",)
    np.testing.assert_array_equal(read_all(source, ("0", "1", "3"))[0], X)


@pytest.mark.parametrize(
    ("first", "columns", "rows"),
    [
        ("1,2", ("0", "1"), 3),
        ("0,1", ("0", "1"), 2),
        (",0", ("0",), 2),
        ("a,2020", ("a", "2020"), 2),
        ("a,", ("a",), 2),
        ("a,b", ("a", "b"), 2),
    ],
)
def test_a_header_is_told_from_numbers(first, columns, rows, tmp_path):
    (tmp_path / "t.csv").write_text(f"{first}\n3,4\n5,6\n")
    source = open_table(tmp_path / "t.csv")
    assert source.columns == columns
    assert len(read_all(source, columns)[0]) == rows


@pytest.mark.parametrize("cell", ["", "NA", "nan", "inf"])
def test_a_missing_value_is_named_by_row_and_column(cell, tmp_path):
    text = "a,b\n" + "1,2\n" * 20 + f"3,{cell}\n" + "1,2\n"
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match="row 20, column 'b'"):
        read_all(open_table(tmp_path / "t.csv"), ("a", "b"))


def test_text_far_down_a_numeric_column_and_a_short_row_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 1500 + "3,x\n")
    with pytest.raises(InputError, match="row 1500, column 'b' is 'x'"):
        read_all(open_table(tmp_path / "t.csv"), ("a", "b"))
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3\n")
    with pytest.raises(InputError, match="row 1 ends before column 'b'"):
        read_all(open_table(tmp_path / "t.csv"), ("a", "b"))


class Hostile:
    def __reduce__(self):
        return (print, ("this must never run",))


def break_empty(path):
    path.write_bytes(b"")


def break_noise(path):
    path.write_bytes(bytes(range(256)) * 4)


def break_objects(path):
    if path.suffix == ".npz":
        np.savez(path, X=np.array([[Hostile()]], dtype=object))
    else:
        np.save(path, np.array([[Hostile()]], dtype=object), allow_pickle=True)


def break_half(path):
    whole = io.BytesIO()
    np.save(whole, X)
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("X.npy", whole.getvalue()[:-100])
    else:
        path.write_bytes(whole.getvalue()[:-100])


def break_text(path):
    np.savez(path, X=np.array([["a"]])) if path.suffix == ".npz" else np.save(path, np.array([["a"]]))


@pytest.mark.parametrize(
    ("suffix", "spoil"),
    [(s, b) for s in (".npz", ".npy") for b in (break_empty, break_noise, break_objects, break_half, break_text)]
    + [(".csv", break_empty), (".csv", break_noise), (".parquet", break_empty), (".parquet", break_noise)],
)
def test_damaged_and_hostile_files_are_refused(suffix, spoil, tmp_path, capsys):
    path = tmp_path / f"t{suffix}"
    spoil(path)
    with pytest.raises(InputError):
        source = open_table(path)
        read_all(source, source.columns)
    assert "never run" not in capsys.readouterr().out


def test_files_without_numbers_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\nx,y\n")
    with pytest.raises(InputError, match="no column of numbers"):
        open_table(tmp_path / "t.csv")
    for name in ("missing.csv", "t.xlsx"):
        with pytest.raises(InputError):
            open_table(tmp_path / name)
    np.savez(tmp_path / "two.npz", a=X, b=X)
    with pytest.raises(InputError, match="no matrix"):
        open_table(tmp_path / "two.npz")
    (tmp_path / "h.csv").write_text("a,b\n")
    with pytest.raises(InputError, match="no rows"):
        read_all(open_table(tmp_path / "h.csv"), ("a",))


def test_a_sample_is_in_order_without_repetition_and_of_equal_chances(tmp_path):
    np.save(tmp_path / "t.npy", np.arange(200.0)[:, None])
    source = open_table(tmp_path / "t.npy")
    counts = np.zeros(200)
    for seed in range(300):
        rows, _, seen = read_all(source, ("0",), max_rows=20, seed=seed)
        assert seen == 200 and len(rows) == 20 and (np.diff(rows[:, 0]) > 0).all()
        counts[rows[:, 0].astype(int)] += 1
    # Each row is drawn 30 times in the mean, with a standard deviation of 5.2.
    assert counts.min() > 8 and counts.max() < 58 and abs(counts[:100].sum() - 3000) < 200
    small, _, _ = read_all(source, ("0",), max_rows=500)
    np.testing.assert_array_equal(small[:, 0], np.arange(200.0))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=6), st.sampled_from([".csv", ".npz", ".parquet"]))
def test_what_is_written_piece_by_piece_is_read_again(tmp_path_factory, sizes, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("written")
    path = folder / f"out{suffix}"
    score = np.random.default_rng(1).standard_normal(sum(sizes))
    with writing(path, ["row", "score", "keep"]) as write:
        at = 0
        for size in sizes:
            part = score[at : at + size]
            write({"row": np.arange(at, at + size), "score": part, "keep": part < 1})
            at += size
    assert [p.name for p in folder.iterdir()] == [path.name]
    if suffix == ".npz":
        with np.load(path) as found:
            np.testing.assert_array_equal(found["score"], score)
            np.testing.assert_array_equal(found["keep"], score < 1)
    elif sum(sizes):
        rows, _, _ = read_all(open_table(path), ("score",))
        np.testing.assert_array_equal(rows[:, 0], score)


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    for suffix in (".csv", ".npz", ".parquet"):
        with pytest.raises(RuntimeError), writing(tmp_path / f"out{suffix}", ["a"]) as write:
            write({"a": np.arange(3)})
            raise RuntimeError("the disk is full")
    with pytest.raises(UsageError), writing(tmp_path / "out.xls", ["a"]):
        pass
    assert not list(tmp_path.iterdir())
