"""`ossicle corrupt` and `ossicle classify --adapt`, as they are typed."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

import ossicle
from ossicle.audio.adaptive import AdaptiveClassifier
from ossicle.audio.classifier import load_classifier, save_classifier
from ossicle.audio.log_mel import LogMelSettings
from ossicle.cli.app import main
from ossicle.errors import CheckpointError

RATE, SIZE = 8000, 2000


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model folder whose network has statistics that sound is far from, so that adaptation shows."""
    network = ossicle.build("backbone", "audio-resnet-tiny", classes=4, seed=0)
    network(torch.randn(16, 1, 16, 9, generator=torch.Generator().manual_seed(0)))
    front_end = LogMelSettings(
        sample_rate=RATE, n_fft=256, hop_length=250, n_mels=16, n_samples=SIZE, mean_db=-20.0, scale_db=20.0
    )
    folder = tmp_path_factory.mktemp("model")
    save_classifier(folder, network, front_end, ["a", "b", "c", "d"], backbone="audio-resnet-tiny")
    return folder


def sounds(count, seed=0):
    """Windows (count, SIZE) of noise at levels of their own."""
    draw = np.random.default_rng(seed)
    level = 10 ** draw.uniform(-3, -0.5, (count, 1))
    return (draw.standard_normal((count, SIZE)) * level).clip(-1, 1).astype("<f4")


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for at, wave in enumerate(sounds(6)):
        soundfile.write(folder / f"{at}.wav", wave, RATE, subtype="FLOAT")
    return folder


def ossicle_json(capsys, *argv):
    code = main([str(word) for word in argv])
    return code, json.loads(capsys.readouterr().out)


