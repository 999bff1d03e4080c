"""The generator in its form for CUDA, computed on the CPU: plain epilogues, and graphs that merely call."""

from __future__ import annotations

import pytest
import torch

from ossicle_istftnet.config import GeneratorConfig, variant
from ossicle_istftnet.cuda.body import FusedBody, fits
from ossicle_istftnet.cuda.epilogue import epilogue
from ossicle_istftnet.cuda.graphs import BucketedGenerator, bucket
from ossicle_istftnet.generator import Generator

CONFIGS = {
    "v2": variant("v2-c8c8i"),
    "v3, blocks of type 2": variant("v3-c8c8i"),
    "full phase": variant("v2-c8c8i-full"),
    "no inverse STFT": variant("v2"),
}


def network(config):
    return Generator(config).eval().requires_grad_(False)


def mels(frames, batch=1):
    return torch.randn(batch, 80, frames, generator=torch.Generator().manual_seed(frames)) - 5


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys(), scope="module")
def generator(request):
    return network(request.param)


def test_the_body_gives_the_generators_channels(generator):
    body = FusedBody(generator, torch.float32, epilogue)
    torch.testing.assert_close(body(mels(9, 2)), generator.channels(mels(9, 2)), atol=2e-6, rtol=0)


@pytest.mark.parametrize("frames", [2, 3, 15, 16, 17, 31, 40])
def test_a_padded_mel_ends_as_the_true_one_does(generator, frames):
    recorded = []

    def record(call):
        recorded.append(call)
        return call

    speak = BucketedGenerator(FusedBody(generator, torch.float32, epilogue), generator.head, record=record)
    for _ in range(2):  # the second time by the graph of the first
        torch.testing.assert_close(speak(mels(frames)), generator(mels(frames)), atol=5e-6, rtol=0)
    assert len(recorded) == 1


def test_a_graph_serves_every_length_of_its_bucket_without_remembering_the_last():
    generator = network(CONFIGS["v2"])
    graphs = []
    speak = BucketedGenerator(
        FusedBody(generator, torch.float32, epilogue), generator.head, record=lambda call: graphs.append(call) or call
    )
    for frames in (40, 33, 36, 40):
        torch.testing.assert_close(speak(mels(frames)), generator(mels(frames)), atol=5e-6, rtol=0)
    assert len(graphs) == 1 + (bucket(33) != bucket(40)) + (bucket(36) not in (bucket(33), bucket(40)))


def test_graphs_unused_for_longest_go_first():
    generator = network(CONFIGS["v2"])
    made = []
    speak = BucketedGenerator(
        FusedBody(generator, torch.float32, epilogue),
        generator.head,
        record=lambda call: made.append(0) or call,
        held=2,
    )
    for frames in (16, 40, 16, 64, 16):
        speak(mels(frames))
    assert len(made) == 3  # 64 put 40 out, not 16


def test_long_mels_need_no_graph():
    generator = network(CONFIGS["v2"])
    speak = BucketedGenerator(
        FusedBody(generator, torch.float32, epilogue), generator.head, record=lambda call: 1 / 0, longest=8
    )
    torch.testing.assert_close(speak(mels(20)), generator(mels(20)), atol=2e-6, rtol=0)


@pytest.mark.parametrize("frames", [1, 16, 17, 100, 128, 129, 500, 1024])
def test_a_bucket_holds_its_mel_with_little_to_spare(frames):
    assert frames <= bucket(frames) <= max(16, 1.25 * frames)
    assert bucket(bucket(frames)) == bucket(frames)


def test_up_samplings_of_an_odd_form_are_declined():
    odd = GeneratorConfig(upsample_rates=(5, 4), upsample_kernel_sizes=(11, 8), istft_n_fft=16, istft_hop=4)
    assert fits(network(CONFIGS["v2"])) and not fits(network(odd))
