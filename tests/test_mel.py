"""The mel front ends: equal to the published analysis, and never mixed up."""

import json
import wave
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from ossicle.audio.filterbank import mel_filter_bank
from ossicle.audio.mel import MelFrontEnd, MelSettings, check_same
from ossicle.errors import AudioError, ConfigError, MelError

GOLDEN = Path(__file__).parent / "golden" / "mel_jik876"


def golden_input() -> torch.Tensor:
    with wave.open(str(GOLDEN / "input.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return torch.from_numpy(samples.astype(np.float32) / 32768.0)[None]


@pytest.mark.parametrize("case", ["fmax8000", "fmax_none"])
def test_equals_the_published_analysis(case):
    params = json.loads((GOLDEN / "params.json").read_text())[case]
    settings = MelSettings.hifigan(
        sample_rate=params["sampling_rate"],
        n_fft=params["n_fft"],
        hop_length=params["hop_size"],
        win_length=params["win_size"],
        n_mels=params["num_mels"],
        fmin=params["fmin"],
        fmax=params["fmax"],
    )
    expected = np.load(GOLDEN / f"mel_{case}.npy").reshape(params["num_mels"], -1)
    np.testing.assert_allclose(MelFrontEnd(settings)(golden_input())[0].numpy(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("scale", "area_norm"), [("slaney", True), ("slaney", False), ("htk", False), ("htk", True)])
@pytest.mark.parametrize(("rate", "n_fft", "n_mels", "fmax"), [(22050, 1024, 80, 8000.0), (44100, 2048, 128, 22050.0)])
def test_filter_bank_equals_librosas(scale, area_norm, rate, n_fft, n_mels, fmax):
    ours = mel_filter_bank(
        sample_rate=rate, n_fft=n_fft, n_mels=n_mels, fmin=20.0, fmax=fmax, scale=scale, area_norm=area_norm
    )
    theirs = librosa.filters.mel(
        sr=rate,
        n_fft=n_fft,
        n_mels=n_mels,
        fmin=20.0,
        fmax=fmax,
        htk=scale == "htk",
        norm="slaney" if area_norm else None,
        dtype=np.float64,
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-12, rtol=1e-9)


def test_vocos_front_end_equals_torchaudios():
    torchaudio = pytest.importorskip("torchaudio")
    settings = MelSettings.vocos()
    wave_ = torch.randn(1, 24000, generator=torch.Generator().manual_seed(0)) * 0.1
    theirs = torchaudio.transforms.MelSpectrogram(
        sample_rate=24000, n_fft=1024, hop_length=256, n_mels=100, center=True, power=1
    )(wave_)
    # torchaudio computes its bank in float32, which is worth about 2e-5 in a log-mel.
    torch.testing.assert_close(MelFrontEnd(settings)(wave_), theirs.clamp(min=1e-7).log(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_samples", [385, 1000, 1024, 22050])
@pytest.mark.parametrize("settings", [MelSettings.hifigan(), MelSettings.vocos()], ids=["hifigan", "vocos"])
def test_frames_tells_the_length_in_advance(settings, n_samples):
    n_samples = max(n_samples, 513) if settings.padding == "center" else n_samples
    assert MelFrontEnd(settings)(torch.zeros(2, n_samples)).shape == (2, settings.n_mels, settings.frames(n_samples))


def test_silence_is_the_floor():
    settings = MelSettings.hifigan()
    mel = MelFrontEnd(settings)(torch.zeros(1, 4096))
    # The offset inside the root lifts silence above the floor of 1e-5 only where a filter sums many bins.
    assert mel.min() >= np.log(settings.floor) - 1e-6
    assert mel.max() < -9.0


def test_level_moves_a_mel_by_its_logarithm():
    front_end = MelFrontEnd(MelSettings.hifigan())
    moved = front_end(golden_input() * 0.5) - front_end(golden_input())
    assert moved.median().item() == pytest.approx(np.log(0.5), abs=1e-3)


def test_windows_shorter_than_the_fft_are_centred():
    settings = MelSettings.hifigan(win_length=600)
    click = torch.zeros(1, 4096)
    click[0, 2048] = 1.0
    mel = MelFrontEnd(settings)(click)[0].sum(0)
    # The click lies 2048 + 384 samples into the padded sound: frame 7 is centred on 7 * 256 + 512 = 2304, frame 8 on 2560.
    assert set(mel.topk(2).indices.tolist()) == {7, 8}


@pytest.mark.parametrize("n_samples", [0, 1, 255, 384])
def test_too_few_samples_are_refused_with_a_number(n_samples):
    with pytest.raises(AudioError, match="too few") as caught:
        MelFrontEnd(MelSettings.hifigan())(torch.zeros(1, n_samples))
    assert "385" in str(caught.value)


def test_a_wrong_rank_is_refused():
    with pytest.raises(AudioError, match=r"\(B, N\)"):
        MelFrontEnd(MelSettings.hifigan())(torch.zeros(4096))


def test_mixing_two_analyses_prints_both():
    with pytest.raises(MelError) as caught:
        check_same(MelSettings.hifigan(), MelSettings.vocos(), wanted_by="the vocoder", found_in="a.safetensors")
    message = str(caught.value)
    assert "scale=slaney" in message and "scale=htk" in message
    assert "sample_rate" in message.splitlines()[0]


def test_half_the_sampling_rate_by_name_or_by_number_is_the_same_analysis():
    check_same(MelSettings.hifigan(fmax=None), MelSettings.hifigan(fmax=11025.0), wanted_by="a", found_in="b")


def test_settings_survive_a_dictionary():
    for settings in (MelSettings.hifigan(fmax=None), MelSettings.vocos()):
        assert MelSettings.from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"hop_length": 0},
        {"win_length": 2048},
        {"fmax": 20000.0},
        {"fmin": 9000.0},
        {"n_mels": 2.5},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigError):
        MelSettings.hifigan(**wrong)


def test_unknown_settings_are_named():
    with pytest.raises(ConfigError, match="hop_size"):
        MelSettings.from_dict({**MelSettings.hifigan().to_dict(), "hop_size": 256})
