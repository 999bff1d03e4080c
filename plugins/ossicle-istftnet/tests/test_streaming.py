"""A stream of mels, and a mel in chunks, give the samples of one call, for every configuration and the shipped voice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ossicle
from ossicle.audio.mel import MelSettings
from ossicle.errors import MelError, OssicleError
from ossicle_istftnet.chunking import Chunking, speak_chunked
from ossicle_istftnet.config import GeneratorConfig, variant, variant_names
from ossicle_istftnet.generator import Generator
from ossicle_istftnet.receptive_field import receptive_field
from ossicle_istftnet.streaming import GeneratorStream
from ossicle_istftnet.vocoder import ISTFTNetVocoder

GOLDEN = Path(__file__).parent / "golden"
ODD = GeneratorConfig(
    n_mels=20, upsample_rates=(5, 4), upsample_kernel_sizes=(10, 9), istft_n_fft=60, istft_hop=15, upsample_initial_channel=16
)  # fmt: skip
CONFIGS = {name: replace(variant(name), upsample_initial_channel=16, n_mels=20) for name in variant_names()} | {
    "odd kernels": ODD,
    "full phase": replace(variant("v2-c8c8i"), upsample_initial_channel=16, n_mels=20, phase="full"),
}
PUBLISHED = {
    "v1": (13, 13), "v1-c8c8i": (13, 13), "v1-c8c8c2i": (13, 13), "v1-c8i": (12, 12), "v1-c8c1i": (20, 20),
    "v3": (11, 11), "v3-c8c8i": (10, 10), "v3-c8i": (10, 10), "v3-c8c8c2i": (11, 11),
}  # fmt: skip
SIZES = (1, 7, 16, 64, 300)


def exact_generator(config):
    """In float64 there is no rounding to hide behind."""
    return Generator(config).double().eval()


def mel_for(config, frames, *, batch=1):
    draw = torch.Generator().manual_seed(frames)
    return torch.randn(batch, config.n_mels, frames, generator=draw, dtype=torch.float64) - 5


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("frames", [2, 5, 90])
def test_streams_and_chunks_equal_one_run(name, frames):
    config = CONFIGS[name]
    generator, mel = exact_generator(config), mel_for(config, frames, batch=2)
    with torch.no_grad():
        whole = generator(mel)
        for size in (1, 7, 64):
            running = GeneratorStream(generator)
            streamed = [running.push(piece) for piece in mel.split(size, dim=2)] + [running.finish()]
            torch.testing.assert_close(torch.cat(streamed, 1), whole, atol=1e-12, rtol=0)
            chunking = Chunking(size, *receptive_field(config), config.hop_length, batch=3)
            chunked = list(speak_chunked(generator, mel.split(5, dim=2), chunking))
            torch.testing.assert_close(torch.cat(chunked, 1), whole, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_receptive_field_is_no_wider_than_it_must_be(name):
    config = CONFIGS[name]
    left, right = receptive_field(config)
    generator, mel, middle = exact_generator(config), mel_for(config, 160), 80
    wanted = slice(middle * config.hop_length, (middle + 1) * config.hop_length)

    def error(left, right):
        window = mel[:, :, middle - left : middle + 1 + right]
        part = generator(window)[:, left * config.hop_length :][:, : config.hop_length]
        return float((part - whole[:, wanted]).abs().max())

    with torch.no_grad():
        whole = generator(mel)
        assert error(left, right) < 1e-14
        # One frame less is felt at one of the ends at least (C8C1I's outermost taps cancel on one side).
        assert max(error(left - 1, right), error(left, right - 1)) > 1e-18


@pytest.mark.parametrize("name", PUBLISHED)
def test_receptive_fields_are_those_that_were_measured(name):
    assert receptive_field(variant(name)) == PUBLISHED[name]


def test_odd_kernels_reach_nineteen_frames():
    assert receptive_field(ODD) == (19, 19)


def golden(name):
    folder = GOLDEN / {"istftnet": "istftnet_c8c8i_w64", "hifigan": "hifigan_v3_w64"}[name]
    speak = ossicle.build("vocoder", name, checkpoint=folder / "g_00000001")
    return speak, torch.from_numpy(np.load(folder / "mel.npy")), torch.from_numpy(np.load(folder / "expected_wave.npy"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["istftnet", "hifigan"])
def test_a_golden_stream_is_the_golden_wave(name, size):
    speak, mel, expected = golden(name)
    for options in ({}, {"chunk_frames": size}):
        wave = torch.cat(list(speak.stream(mel.split(size, dim=2), **options)), 1)
        torch.testing.assert_close(wave, expected.reshape(wave.shape), atol=3e-6, rtol=0)


@pytest.fixture(scope="module")
def voice():
    return ossicle.build("vocoder", "istftnet")


@pytest.mark.parametrize("size", SIZES)
def test_the_shipped_voice_streams_exactly(voice, size):
    mel = mel_for(voice.generator.config, 310).float()
    whole = voice.generator(mel)
    for options in ({}, {"chunk_frames": size}):
        wave = torch.cat(list(voice.stream(mel.split(size, dim=2), **options)), 1)
        torch.testing.assert_close(wave, whole, atol=3e-6 * max(1.0, float(whole.abs().max())), rtol=0)


def test_long_mels_are_cut_without_a_trace(voice):
    mel = mel_for(voice.generator.config, 1100).float()
    whole = voice.generator(mel)
    torch.testing.assert_close(voice(mel), whole, atol=3e-6 * max(1.0, float(whole.abs().max())), rtol=0)


def test_samples_come_as_soon_as_they_are_determined(voice):
    _, latency = voice.receptive_field
    mel = mel_for(voice.generator.config, 60).float()
    running, given = GeneratorStream(voice.generator), 0
    for index, frame in enumerate(mel.split(1, dim=2)):
        given += running.push(frame).shape[1]
        assert given >= (index + 1 - latency) * voice.hop_length, f"after {index + 1} frames"


def test_streams_are_lazy(voice):
    taken = []

    def pieces():
        for index in range(100):
            taken.append(index)
            yield torch.full((1, voice.n_mels, 16), -8.0)

    next(voice.stream(pieces()))
    assert len(taken) <= 2


def test_empty_pieces_are_harmless(voice):
    mel = mel_for(voice.generator.config, 20).float()
    pieces = [mel[:, :, :0], mel[:, :, :7], mel[:, :, :0], mel[:, :, 7:], mel[:, :, :0]]
    for options in ({}, {"chunk_frames": 8}):
        torch.testing.assert_close(torch.cat(list(voice.stream(pieces, **options)), 1), voice(mel), atol=3e-6, rtol=0)


@pytest.mark.parametrize("options", [{}, {"chunk_frames": 8}])
def test_bad_streams_are_refused(voice, options):
    good = torch.full((1, voice.n_mels, 8), -8.0)
    spoiled = good.clone()
    spoiled[0, 0, 0] = float("nan")
    for pieces in ([], [good[:, :, :0]], [good, spoiled], [good[0]], [good[:, 1:]]):
        with pytest.raises(MelError):
            list(voice.stream(pieces, **options))


def test_chunks_have_at_least_one_frame(voice):
    with pytest.raises(OssicleError, match="chunks of 0 frames"):
        list(voice.stream([torch.full((1, voice.n_mels, 8), -8.0)], chunk_frames=0))


def test_one_frame_is_refused_where_the_inverse_stft_makes_nothing_of_it():
    speak = ISTFTNetVocoder.from_config(CONFIGS["v2-c1i"], MelSettings.hifigan(n_mels=20))
    with pytest.raises(MelError, match="too short"):
        list(speak.stream([torch.full((1, 20, 1), -8.0)]))
