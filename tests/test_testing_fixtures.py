"""The kit's fixtures: the same sounds every time, of the length and rate asked for; Triton's interpreter in its own process."""

import numpy as np
import pytest
import soundfile

from ossicle.errors import ConfigError, MissingPackageError
from ossicle.testing import interpreter
from ossicle.testing.sounds import make_speech, make_tone, write_class_folders


def test_a_tone_has_its_pitch_and_level():
    tone = make_tone(8000, 8000, hz=500.0, level=0.25)
    assert tone.dtype == np.float32 and int(np.abs(np.fft.rfft(tone)).argmax()) == 500
    assert float(np.abs(tone).max()) == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize(("samples", "rate"), [(0, 16000), (1, 16000), (12345, 8000), (44100, 44100)])
def test_speech_is_as_long_as_asked_and_the_same_every_time(samples, rate):
    speech = make_speech(samples, rate)
    assert speech.shape == (samples,) and speech.dtype == np.float32 and np.isfinite(speech).all()
    assert np.array_equal(speech, make_speech(samples, rate))


def test_speech_has_voice_pauses_and_another_seed_says_something_else():
    speech = make_speech(32000, 16000)
    assert float(np.abs(speech).max()) == pytest.approx(0.5, abs=1e-6)
    assert not speech[24000:28000].any()  # the seventh syllable is a pause
    assert not np.array_equal(speech, make_speech(32000, 16000, seed=1))


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="no sound"):
        make_tone(-1, 8000)
    with pytest.raises(ConfigError, match="no sound"):
        make_speech(10, 0)


def test_a_small_data_set_is_a_folder_a_class(tmp_path):
    write_class_folders(tmp_path, {"a": 200.0, "b": 900.0}, clips=2, rate=16000, seconds=0.1)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.wav")) == [
        "a/0.wav",
        "a/1.wav",
        "b/0.wav",
        "b/1.wav",
    ]
    samples, rate = soundfile.read(tmp_path / "b" / "1.wav")
    assert rate == 16000 and len(samples) == 1600


def test_a_script_that_fails_in_the_interpreter_says_why(monkeypatch):
    monkeypatch.setattr(interpreter, "find_spec", lambda name: True)
    assert interpreter.run_interpreted("import os; print(os.environ['TRITON_INTERPRET'])") == "1\n"
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        interpreter.run_interpreted("1 / 0")
    monkeypatch.setattr(interpreter, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="triton"):
        interpreter.run_interpreted("pass")