def pipe(model, data, *options):
    """Run `ossicle classify -` in a process of its own on raw samples; returns (exit code, rows, stderr)."""
    command = [sys.executable, "-m", "ossicle", "classify", "-", "--model", str(model), "--stream", *map(str, options)]
    done = subprocess.run(command, input=data, capture_output=True, timeout=600, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


# --- corrupt


def test_corrupt_writes_sound_of_the_same_length_rate_and_channels(tmp_path, capsys):
    stereo = np.stack([sounds(1)[0], sounds(1, seed=1)[0]], axis=1) * 0.3
    soundfile.write(tmp_path / "in.flac", stereo, RATE)
    code, report = ossicle_json(
        capsys,
        "corrupt",
        tmp_path / "in.flac",
        "-o",
        tmp_path / "out.wav",
        "--type",
        "reverb",
        "--severity",
        4,
        "--json",
    )
    out, rate = soundfile.read(tmp_path / "out.wav")
    assert code == 0 and rate == RATE and out.shape == stereo.shape
    assert (report["type"], report["severity"], report["files"][0]["clipped"]) == ("reverb", 4, 0)
    assert not np.allclose(out, stereo, atol=1e-3)


def test_corrupt_changes_a_file_the_same_way_every_time_and_by_seed(clips, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        argv = ["corrupt", clips, "-o", tmp_path / name, "--type", "packet-loss", "--severity", 5, "--seed", seed, "-q"]
        assert main([str(word) for word in argv]) == 0
    read = {name: (tmp_path / name / "3.wav").read_bytes() for name in ("one", "two", "three")}
    assert read["one"] == read["two"] != read["three"]


def test_corrupt_takes_settings_of_a_corruption(clips, tmp_path):
    spec = f"environment:folder={clips}"
    assert main(["corrupt", str(clips / "1.wav"), "-o", str(tmp_path / "out.wav"), "--type", spec]) == 0


@pytest.mark.parametrize("wrong", [["--type", "gain", "--severity", "6"], ["--type", "gain:level"]])
def test_corrupt_refuses_wrong_options(clips, tmp_path, wrong, capsys):
    assert main(["corrupt", str(clips), "-o", str(tmp_path / "out"), *wrong]) == 2
    assert not (tmp_path / "out").exists()


def test_corrupt_names_close_types(clips, tmp_path, capsys):
    assert main(["corrupt", str(clips), "-o", str(tmp_path / "out"), "--type", "reverbs"]) == 5
    assert "reverb" in capsys.readouterr().err


def test_corrupt_goes_on_after_a_bad_file(clips, tmp_path, capsys):
    (clips / "2.wav").write_bytes(b"no sound")
    argv = ["corrupt", str(clips), "-o", str(tmp_path / "out"), "--type", "gain"]
    assert main(argv) == 3
    assert len(list((tmp_path / "out").iterdir())) == 5


# --- classify --adapt on files


def test_adapting_changes_what_is_said_of_later_files_and_says_how_much(model, clips, capsys):
    plain, adapted = (
        ossicle_json(capsys, "classify", clips, "--model", model, "--json", *extra)[1]
        for extra in ([], ["--adapt", "unmix-tns:rate=1.0"])
    )
    assert "adaptation" not in plain
    told = adapted["adaptation"]
    assert (told["windows"], told["adapter"]) == (6, "unmix-tns")
    assert [f["probability"] for f in plain["files"]] != [f["probability"] for f in adapted["files"]]
    assert sum(told["labels"]["before"].values()) == sum(told["labels"]["after"].values()) == 6


def test_the_source_adapter_says_what_the_model_says(model, clips, capsys):
    plain, source = (
        ossicle_json(capsys, "classify", clips, "--model", model, "--json", *extra)[1]["files"]
        for extra in ([], ["--adapt", "source"])
    )
    assert [f["label"] for f in plain] == [f["label"] for f in source]
    assert [f["probability"] for f in plain] == pytest.approx([f["probability"] for f in source], abs=1e-5)


def test_a_summary_without_comparison_has_one_side(model, clips, capsys):
    code, found = ossicle_json(capsys, "classify", clips, "--model", model, "--adapt", "rbn", "--no-compare", "--json")
    assert code == 0 and set(found["adaptation"]["labels"]) == {"after"}


@pytest.mark.parametrize("wrong", [["--state", "x"], ["--batch", "0"], ["--adapt", "unmix-tns:rate"]])
def test_classify_refuses_options_that_make_no_sense(model, clips, wrong, capsys):
    assert main(["classify", str(clips), "--model", str(model), *wrong]) == 2


def test_files_stream_a_line_a_window(model, clips, capsys):
    assert main(["classify", str(clips), "--model", str(model), "--adapt", "unmix-tns", "--stream"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["window"] for row in rows] == list(range(6)) and {"file", "label", "before", "top"} <= set(rows[0])


# --- classify --stream through a pipe


def test_a_pipe_killed_and_resumed_gives_the_labels_of_an_unbroken_one(model, tmp_path):
    data, state = sounds(9).tobytes(), tmp_path / "state.safetensors"
    options = ("--adapt", "unmix-tns:rate=0.5", "--state", state)
    code, whole, told = pipe(model, data, "--adapt", "unmix-tns:rate=0.5")
    assert code == 0 and len(whole) == 9 and "9 windows through unmix-tns" in told
    cut = 4 * SIZE * 5
    _, first, _ = pipe(model, data[:cut], *options)
    _, second, _ = pipe(model, data[cut:], *options)
    assert first + second == whole


def test_labels_come_while_the_pipe_is_open_and_sigterm_leaves_the_state(model, tmp_path):
    state = tmp_path / "state.safetensors"
    command = ["classify", "-", "--model", str(model), "--adapt", "rbn", "--stream", "--state", str(state)]
    process = subprocess.Popen(
        [sys.executable, "-m", "ossicle", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(sounds(1).tobytes())
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["window"] == 0  # the pipe is still open
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=600) == 130
    process.communicate()
    restored = AdaptiveClassifier(load_classifier(model), "rbn")
    restored.load(state)
    assert restored.heard == 1


def test_windows_of_nan_and_silence_are_survived(model):
    waves = sounds(8)
    waves[2, 7], waves[5] = np.nan, 0.0
    code, rows, told = pipe(model, waves.tobytes(), "--adapt", "unmix-tns:rate=0.5")
    assert code == 0 and "1 of them unusable" in told
    assert rows[2]["label"] is None and "not numbers" in rows[2]["error"]
    others = [row for at, row in enumerate(rows) if at != 2]
    assert all(row["label"] in "abcd" and 0 < row["probability"] <= 1 for row in others)
    # Neither is learnt from: what follows is labelled as if they had not been.
    _, without, _ = pipe(model, np.delete(waves, [2, 5], axis=0).tobytes(), "--adapt", "unmix-tns:rate=0.5")
    heard = [row["probability"] for at, row in enumerate(rows) if at not in (2, 5)]
    assert heard == pytest.approx([row["probability"] for row in without], abs=1e-5)


def test_a_pipe_that_ends_within_a_window_is_padded_and_within_a_sample_is_told(model):
    data = sounds(2).tobytes()
    code, rows, _ = pipe(model, data[: 4 * SIZE + 400])
    assert code == 0 and len(rows) == 2
    code, rows, told = pipe(model, data[: 4 * SIZE + 402])
    assert code == 3 and len(rows) == 2 and "within a sample" in told


def test_windows_at_once_are_as_many_as_asked(model):
    data = sounds(7).tobytes()
    _, rows, _ = pipe(model, data, "--batch", 3)
    assert [row["window"] for row in rows] == list(range(7))


# --- state


def test_a_state_of_another_model_or_adapter_or_a_damaged_one_is_refused(model, tmp_path):
    classifier, file = load_classifier(model), tmp_path / "state.safetensors"
    own = AdaptiveClassifier(classifier, "unmix-tns")
    own(torch.from_numpy(sounds(3)))
    own.save(file)
    own.load(file)
    for other in (AdaptiveClassifier(classifier, "rbn"), AdaptiveClassifier(classifier, "unmix-tns", {"seed": 5})):
        with pytest.raises(CheckpointError, match="something else"):
            other.load(file)
    changed = load_classifier(model)
    with torch.no_grad():
        next(changed.network.parameters()).add_(1)
    with pytest.raises(CheckpointError, match="something else"):
        AdaptiveClassifier(changed, "unmix-tns").load(file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="cannot be read"):
        own.load(file)


def test_reset_starts_anew(model):
    own = AdaptiveClassifier(load_classifier(model), "unmix-tns", {"rate": 1.0})
    waves = torch.from_numpy(sounds(4))
    first = own(waves)
    assert not torch.equal(own(waves), first)
    own.reset()
    assert torch.equal(own(waves), first) and own.heard == 4


def test_without_an_adapter_it_is_the_classifier(model):
    classifier = load_classifier(model)
    waves = torch.from_numpy(sounds(3))
    assert torch.equal(AdaptiveClassifier(classifier, None)(waves), classifier(waves))
