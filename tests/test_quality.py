"""Measures: perfect for equals, worse for worse, and clear where nothing can be measured."""

import math

import numpy as np
import pytest
import torch

from ossicle.audio.files import read
from ossicle.audio.quality import MEASURES, f0, mel_l1, multi_resolution_stft, pesq_wb, stoi
from ossicle.audio.quality.spectral import RESOLUTIONS, stft_distance
from ossicle.errors import AudioError

RATE = 22050


@pytest.fixture(scope="module")
def speech():
    from pathlib import Path

    return read(Path(__file__).parents[1] / "examples" / "speech.flac").samples[0][RATE // 2 : RATE // 2 + 2 * RATE]


def noisy(speech, level):
    return speech + level * np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)


def test_equal_sounds_are_perfect(speech):
    assert mel_l1(speech, speech, RATE) == {"mel_l1": 0.0}
    assert multi_resolution_stft(speech, speech, RATE) == {"mrstft": 0.0}
    assert pesq_wb(speech, speech, RATE)["pesq_wb"] > 4.6
    assert stoi(speech, speech, RATE)["stoi"] > 0.999
    assert f0(speech, speech, RATE) == {"f0_rmse_cents": 0.0, "voicing_f1": 1.0}


@pytest.mark.parametrize(
    ("measure", "figure", "sign"),
    [(mel_l1, "mel_l1", 1), (multi_resolution_stft, "mrstft", 1), (pesq_wb, "pesq_wb", -1), (stoi, "stoi", -1)],
)
def test_more_noise_is_worse(speech, measure, figure, sign):
    figures = [measure(speech, noisy(speech, level), RATE)[figure] for level in (0.003, 0.03)]
    assert sign * (figures[1] - figures[0]) > 0


def test_mel_l1_of_a_level_is_its_logarithm():
    loud = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
    assert mel_l1(loud, loud * 0.5, RATE)["mel_l1"] == pytest.approx(math.log(2), abs=1e-3)


def test_stft_distance_equals_a_plain_computation():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 6000)).astype(np.float32) * 0.1
    expected = []
    for n_fft, hop, length in RESOLUTIONS:
        window = np.zeros(n_fft)
        left = (n_fft - length) // 2
        window[left : left + length] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        magnitudes = []
        for wave in (a, b):
            padded = np.pad(wave.astype(np.float64), n_fft // 2, mode="reflect")
            frames = np.stack([padded[i : i + n_fft] for i in range(0, len(padded) - n_fft + 1, hop)])
            magnitudes.append(np.sqrt(np.maximum(np.abs(np.fft.rfft(frames * window)) ** 2, 1e-7)))
        x, y = magnitudes
        expected.append(np.linalg.norm(x - y) / np.linalg.norm(x) + np.mean(np.abs(np.log(x) - np.log(y))))
    found = stft_distance(torch.from_numpy(a)[None], torch.from_numpy(b)[None], RESOLUTIONS)
    assert float(found) == pytest.approx(float(np.mean(expected)), rel=1e-4)


def test_f0_reads_a_semitone_as_100_cents():
    t = np.arange(RATE) / RATE

    def buzz(hz):
        return sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 8)).astype(np.float32) * 0.2

    figures = f0(buzz(200.0), buzz(200.0 * 2 ** (1 / 12)), RATE)
    assert figures["f0_rmse_cents"] == pytest.approx(100, abs=12)
    assert figures["voicing_f1"] > 0.9


@pytest.mark.parametrize("name", list(MEASURES))
def test_nothing_and_nonsense_are_refused(name):
    good = np.zeros(RATE, dtype=np.float32)
    for bad in (np.zeros(0, dtype=np.float32), np.full(RATE, np.nan, dtype=np.float32), np.zeros((2, RATE))):
        with pytest.raises(AudioError):
            MEASURES[name](good, bad, RATE)


@pytest.mark.parametrize("measure", [pesq_wb, stoi])
def test_silence_cannot_be_judged_and_says_so(measure):
    silence = np.zeros(2 * RATE, dtype=np.float32)
    with pytest.raises(AudioError, match="cannot be measured"):
        measure(silence, silence, RATE)


def test_lengths_are_cut_to_the_shorter(speech):
    assert mel_l1(speech, speech[:-500], RATE)["mel_l1"] == pytest.approx(0.0, abs=0.05)
