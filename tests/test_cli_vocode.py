"""`ossicle vocode` and `ossicle mel`, with everything that people feed them."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.testing.fake_distributions import component_plugin

HOP, RATE = 256, 22050


@pytest.fixture(autouse=True)
def fake_voice(site, monkeypatch):
    """Offer the fake vocoders beside whatever is installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    for name, cls in (("fake", "FakeVoice"), ("interrupting", "Interrupting"), ("loud", "Loud")):
        site.add(f"plugin-{name}", component_plugin("vocoder", name, f"fake_voice:{cls}"))


def sound(seconds=0.5, rate=RATE, channels=1):
    t = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * 220 * t)
    return np.stack([wave] * channels, axis=1)


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "in" / "speech.wav"
    path.parent.mkdir()
    soundfile.write(path, sound(), RATE)
    return path


@pytest.mark.parametrize(
    ("name", "rate", "channels", "options"),
    [
        ("8 kHz.wav", 8000, 1, {}),
        ("48 kHz stereo.wav", 48000, 2, {}),
        ("24 bit.wav", RATE, 1, {"subtype": "PCM_24"}),
        ("float.wav", RATE, 1, {"subtype": "FLOAT"}),
        ("unsigned 8 bit.wav", RATE, 1, {"subtype": "PCM_U8"}),
        ("speech.mp3", RATE, 1, {}),
        ("speech.ogg", RATE, 1, {}),
        ("speech.flac", 44100, 2, {}),
    ],
)
def test_every_kind_of_sound_becomes_speech_of_its_length(run, tmp_path, name, rate, channels, options):
    soundfile.write(tmp_path / name, sound(0.5, rate, channels), rate, **options)
    code, out, err = run("vocode", tmp_path / name, "-o", tmp_path / "out.wav", "--vocoder", "fake")
    assert (code, out) == (0, "")
    with soundfile.SoundFile(tmp_path / "out.wav") as file:
        assert (file.samplerate, file.channels) == (RATE, channels)
        assert file.frames == pytest.approx(0.5 * RATE, abs=RATE * 0.06 if name.endswith("mp3") else 2)
    assert (f"resampled from {rate}" in err) == (rate != RATE)


def test_stereo_is_mixed_down_on_request_only(run, tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(channels=2), RATE)
    assert run("vocode", tmp_path / "a.wav", "-o", tmp_path / "out.wav", "--vocoder", "fake", "--mono")[0] == 0
    assert soundfile.info(tmp_path / "out.wav").channels == 1


@pytest.mark.parametrize("n_samples", [1, 100, HOP, HOP + 1])
def test_a_very_short_sound_keeps_its_length(run, tmp_path, n_samples):
    soundfile.write(tmp_path / "a.wav", np.full(n_samples, 0.1), RATE)
    assert run("vocode", tmp_path / "a.wav", "-o", tmp_path / "out.wav", "--vocoder", "fake")[0] == 0
    assert soundfile.info(tmp_path / "out.wav").frames == n_samples


def test_silence_works(run, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    assert run("vocode", tmp_path / "a.wav", "-o", tmp_path / "out.wav", "--vocoder", "fake")[0] == 0


def broken_empty(path, good):
    path.write_bytes(b"")


def broken_text(path, good):
    path.write_text("this is not a sound")


def broken_half(path, good):
    path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])


def broken_nan(path, good):
    soundfile.write(path, np.array([0.0, np.nan, 0.1]), RATE, subtype="FLOAT")


def broken_no_samples(path, good):
    soundfile.write(path, np.zeros(0), RATE)


def broken_missing(path, good):
    pass


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (broken_empty, "is empty"),
        (broken_text, "not a sound file"),
        (broken_half, "cut off"),
        (broken_nan, "not numbers"),
        (broken_no_samples, "no samples"),
        (broken_missing, "does not exist"),
    ],
)
def test_a_bad_sound_is_named_with_its_fault(run, tmp_path, speech, spoil, words):
    bad = tmp_path / "bad.wav"
    spoil(bad, speech)
    code, out, err = run("vocode", bad, "-o", tmp_path / "out.wav", "--vocoder", "fake")
    assert (code, out) == (4, "")
    assert words in err and "bad.wav" in err
    assert not (tmp_path / "out.wav").exists()


def mel_file(path, values):
    np.save(path, values.astype(np.float32))
    return path


