"""`ossicle classify` and the model folder it reads: every kind of sound, and folders that are damaged or mean harm."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

import ossicle
from ossicle.audio.classifier import load_classifier, save_classifier
from ossicle.audio.log_mel import LogMelSettings
from ossicle.errors import AudioError
from ossicle.testing.fake_distributions import component_plugin
from ossicle.toml import read_toml, write_toml

RATE, SECONDS = 8000, 0.5
FRONT_END = LogMelSettings(
    sample_rate=RATE, n_fft=256, hop_length=100, n_mels=16, n_samples=4000, mean_db=-20.0, scale_db=10.0
)
LABELS = ("low", "high")


@pytest.fixture(autouse=True)
def fake_backbone(site, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    site.add("plugin-net", component_plugin("backbone", "low-or-high", "fake_network:LowOrHigh"))


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    network = ossicle.build("backbone", "low-or-high")
    save_classifier(folder, network, FRONT_END, LABELS, backbone="low-or-high", card={"steps": 3})
    return folder


def tone(hz, seconds=SECONDS, rate=RATE):
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


@pytest.fixture
def clip(tmp_path):
    """Write a sound file and return its path."""

    def write(name, samples, rate=RATE, **more):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate, **more)
        return path

    return write


# --- what comes in


def test_files_are_named_by_what_is_heard(model, clip, run_json):
    code, found = run_json("classify", clip("a.wav", tone(300)), clip("b.flac", tone(3000)), "--model", model)
    assert code == 0 and found["labels"] == ["low", "high"] and found["failed"] == []
    assert [(Path(row["file"]).name, row["label"], row["windows"]) for row in found["files"]] == [
        ("a.wav", "low", 1),
        ("b.flac", "high", 1),
    ]
    assert all(0.5 < row["probability"] <= 1 and row["seconds"] == 0.5 for row in found["files"])


def test_a_folder_a_list_and_a_glob(model, clip, run_json, tmp_path):
    clip("low/1.wav", tone(300))
    last = clip("high/2.wav", tone(3000))
    (tmp_path / "clips" / "notes.txt").write_text("no sound")
    (tmp_path / "list.txt").write_text(f"{last}\n")
    assert [row["label"] for row in run_json("classify", tmp_path / "clips", "--model", model)[1]["files"]] == [
        "high",
        "low",
    ]
    assert len(run_json("classify", f"@{tmp_path / 'list.txt'}", "--model", model)[1]["files"]) == 1
    assert len(run_json("classify", f"{tmp_path}/clips/*/*.wav", "--model", model)[1]["files"]) == 2


def test_standard_input(model, clip, run_json, monkeypatch):
    data = clip("a.wav", tone(3000)).read_bytes()
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO(data)}))
    _, found = run_json("classify", "-", "--model", model)
    assert found["files"][0]["file"] == "standard input" and found["files"][0]["label"] == "high"


def test_stereo_is_mixed_and_another_rate_resampled(model, clip, run_json):
    plain = clip("plain.wav", tone(300))
    stereo = clip("stereo.wav", np.stack([tone(300), tone(300)], axis=1))
    fast = clip("fast.wav", tone(300, rate=44100), 44100)
    rows = run_json("classify", plain, stereo, fast, "--model", model)[1]["files"]
    assert [row["label"] for row in rows] == ["low"] * 3
    assert rows[1]["probability"] == pytest.approx(rows[0]["probability"], abs=1e-3)
    assert rows[2]["probability"] == pytest.approx(rows[0]["probability"], abs=0.02)


def test_silence_gets_an_answer(model, clip, run_json):
    code, found = run_json("classify", clip("silence.wav", np.zeros(4000)), "--model", model)
    assert code == 0 and 0 < found["files"][0]["probability"] <= 1


@pytest.mark.parametrize("rate", [8000, 11025])
def test_one_sample_gets_an_answer_or_a_reason(model, clip, run_json, rate):
    code, found = run_json("classify", clip("one.wav", np.array([0.5]), rate), "--model", model)
    assert (code == 0 and len(found["files"]) == 1) or (code == 4 and "no sound" in found["failed"][0]["error"])


def test_a_long_sound_is_heard_window_by_window(model, clip, run_json):
    long = clip("long.wav", np.concatenate([tone(300, 1.0), tone(3000, 0.7)]))
    (row,) = run_json("classify", long, "--model", model)[1]["files"]
    assert row["windows"] == 4 and row["seconds"] == pytest.approx(1.7)
    rows = run_json("classify", long, "--model", model, "--windows", "--top", "2")[1]["files"]
    assert [(r["from_s"], r["label"]) for r in rows] == [(0, "low"), (0.5, "low"), (1, "high"), (1.5, "high")]
    of_it = [best["probability"] for r in rows for best in r["top"] if best["label"] == row["label"]]
    assert row["probability"] == pytest.approx(np.mean(of_it), abs=1e-5)


# --- what goes out


def test_the_table_is_for_people(model, clip, run):
    code, out, err = run("classify", clip("a.wav", tone(300)), "--model", model, "--top", "2")
    lines = out.splitlines()
    assert code == 0 and lines[0].split() == ["file", "label", "probability"] and err == ""
    assert [line.split()[1] for line in lines[2:]] == ["low", "high"]
    assert "from (s)" in run("classify", clip("a.wav", tone(300)), "--model", model, "--windows")[1]


def test_more_labels_than_there_are_gives_all_of_them(model, clip, run_json):
    (row,) = run_json("classify", clip("a.wav", tone(300)), "--model", model, "--top", "9")[1]["files"]
    assert [best["label"] for best in row["top"]] == ["low", "high"]
    assert sum(best["probability"] for best in row["top"]) == pytest.approx(1, abs=1e-5)


# --- what is wrong


def bad_files(folder):
    good = io.BytesIO()
    soundfile.write(good, tone(300), RATE, format="WAV", subtype="PCM_16")
    nan = tone(300)
    nan[7] = np.nan
    soundfile.write(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    (folder / "cut.wav").write_bytes(good.getvalue()[:3000])
    (folder / "header.wav").write_bytes(good.getvalue()[:44])
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("no sound at all")
    return {"nan.wav": "not numbers", "cut.wav": "cut off", "header.wav": "", "empty.wav": "empty", "text.wav": "read"}


def test_bad_files_are_named_and_the_others_are_classified(model, clip, run, run_json, tmp_path):
    clip("good.wav", tone(300))
    wanted = bad_files(tmp_path / "clips")
    code, found = run_json("classify", tmp_path / "clips", "missing.wav", "--model", model)
    assert code == 3 and [Path(row["file"]).name for row in found["files"]] == ["good.wav"]
    failed = {Path(row["input"]).name: row["error"] for row in found["failed"]}
    assert set(failed) == {*wanted, "missing.wav"}
    assert all(said in failed[name] for name, said in wanted.items())
    assert "Traceback" not in run("classify", tmp_path / "clips", "--model", model)[2]


def test_nothing_usable_is_four(model, run, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert run("classify", tmp_path / "empty.wav", "--model", model)[0] == 4
    assert run("classify", tmp_path / "folder", "--model", model)[0] == 4


def test_wrong_use_is_two(model, clip, run):
    sound = clip("a.wav", tone(300))
    assert run("classify", sound)[0] == 2
    assert run("classify", "--model", model)[0] == 2
    assert run("classify", sound, "--model", model, "--device", "abacus")[0] == 2


# --- the model folder


def test_a_folder_gives_back_what_was_put_in(model):
    classifier = load_classifier(model)
    assert classifier.labels == LABELS and classifier.front_end.settings == FRONT_END
    assert classifier.card["steps"] == 3 and classifier.sample_rate == RATE
    wave = torch.from_numpy(np.stack([tone(300), tone(3000)])).float()
    assert classifier(wave).argmax(dim=1).tolist() == [0, 1]
    assert not classifier.network.training and not any(p.requires_grad for p in classifier.network.parameters())


def test_clips_of_any_length_are_taken_and_others_refused(model):
    classifier = load_classifier(model)
    for samples in (1, 3999, 4000, 4001):
        assert classifier(torch.zeros(2, samples)).shape == (2, 2)
    assert classifier.windows(torch.zeros(8001)).shape == (3, 4000)
    for wave in (torch.zeros(2, 0), torch.zeros(5), torch.full((1, 10), torch.nan)):
        with pytest.raises(AudioError):
            classifier(wave)


def edited(model, change):
    settings = read_toml(model / "model.toml")
    change(settings)
    write_toml(model / "model.toml", settings)


def weights(model, change):
    state = load_file(model / "model.safetensors")
    save_file(change(state), model / "model.safetensors")


HARMS = {
    "no settings": lambda m: (m / "model.toml").unlink(),
    "no weights": lambda m: (m / "model.safetensors").unlink(),
    "settings are no TOML": lambda m: (m / "model.toml").write_text("labels = ["),
    "settings are bytes": lambda m: (m / "model.toml").write_bytes(b"\xff\x00\xfe"),
    "another format": lambda m: edited(m, lambda s: s["format"].update(name="vocoder")),
    "a later version": lambda m: edited(m, lambda s: s["format"].update(version=2)),
    "format is no table": lambda m: edited(m, lambda s: s.update(format="ossicle-classifier")),
    "no labels": lambda m: edited(m, lambda s: s.pop("labels")),
    "labels are a word": lambda m: edited(m, lambda s: s["labels"].update(names="ab")),
    "labels are numbers": lambda m: edited(m, lambda s: s["labels"].update(names=[1, 2])),
    "too many labels": lambda m: edited(m, lambda s: s["labels"].update(names=["a", "b", "c"])),
    "no front end": lambda m: edited(m, lambda s: s.pop("front_end")),
    "front end is no table": lambda m: edited(m, lambda s: s.update(front_end=3)),
    "a setting too many": lambda m: edited(m, lambda s: s["front_end"].update(colour="red")),
    "a rate that is a word": lambda m: edited(m, lambda s: s["front_end"].update(sample_rate="fast")),
    "an FFT that fills the memory": lambda m: edited(m, lambda s: s["front_end"].update(n_fft=2**40, n_samples=2**41)),
    "mels that fill the memory": lambda m: edited(m, lambda s: s["front_end"].update(n_mels=2**40)),
    "clips that fill the memory": lambda m: edited(m, lambda s: s["front_end"].update(n_samples=2**45)),
    "a level that is no number": lambda m: edited(m, lambda s: s["front_end"].update(mean_db=float("nan"))),
    "a level that is a word": lambda m: edited(m, lambda s: s["front_end"].update(scale_db="x")),
    "no backbone": lambda m: edited(m, lambda s: s.pop("backbone")),
    "backbone has no name": lambda m: edited(m, lambda s: s["backbone"].pop("name")),
    "backbone takes no such setting": lambda m: edited(m, lambda s: s["backbone"].update(wide=3)),
    "weights are cut off": lambda m: (m / "model.safetensors").write_bytes((m / "model.safetensors").read_bytes()[:40]),
    "weights are a pickle": lambda m: torch.save({"w": torch.ones(1)}, m / "model.safetensors"),
    "weights claim a huge header": lambda m: (m / "model.safetensors").write_bytes(b"\xff" * 8 + b"{}"),
    "weights of another shape": lambda m: weights(m, lambda s: {k: torch.ones(7) for k in s}),
    "a weight is missing": lambda m: weights(m, lambda s: {"classifier.bias": s["classifier.bias"]}),
    "weights are not numbers": lambda m: weights(m, lambda s: {k: v * float("nan") for k, v in s.items()}),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_or_hostile_folder_is_refused(model, clip, run, harm):
    HARMS[harm](model)
    code, out, err = run("classify", clip("a.wav", tone(300)), "--model", model)
    assert code == 2 and not out and "Traceback" not in err and "a bug in" not in err, err
    assert 1 <= len(err.strip().splitlines()) <= 3


def test_a_backbone_that_is_not_installed_is_five(model, clip, run):
    edited(model, lambda s: s["backbone"].update(name="audio-wrn-99"))
    code, _, err = run("classify", clip("a.wav", tone(300)), "--model", model)
    assert code == 5 and "audio-wrn-99" in err


def test_what_is_no_folder_is_two(clip, run, tmp_path):
    sound = clip("a.wav", tone(300))
    for path in (tmp_path / "nowhere", sound):
        code, _, err = run("classify", sound, "--model", path)
        assert code == 2 and "model folder" in err


def test_nothing_in_a_folder_is_run(model, clip, run, tmp_path):
    trap = f"import pathlib; pathlib.Path({str(tmp_path / 'sprung')!r}).touch()"
    for name in ("model.py", "backbone.py", "sitecustomize.py", "__init__.py", "conftest.py"):
        (model / name).write_text(trap)
    assert run("classify", clip("a.wav", tone(300)), "--model", model)[0] == 0
    assert not (tmp_path / "sprung").exists()
