"""Public checkpoints speak exactly as the authors' own code lets them."""

from pathlib import Path

import numpy as np
import pytest
import torch

import ossicle
from ossicle.audio.files import read
from ossicle_istftnet.head import split_polar

GOLDEN = Path(__file__).parent / "golden"
ISTFT = GOLDEN / "istftnet_c8c8i_w64"
HIFIGAN = GOLDEN / "hifigan_v3_w64"
CHECKPOINTS = [
    ("istftnet", ISTFT / "g_00000001"),
    ("istftnet", ISTFT / "alt" / "g_parametrized"),
    ("istftnet", ISTFT / "alt" / "g_ddp_prefix"),
    ("istftnet", ISTFT / "alt" / "g_folded"),
    ("istftnet", ISTFT / "alt" / "g_bare_folded"),
    ("hifigan", HIFIGAN / "g_00000001"),
]
IDS = [f"{name}-{path.name}" for name, path in CHECKPOINTS]


def close(ours: torch.Tensor, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours.numpy().reshape(theirs.shape), theirs, atol=3e-6, rtol=0)


def folder_of(name: str) -> Path:
    return ISTFT if name == "istftnet" else HIFIGAN


@pytest.fixture(scope="module", params=["istftnet", "hifigan"])
def vocoder(request):
    return request.param, ossicle.build("vocoder", request.param, checkpoint=folder_of(request.param) / "g_00000001")


@pytest.mark.parametrize(("name", "path"), CHECKPOINTS, ids=IDS)
def test_every_layout_gives_the_waveform(name, path):
    speak = ossicle.build("vocoder", name, checkpoint=path)
    close(speak(torch.from_numpy(np.load(folder_of(name) / "mel.npy"))), np.load(folder_of(name) / "expected_wave.npy"))


def test_a_folder_with_one_checkpoint_is_enough():
    speak = ossicle.build("vocoder", "hifigan", checkpoint=HIFIGAN)
    close(speak(torch.from_numpy(np.load(HIFIGAN / "mel.npy"))), np.load(HIFIGAN / "expected_wave.npy"))


def test_mels_equal_the_reference(vocoder):
    name, speak = vocoder
    samples = torch.from_numpy(read(folder_of(name) / "input.wav").samples)
    np.testing.assert_allclose(speak.mel(samples).numpy(), np.load(folder_of(name) / "mel.npy"), atol=1e-5, rtol=0)


def test_magnitude_and_phase_equal_the_reference():
    speak = ossicle.build("vocoder", "istftnet", checkpoint=ISTFT)
    with torch.no_grad():
        magnitude, phase = split_polar(speak.generator.channels(torch.from_numpy(np.load(ISTFT / "mel.npy"))))
    for ours, name in ((magnitude, "expected_mag"), (phase, "expected_phase")):
        np.testing.assert_allclose(ours.numpy(), np.load(ISTFT / f"{name}.npy").reshape(ours.shape), atol=1e-5, rtol=0)


def test_edge_cases_equal_the_reference(vocoder):
    name, speak = vocoder
    with np.load(folder_of(name) / "edge_cases.npz") as cases:
        mels = [key for key in cases.files if key.startswith("mel")]
        assert len(mels) == 5
        for key in mels:
            close(speak(torch.from_numpy(cases[key])), cases[key.replace("mel", "wave")])


def test_a_long_mel_equals_the_reference(vocoder):
    name, speak = vocoder
    with np.load(folder_of(name) / "long.npz") as case:
        mel = torch.from_numpy(case["mel"])
        close(speak(mel.reshape(1, *mel.shape[-2:])), case["wave"])


def test_the_house_head_does_without_complex_phase_in_the_edge_bins():
    # torch.istft ignores the imaginary part of the first and last bin; so must every twin of the head.
    from ossicle_istftnet.head import istft_head

    channels = torch.randn(1, 18, 9, generator=torch.Generator().manual_seed(1))
    spectrum = torch.polar(channels[:, :9].exp(), channels[:, 9:].sin())
    spectrum[:, [0, -1]] = torch.complex(spectrum[:, [0, -1]].real, torch.zeros_like(spectrum[:, [0, -1]].real))
    window = torch.hann_window(16)
    torch.testing.assert_close(istft_head(channels, 16, 4), torch.istft(spectrum, 16, 4, 16, window))