@pytest.mark.parametrize("shape", [(80, 20), (1, 80, 20)])
def test_a_mel_becomes_speech(run, tmp_path, shape):
    path = mel_file(tmp_path / "m.npy", np.full(shape, -5.0))
    assert run("vocode", path, "-o", tmp_path / "out.wav", "--vocoder", "fake")[0] == 0
    assert soundfile.info(tmp_path / "out.wav").frames == 20 * HOP


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((20, 80), -5.0), "transpose"),
        (np.full((40, 20), -5.0), "40 mels"),
        (np.full(80, -5.0), "shape"),
        (np.full((80, 0), -5.0), "no frames"),
        (np.where(np.eye(80) > 0, np.nan, -5.0), "not numbers"),
        (np.full((2, 80, 20), -5.0), "shape"),
    ],
)
def test_a_bad_mel_is_named_with_its_fault(run, tmp_path, values, words):
    code, _, err = run("vocode", mel_file(tmp_path / "m.npy", values), "-o", tmp_path / "o.wav", "--vocoder", "fake")
    assert code == 4 and words in err


def test_a_pickled_mel_is_refused_and_nothing_is_run(run, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "it-ran",))

    np.save(tmp_path / "m.npy", np.array([Hostile()], dtype=object), allow_pickle=True)
    assert run("vocode", tmp_path / "m.npy", "-o", tmp_path / "o.wav", "--vocoder", "fake")[0] == 4
    assert not (tmp_path / "it-ran").exists()


def test_decibels_are_taken_with_a_warning(run, tmp_path):
    path = mel_file(tmp_path / "m.npy", np.full((80, 4), -60.0))
    code, _, err = run("vocode", path, "-o", tmp_path / "o.wav", "--vocoder", "fake")
    assert code == 0 and "decibels" in err


def test_a_mel_of_another_analysis_is_refused_and_both_are_printed(run, tmp_path, speech):
    assert run("mel", speech, "-o", tmp_path / "m.safetensors", "--preset", "vocos")[0] == 0
    code, _, err = run("vocode", tmp_path / "m.safetensors", "-o", tmp_path / "o.wav", "--vocoder", "fake")
    assert code == 4
    assert "scale=htk" in err and "scale=slaney" in err


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_mel_and_vocode_fit_together(run, tmp_path, speech, suffix):
    assert run("mel", speech, "-o", tmp_path / f"m{suffix}", "--vocoder", "fake")[0] == 0
    assert run("vocode", tmp_path / f"m{suffix}", "-o", tmp_path / "from_mel.wav", "--vocoder", "fake")[0] == 0
    assert run("vocode", speech, "-o", tmp_path / "direct.wav", "--vocoder", "fake")[0] == 0
    direct, from_mel = (soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("direct", "from_mel"))
    np.testing.assert_array_equal(direct, from_mel[: len(direct)])


def test_one_bad_input_of_thirty_does_not_stop_the_others(run_json, tmp_path, speech):
    for i in range(29):
        (speech.parent / f"copy{i:02}.wav").write_bytes(speech.read_bytes())
    speech.write_text("spoiled")
    code, report = run_json("vocode", speech.parent, "-o", tmp_path / "out", "--vocoder", "fake", "--quiet")
    assert code == 3
    assert (report["written"], report["failed"]) == (29, 1)
    assert len(list((tmp_path / "out").glob("*.wav"))) == 29
    (failure,) = [f for f in report["files"] if f["status"] == "failed"]
    assert failure["input"].endswith("speech.wav") and failure["error"]["what"]


def test_interrupted_halfway_leaves_whole_files_only(run, tmp_path, speech):
    for i in range(5):
        (speech.parent / f"copy{i}.wav").write_bytes(speech.read_bytes())
    code, _, err = run("vocode", speech.parent, "-o", tmp_path / "out", "--vocoder", "interrupting")
    assert code == 130 and "interrupted" in err
    files = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert files == ["copy0.wav", "copy1.wav"]
    assert all(soundfile.info(tmp_path / "out" / name).frames == soundfile.info(speech).frames for name in files)


def test_run_again_to_go_on_and_force_to_do_it_anew(run_json, tmp_path, speech):
    arguments = ("vocode", speech, "-o", tmp_path / "out.wav", "--vocoder", "fake")
    assert run_json(*arguments)[1]["written"] == 1
    (tmp_path / "out.wav").write_text("mine")
    assert run_json(*arguments)[1]["kept"] == 1
    assert (tmp_path / "out.wav").read_text() == "mine"
    assert run_json(*arguments, "--force")[1]["written"] == 1
    assert soundfile.info(tmp_path / "out.wav").frames > 0


def test_folders_are_mirrored(run, tmp_path, speech):
    deep = speech.parent / "a" / "b" / "deep.flac"
    deep.parent.mkdir(parents=True)
    soundfile.write(deep, sound(), RATE)
    (speech.parent / "notes.txt").write_text("not a sound: left alone")
    assert run("vocode", speech.parent, "-o", tmp_path / "out", "--vocoder", "fake")[0] == 0
    assert {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()} == {
        "speech.wav",
        "a/b/deep.wav",
    }


