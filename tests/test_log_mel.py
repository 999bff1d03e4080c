"""The classifiers' front end: torchaudio's values, a plain numpy form of them, the same in any batch, clear errors."""

import numpy as np
import pytest
import torch
import torchaudio

from ossicle.audio import log_mel
from ossicle.audio.log_mel import LogMel, LogMelSettings, fit_length
from ossicle.errors import AudioError, ConfigError

SETTINGS = LogMelSettings(sample_rate=16000, n_fft=512, hop_length=160, n_mels=40, n_samples=8000)
PAPER = [
    LogMelSettings(sample_rate=44100, n_fft=2048, hop_length=512, n_mels=64, n_samples=220500),
    LogMelSettings(sample_rate=22050, n_fft=2048, hop_length=512, n_mels=64, n_samples=88200),
    LogMelSettings(sample_rate=16000, n_fft=2048, hop_length=512, n_mels=64, n_samples=16000),
]


def noise(settings, rows=2, seed=0):
    return 0.1 * torch.randn(rows, settings.n_samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("settings", [*PAPER, SETTINGS], ids=lambda s: f"{s.sample_rate}-{s.n_fft}")
def test_it_is_torchaudios_with_its_defaults(settings):
    transform = torch.nn.Sequential(
        torchaudio.transforms.MelSpectrogram(
            settings.sample_rate, n_fft=settings.n_fft, hop_length=settings.hop_length, n_mels=settings.n_mels
        ),
        torchaudio.transforms.AmplitudeToDB(),
    )
    wave = noise(settings)
    wave[0, : settings.n_samples // 2] = 0
    found, wanted = LogMel(settings)(wave), transform(wave)
    assert found.shape == wanted.shape == (2, settings.n_mels, settings.frames)
    torch.testing.assert_close(found, wanted, atol=2e-3, rtol=0)


def by_hand(wave, s):
    """One clip to log-mels in dB, in float64, frame by frame."""
    hz_to_mel = lambda hz: 2595 * np.log10(1 + np.asarray(hz) / 700)  # noqa: E731
    corners = 700 * (10 ** (np.linspace(0, hz_to_mel(s.sample_rate / 2), s.n_mels + 2) / 2595) - 1)
    bins = np.arange(s.n_fft // 2 + 1) * s.sample_rate / s.n_fft
    bank = np.zeros((s.n_mels, len(bins)))
    for m in range(s.n_mels):
        left, middle, right = corners[m : m + 3]
        bank[m] = np.clip(np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)), 0, None)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(s.n_fft) / s.n_fft)
    padded = np.pad(wave, s.n_fft // 2, mode="reflect")
    out = np.empty((s.n_mels, s.n_samples // s.hop_length + 1))
    for t in range(out.shape[1]):
        power = np.abs(np.fft.rfft(window * padded[t * s.hop_length : t * s.hop_length + s.n_fft])) ** 2
        out[:, t] = 10 * np.log10(np.maximum(bank @ power, 1e-10))
    return out


@pytest.mark.parametrize("hop", [160, 157])
def test_it_is_what_its_docstring_says(hop):
    settings = LogMelSettings(sample_rate=16000, n_fft=512, hop_length=hop, n_mels=40, n_samples=4001)
    wave = noise(settings, 1)
    np.testing.assert_allclose(LogMel(settings)(wave)[0], by_hand(wave[0].double().numpy(), settings), atol=2e-3)


def test_a_batch_is_cut_for_the_processor_and_nothing_changes(monkeypatch):
    wave = noise(SETTINGS, 7)
    front_end = LogMel(SETTINGS)
    whole = front_end(wave)
    for values in (1, 3 * SETTINGS.frames * 257, 2**30):
        monkeypatch.setattr(log_mel, "_SPECTRUM_VALUES", values)
        torch.testing.assert_close(front_end(wave), whole, atol=1e-4, rtol=0)
    alone = torch.cat([front_end(row[None]) for row in wave])
    torch.testing.assert_close(alone, whole, atol=1e-4, rtol=0)


def test_silence_is_the_floor_and_an_empty_batch_is_empty():
    front_end = LogMel(SETTINGS)
    assert torch.equal(front_end(torch.zeros(1, 8000)), torch.full((1, 40, SETTINGS.frames), -100.0))
    assert front_end(torch.zeros(0, 8000)).shape == (0, 40, SETTINGS.frames)


def test_louder_by_a_factor_is_so_many_decibels_more():
    wave = noise(SETTINGS, 1)
    front_end = LogMel(SETTINGS)
    torch.testing.assert_close(front_end(10 * wave), front_end(wave) + 20, atol=1e-3, rtol=0)


def test_a_tone_lies_in_its_band():
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 16000)[None]
    band = int(LogMel(SETTINGS)(tone)[0].mean(dim=1).argmax())
    corners = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 42) / 2595) - 1)
    assert corners[band] < 1000 < corners[band + 2]


def test_standardizing_makes_images():
    settings = LogMelSettings.from_dict({**SETTINGS.to_dict(), "mean_db": -30.0, "scale_db": 4.0})
    image = LogMel(settings).standardize(torch.full((2, 40, 51), -22.0))
    assert image.shape == (2, 1, 40, 51) and torch.equal(image, torch.full_like(image, 2.0))


def test_settings_survive_a_round_trip():
    assert LogMelSettings.from_dict(SETTINGS.to_dict()) == SETTINGS
    with pytest.raises(ConfigError, match="colour"):
        LogMelSettings.from_dict({**SETTINGS.to_dict(), "colour": 1})
    with pytest.raises(ConfigError, match="incomplete"):
        LogMelSettings.from_dict({"n_fft": 512})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_fft": 0}, "n_fft"),
        ({"n_fft": 511}, "even"),
        ({"hop_length": 1.5}, "hop_length"),
        ({"n_mels": True}, "n_mels"),
        ({"n_samples": 256}, "too short"),
        ({"n_samples": 2**40}, "too large"),
        ({"n_fft": 2**20, "n_samples": 2**21, "n_mels": 2**14}, "too large"),
        ({"scale_db": 0.0}, "above 0"),
        ({"scale_db": float("inf")}, "finite"),
        ({"mean_db": "quiet"}, "finite"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        LogMelSettings.from_dict({**SETTINGS.to_dict(), **change})


@pytest.mark.parametrize("shape", [(8000,), (1, 7999), (1, 1, 8000)])
def test_clips_of_another_shape_are_refused(shape):
    with pytest.raises(AudioError, match=r"takes \(B, 8000\)"):
        LogMel(SETTINGS)(torch.zeros(shape))


def test_fitting_cuts_and_pads_at_the_end():
    wave = torch.tensor([[1.0, 2.0, 3.0]])
    assert fit_length(wave, 2).tolist() == [[1, 2]] and fit_length(wave, 5).tolist() == [[1, 2, 3, 0, 0]]
    assert fit_length(wave, 3).tolist() == wave.tolist()
