"""What this plugin registers passes the checks of its kind: what is registered is tested."""

from ossicle.audio.mel import MelSettings
from ossicle.registry import default_registry
from ossicle.testing import check_component, parametrize_plugin
from ossicle.testing.interpreter import assert_equal_interpreted
from ossicle_istftnet.config import GeneratorConfig
from ossicle_istftnet.examples import SMALL
from ossicle_istftnet.vocoder import ISTFTNetVocoder


def registered(kind):
    return {f.component.name for f in default_registry().all(kind) if f.status.name == "ossicle-istftnet"}


@parametrize_plugin("ossicle-istftnet")
def test_the_plugin_and_all_it_brings_conform(check):
    check()


def test_the_vocoders_and_the_kernels_are_there():
    assert registered("vocoder") == {"istftnet", "hifigan", "griffin-lim"}
    assert registered("kernel") == {"istft-head", "dilated-convolution", "residual-epilogue"}
    assert default_registry().default("vocoder").endswith("istftnet")


def test_a_full_phase_generator_conforms():
    config = GeneratorConfig(**SMALL, istft_n_fft=16, istft_hop=4, phase="full")
    outcomes = check_component("vocoder", lambda: ISTFTNetVocoder.from_config(config, MelSettings.hifigan()))
    assert not [o for o in outcomes if o.status == "failed"]


def test_the_triton_kernels_equal_their_references_in_the_interpreter():
    assert_equal_interpreted(
        "ossicle_istftnet.head_kernel:ISTFTHeadKernel", "ossicle_istftnet.cuda.epilogue:ResidualEpilogueKernel"
    )
