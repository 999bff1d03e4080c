"""Resampling keeps what fits and drops what does not."""

import numpy as np
import pytest
import torch

from ossicle.audio.resample import BlockResampler, resample, resample_array
from ossicle.errors import AudioError

SECONDS = 1.0


def tone(hz, rate):
    t = np.arange(int(SECONDS * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)[None]


def by_array(samples, a, b):
    return resample_array(samples, a, b)


def by_tensor(samples, a, b):
    return resample(torch.from_numpy(samples), a, b).numpy()


def error_db(found, wanted):
    # Edges see a filter's ringing against the cut: the middle tells its quality.
    inner = slice(len(wanted) // 10, -len(wanted) // 10)
    return 10 * np.log10(np.mean((found[inner] - wanted[inner]) ** 2) / np.mean(wanted[inner] ** 2))


@pytest.mark.parametrize("way", [by_array, by_tensor])
@pytest.mark.parametrize(
    ("a", "b", "hz"), [(44100, 16000, 6400), (8000, 22050, 3000), (48000, 22050, 9000), (16000, 22050, 7000)]
)
def test_a_tone_that_fits_survives(way, a, b, hz):
    found = way(tone(hz, a), a, b)[0]
    wanted = tone(hz, b)[0]
    assert abs(len(found) - len(wanted)) <= 1
    length = min(len(found), len(wanted))
    assert error_db(found[:length], wanted[:length]) < -60


@pytest.mark.parametrize("way", [by_array, by_tensor])
def test_a_tone_that_does_not_fit_is_removed(way):
    found = way(tone(12000, 44100), 44100, 16000)[0]
    assert 20 * np.log10(np.abs(found[1600:-1600]).max() / 0.5) < -80


@pytest.mark.parametrize("way", [resample_array, resample])
def test_equal_rates_change_nothing(way):
    samples = tone(440, 8000)
    assert way(samples, 8000, 8000) is samples


def test_channels_stay_apart():
    both = np.concatenate([tone(440, 44100), np.zeros((1, 44100), dtype=np.float32)])
    found = resample_array(both, 44100, 16000)
    assert found.shape[0] == 2 and np.abs(found[1]).max() == 0


def test_blocks_give_what_the_whole_gives():
    samples = tone(440, 44100)
    stream = BlockResampler(44100, 16000, 1)
    parts = [stream.push(samples[:, i : i + 5000], last=i + 5000 >= 44100) for i in range(0, 44100, 5000)]
    together = np.concatenate(parts, axis=1)
    whole = resample_array(samples, 44100, 16000)
    length = min(together.shape[1], whole.shape[1])
    assert abs(together.shape[1] - whole.shape[1]) <= 2
    np.testing.assert_allclose(together[:, :length], whole[:, :length], atol=2e-4)


def test_gradients_pass_through_a_tensor():
    wave = torch.from_numpy(tone(440, 8000)).requires_grad_()
    resample(wave, 8000, 16000).square().sum().backward()
    assert torch.isfinite(wave.grad).all()


@pytest.mark.parametrize("way", [by_array, by_tensor])
def test_a_rate_of_zero_is_refused(way):
    with pytest.raises(AudioError, match="0 Hz"):
        way(tone(440, 8000), 8000, 0)


def test_very_short_sounds():
    assert resample_array(np.full((1, 1), 0.5, dtype=np.float32), 8000, 22050).shape[0] == 1