@pytest.mark.parametrize("way", ["glob", "list"])
def test_globs_and_lists_name_inputs(run, tmp_path, speech, way):
    (tmp_path / "list.txt").write_text(f"# a comment\n{speech}\n\n")
    named = f"{speech.parent}/*.wav" if way == "glob" else f"@{tmp_path / 'list.txt'}"
    assert run("vocode", named, "-o", tmp_path / "out", "--vocoder", "fake")[0] == 0
    assert (tmp_path / "out" / "speech.wav").exists()


def test_standard_input_to_standard_output(speech, monkeypatch):
    class Pipe:
        buffer = io.BytesIO(speech.read_bytes())

    monkeypatch.setattr(sys, "stdin", Pipe)
    from ossicle.cli.app import main

    written = io.BytesIO()

    class Out:
        buffer = written

        def flush(self):
            pass

        def write(self, text):
            raise AssertionError("stdout carries the result only")

    monkeypatch.setattr(sys, "stdout", Out())
    assert main(["vocode", "-", "-o", "-", "--vocoder", "fake"]) == 0
    data, rate = soundfile.read(io.BytesIO(written.getvalue()))
    assert rate == RATE and len(data) == len(sound())


def test_two_inputs_cannot_share_an_output(run, tmp_path, speech):
    soundfile.write(speech.with_suffix(".flac"), sound(), RATE)
    code, _, err = run("vocode", speech.parent, "-o", tmp_path / "out", "--vocoder", "fake")
    assert code == 2 and "both" in err
    assert not (tmp_path / "out").exists()


def test_an_input_is_never_overwritten(run, speech):
    before = speech.read_bytes()
    assert run("vocode", speech, "-o", speech, "--vocoder", "fake", "--force")[0] == 2
    assert speech.read_bytes() == before


def test_what_is_too_loud_is_clipped_and_counted(run_json, tmp_path, speech):
    code, report = run_json("vocode", speech, "-o", tmp_path / "out.wav", "--vocoder", "loud")
    assert code == 0 and report["files"][0]["clipped"] > 0
    samples, _ = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert samples.max() == 32767  # clipped, not wrapped to negative values
    assert samples.min() >= 0


def test_float_output_keeps_what_is_too_loud(run, tmp_path, speech):
    arguments = ("vocode", speech, "-o", tmp_path / "out.wav", "--vocoder", "loud", "--subtype", "FLOAT")
    assert run(*arguments)[0] == 0
    assert soundfile.read(tmp_path / "out.wav")[0].max() > 1.0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--vocoder", "no-such"), 5, "no vocoder is named"),
        (("--dtype", "int8", "--vocoder", "fake"), 2, "does not offer int8"),
        (("--dtype", "fp7", "--vocoder", "fake"), 2, "no dtype"),
        (("--device", "cuda:99", "--vocoder", "fake"), 2, "cuda:99"),
        (("--device", "toaster", "--vocoder", "fake"), 2, "toaster"),
        (("--format", "m4a", "--vocoder", "fake"), 2, "m4a"),
        (("--subtype", "PCM_99", "--vocoder", "fake"), 4, "PCM_99"),
        (("--no-such-option",), 2, "no-such-option"),
        (("--checkpoint", "x", "--vocoder", "fake"), 2, "checkpoint"),
    ],
)
def test_what_cannot_be_done_says_so(run, tmp_path, speech, arguments, code, words):
    got, out, err = run("vocode", speech, "-o", tmp_path / "out.wav", *arguments)
    assert (got, out) == (code, "") and words in err and "do:" in err


def test_nothing_found_is_no_usable_input(run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = run("vocode", tmp_path / "empty", "-o", tmp_path / "out", "--vocoder", "fake")
    assert code == 4 and "nothing to do" in err


def test_an_output_without_a_format_is_refused_before_any_work(run, tmp_path, speech):
    code, _, err = run("vocode", speech, "-o", tmp_path / "out.xyz", "--vocoder", "fake")
    assert code == 2 and ".xyz" in err


def test_a_disk_that_refuses_is_reported_for_its_file(run, tmp_path, speech):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run("vocode", speech, "-o", tmp_path / "file" / "out.wav", "--vocoder", "fake")
    assert code == 4 and "cannot write" in err


def test_json_stands_alone_on_stdout(run, tmp_path, speech):
    code, out, _ = run("vocode", speech, "-o", tmp_path / "o.wav", "--vocoder", "fake", "--json")
    record = json.loads(out)["files"][0]
    assert code == 0 and record["status"] == "written" and record["sample_rate"] == RATE
    assert record["samples"] == len(sound()) and record["error"] is None
