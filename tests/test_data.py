"""`ossicle data`: what data sets there are, and whether a copy of one is whole, readable and unaltered."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.cli.sums import read_sums, sum_file, write_sums
from ossicle.errors import InputError

NAMES = [
    f"{label}_{split}_{n}.wav" for label in ("low", "high") for split, n in (("train", 0), ("train", 1), ("test", 0))
]

PLUGIN = """
    from ossicle.plugin import Component, hookimpl

    @hookimpl
    def ossicle_components():
        yield Component("dataset", "tones", "fake_dataset:Tones", "low and high")
        yield Component("dataset", "summed", "fake_dataset:SummedTones", "with sums")
        yield Component("dataset", "folded", "fake_dataset:FoldedTones", "in folds")
"""


@pytest.fixture(autouse=True)
def fake_sets(site, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    site.add("plugin-sets", PLUGIN)


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "list.txt").write_text("\n".join(NAMES))
    for at, name in enumerate(NAMES):
        soundfile.write(folder / name, 0.1 * np.sin(np.arange(200) * (at + 1) / 10), 8000)
    return folder


def test_data_sets_are_listed(run, run_json):
    code, found = run_json("data", "list")
    assert code == 0 and {"name": "tones", "summary": "low and high"} in found
    assert "tones" in run("data", "list")[1]


def test_a_whole_copy(copy, run, run_json):
    code, report = run_json("data", "check", "tones", copy, "--decode")
    assert code == 0 and report["whole"] and (report["clips"], report["expected"]) == (6, 6)
    assert report["classes"] == {"low": 3, "high": 3} and report["splits"] == {"test": 2, "train": 4}
    assert report["missing"] == report["unreadable"] == [] and "altered" not in report
    code, out, _ = run("data", "check", "tones", copy)
    assert code == 0 and "6 of 6 clips, 2 classes" in out and "the copy is whole" in out


def test_folds_and_clips_without_a_label(copy, run_json):
    report = run_json("data", "check", "folded", copy)[1]
    assert report["folds"] == {"1": 3, "2": 3} and sum(report["classes"].values()) == 5 and report["whole"]


def test_missing_clips_are_named(copy, run, run_json):
    (copy / NAMES[2]).unlink()
    code, report = run_json("data", "check", "tones", copy)
    assert code == 3 and report["missing"] == [str(copy / NAMES[2])] and not report["whole"]
    _, out, _ = run("data", "check", "tones", copy)
    assert NAMES[2] in out and "get it at https://example.org/tones" in out


def test_a_clip_too_few_is_not_whole(copy, run_json):
    (copy / "list.txt").write_text("\n".join(NAMES[:5]))
    code, report = run_json("data", "check", "tones", copy)
    assert code == 3 and (report["clips"], report["expected"]) == (5, 6)
    assert run_json("data", "check", "folded", copy)[0] == 0


def test_unreadable_clips_are_named_when_all_are_decoded(copy, run_json):
    (copy / NAMES[1]).write_bytes(b"RIFF nothing")
    soundfile.write(copy / NAMES[3], np.array([np.nan]), 8000, subtype="FLOAT")
    assert run_json("data", "check", "tones", copy)[0] == 0
    code, report = run_json("data", "check", "tones", copy, "--decode")
    assert code == 3 and [Path(bad["path"]).name for bad in report["unreadable"]] == [NAMES[1], NAMES[3]]
    assert "not numbers" in report["unreadable"][1]["why"]


def test_another_folder_says_where_to_get_the_right_one(run, tmp_path):
    code, _, err = run("data", "check", "tones", tmp_path)
    assert code == 3 and "https://example.org/tones" in err
    assert run("data", "check", "tunes", tmp_path)[0] == 5
    assert run("data", "check", "tones")[0] == 2


# --- sums


@pytest.fixture
def sums(copy, run, tmp_path):
    path = tmp_path / "tones.sha256"
    assert run("data", "check", "tones", copy, "--write-sums", path)[0] == 0
    return path


def test_sums_are_those_of_sha256sum(copy, sums):
    lines = sums.read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line[66:]) and len(lines) == 6
    for line in lines:
        assert line == f"{hashlib.sha256((copy / line[66:]).read_bytes()).hexdigest()}  {line[66:]}"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not there")
def test_sha256sum_reads_ours_and_we_read_its_lists(copy, sums, run_json, tmp_path):
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", str(sums)], cwd=copy, check=True)
    done = subprocess.run(["sha256sum", "--binary", *NAMES], cwd=copy, check=True, capture_output=True)
    (tmp_path / "theirs").write_bytes(b"# a remark\n\n" + done.stdout)
    assert run_json("data", "check", "tones", copy, "--sums", tmp_path / "theirs")[0] == 0


def test_the_same_copy_is_as_listed(copy, sums, run, run_json):
    code, report = run_json("data", "check", "tones", copy, "--sums", sums)
    assert code == 0 and report["compared"] == 6 and report["altered"] == report["unlisted"] == []
    assert "6 of 6 files are as listed" in run("data", "check", "tones", copy, "--sums", sums)[1]


def test_an_altered_clip_is_named(copy, sums, run, run_json):
    data = bytearray((copy / NAMES[4]).read_bytes())
    data[-1] ^= 1
    (copy / NAMES[4]).write_bytes(data)
    code, report = run_json("data", "check", "tones", copy, "--sums", sums)
    assert code == 3 and report["altered"] == [NAMES[4]] and not report["whole"]
    _, out, _ = run("data", "check", "tones", copy, "--sums", sums)
    assert NAMES[4] in out and "5 of 6 files are as listed" in out and "not whole" in out


def test_clips_that_the_list_lacks_and_files_that_the_copy_lacks_are_named(copy, sums, run_json):
    text = sums.read_text().replace(NAMES[0], "LICENCE")
    sums.write_text(text)
    code, report = run_json("data", "check", "tones", copy, "--sums", sums)
    assert code == 3 and report["unlisted"] == [NAMES[0]] and report["missing"] == [str(copy / "LICENCE")]
    (copy / "LICENCE").write_bytes((copy / NAMES[0]).read_bytes())
    report = run_json("data", "check", "tones", copy, "--sums", sums)[1]
    assert report["missing"] == report["altered"] == [] and report["compared"] == 6


def test_a_clip_that_is_gone_is_missing_once(copy, sums, run_json):
    (copy / NAMES[0]).unlink()
    report = run_json("data", "check", "tones", copy, "--sums", sums)[1]
    assert report["missing"] == [str(copy / NAMES[0])] and report["altered"] == [] and report["compared"] == 5


def test_sums_that_a_data_set_carries(copy, run, run_json):
    code, _, err = run("data", "check", "tones", copy, "--sums", "known")
    assert code == 2 and "--write-sums" in err
    (copy / "low_train_0.wav").write_bytes(b"")
    code, report = run_json("data", "check", "summed", copy, "--sums", "known")
    assert code == 3 and report["altered"] == ["low_train_1.wav"] and len(report["unlisted"]) == 4


def test_a_list_is_not_written_over_without_being_told(copy, sums, run):
    before = sums.read_text()
    code, _, err = run("data", "check", "tones", copy, "--write-sums", sums)
    assert code == 2 and "--force" in err and sums.read_text() == before
    (copy / NAMES[0]).write_bytes(b"")
    assert run("data", "check", "tones", copy, "--write-sums", sums, "--force")[0] == 0
    assert hashlib.sha256(b"").hexdigest() in sums.read_text()
    assert run("data", "check", "tones", copy, "--sums", "-")[0] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no sums"),
        ("abc  a.wav\n", "line 1"),
        ("# fine\n" + "0" * 64 + " a.wav\n", "line 2"),
        ("0" * 40 + "  sha1.wav\n", "line 1"),
        ("0" * 64 + "  a.wav\n" + "1" * 64 + "  ./a.wav\n", "second sum"),
        (b"\xff\xfe\x00", "cannot read"),
        (None, "cannot read"),
    ],
)
def test_what_is_no_list_of_sums_is_refused(copy, run, tmp_path, text, said):
    path = tmp_path / "list"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    code, _, err = run("data", "check", "tones", copy, "--sums", path)
    assert code == 3 and said in err and "Traceback" not in err


@pytest.mark.parametrize(
    "name", ["plain.wav", "a b  c.wav", "back\\slash.wav", "new\nline.wav", "ünïcode/é.wav", "*x.wav", "\u2028.wav"]
)
def test_any_name_comes_back(tmp_path, name):
    write_sums(tmp_path / "list", {name: "ab" * 32})
    assert read_sums(tmp_path / "list") == {name: "ab" * 32}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert sum_file(tmp_path / "pipe") is None and sum_file(tmp_path) is None and sum_file(tmp_path / "none") is None
    with pytest.raises(InputError):
        read_sums(tmp_path)
