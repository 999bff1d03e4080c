"""What this plugin registers passes the checks of its kind: what is registered is tested."""

import os
import subprocess
import sys

import pytest

import ossicle
from ossicle.audio.mel import MelSettings
from ossicle.registry import default_registry
from ossicle.testing import check_component
from ossicle_istftnet.config import GeneratorConfig
from ossicle_istftnet.vocoder import HiFiGANVocoder, ISTFTNetVocoder

SMALL = {
    "upsample_initial_channel": 16,
    "upsample_rates": (8, 8),
    "upsample_kernel_sizes": (16, 16),
    "resblock_kernel_sizes": (3, 5),
    "resblock_dilation_sizes": ((1, 3), (1, 3)),
}
FACTORIES = {
    # HiFi-GAN ships no weights; random ones do for conformance.
    "hifigan": lambda: HiFiGANVocoder.from_config(
        GeneratorConfig(**SMALL, istft_n_fft=None, istft_hop=None), MelSettings.hifigan(hop_length=64, n_fft=256)
    ),
    "griffin-lim": lambda: ossicle.build("vocoder", "griffin-lim", iterations=4),
}


def registered(kind):
    return [f.component.name for f in default_registry().all(kind) if f.status.name == "ossicle-istftnet"]


def failures(kind, factory, **options):
    return [o for o in check_component(kind, factory, **options) if o.status == "failed"]


@pytest.mark.parametrize("name", registered("vocoder"))
def test_every_vocoder_conforms(name):
    assert not failures("vocoder", FACTORIES.get(name, lambda: ossicle.build("vocoder", name)))


@pytest.mark.parametrize("name", registered("kernel"))
def test_every_kernel_conforms(name):
    assert not failures("kernel", lambda: ossicle.build("kernel", name))


def test_the_vocoders_and_the_kernels_are_there():
    assert set(registered("vocoder")) == {"istftnet", "hifigan", "griffin-lim"}
    assert set(registered("kernel")) == {"istft-head", "dilated-convolution", "residual-epilogue"}
    assert default_registry().default("vocoder").endswith("istftnet")


def test_a_full_phase_generator_conforms():
    config = GeneratorConfig(**SMALL, istft_n_fft=16, istft_hop=4, phase="full")
    assert not failures("vocoder", lambda: ISTFTNetVocoder.from_config(config, MelSettings.hifigan()))


@pytest.mark.parametrize(
    "kernel", ["ossicle_istftnet.head_kernel:ISTFTHeadKernel", "ossicle_istftnet.cuda.epilogue:ResidualEpilogueKernel"]
)
def test_a_triton_kernel_equals_its_reference_in_the_interpreter(kernel):
    pytest.importorskip("triton")
    module, name = kernel.split(":")
    script = (
        "from ossicle.testing import check_component\n"
        f"from {module} import {name}\n"
        f"for o in check_component('kernel', {name}): print(o.check, o.status, o.detail, sep='|')"
    )
    # Triton reads the variable when it is imported, so the interpreter needs a process of its own.
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcomes = dict(line.split("|", 1) for line in done.stdout.splitlines())
    assert outcomes["equals its reference"] == "passed|"
    assert all(outcome == "passed|" for outcome in outcomes.values()), outcomes
