"""Log-mels: the short cuts for silence and for frames that are known give what the whole analysis gives, to the bit."""

import pytest
import torch

from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.errors import AudioError

SETTINGS = LogMelSettings(sample_rate=8000, n_fft=256, hop_length=100, n_mels=16, n_samples=1600)


@pytest.fixture(scope="module")
def analyse():
    return LogMel(SETTINGS)


def sounds(rows=12):
    return 0.1 * torch.randn(rows, SETTINGS.n_samples, generator=torch.Generator().manual_seed(0))


def plainly(analyse, wave):
    """One transform of all frames, none left out."""
    padded = torch.nn.functional.pad(wave[:, None], (128, 128), mode="reflect")[:, 0]
    spectrum = torch.fft.rfft(padded.unfold(1, 256, 100) * analyse.window)
    power = spectrum.real.square() + spectrum.imag.square()
    return (10 * torch.log10((power @ analyse.bank).clamp(min=1e-10))).transpose(1, 2)


RUNS = [(0, 1600), (0, 700), (900, 1600), (300, 1200), (555, 556), (0, 1), (1599, 1600), (127, 385), (1471, 1473)]


@pytest.mark.parametrize("run", RUNS)
def test_silent_frames_need_no_analysis(analyse, run):
    wave = sounds()
    wave[::2, slice(*run)] = 0
    assert torch.equal(analyse(wave), plainly(analyse, wave))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "change", [lambda x: x * 0, lambda x: x + 0.01, lambda x: torch.cat([x[:, :1], x[:, 1:] * 0], 1)]
)
def test_known_frames_need_no_analysis(analyse, run, change):
    before = sounds()
    before[3:5, 800:], before[5] = 0, 0
    after = before.clone()
    after[1:, slice(*run)] = change(before[1:, slice(*run)])
    assert torch.equal(analyse(after, known=(before, analyse(before))), plainly(analyse, after))


def test_known_frames_are_taken_from_there(analyse):
    before = sounds()
    after = before.clone()
    after[:, 800] += 0.5
    marked = torch.full((12, 16, SETTINGS.frames), 7.0)
    taken = (analyse(after, known=(before, marked)) == 7.0).all(dim=1)
    assert taken[:, :6].all() and taken[:, 11:].all() and not taken[:, 7:10].any()


def test_no_clips_give_no_log_mels(analyse):
    assert analyse(torch.zeros(0, 1600)).shape == (0, 16, SETTINGS.frames)


def test_known_clips_of_another_shape_are_refused(analyse):
    wave = sounds(3)
    with pytest.raises(AudioError):
        analyse(wave, known=(wave[:2], torch.zeros(2, 16, SETTINGS.frames)))
