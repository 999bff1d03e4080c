"""The entry point: records only, so that listing plugins costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ossicle.plugin import Check, Component, hookimpl


@hookimpl
def ossicle_components() -> Iterator[Component]:
    """Yield the vocoders and the kernels."""
    yield Component(
        "vocoder",
        "istftnet",
        "ossicle_istftnet.vocoder:ISTFTNetVocoder",
        "iSTFTNet: HiFi-GAN with an inverse STFT at its end; a trained voice ships inside",
        default=True,
    )
    yield Component(
        "vocoder",
        "hifigan",
        "ossicle_istftnet.vocoder:HiFiGANVocoder",
        "HiFi-GAN V1, V2, V3",
        example="ossicle_istftnet.examples:hifigan",
    )
    yield Component(
        "vocoder",
        "griffin-lim",
        "ossicle_istftnet.griffin_lim:GriffinLim",
        "Fast Griffin-Lim, the baseline without weights",
        example="ossicle_istftnet.examples:griffin_lim",
    )
    yield Component(
        "kernel",
        "istft-head",
        "ossicle_istftnet.head_kernel:ISTFTHeadKernel",
        "exp, sine, inverse real DFT and overlap-add in one pass",
    )
    yield Component(
        "kernel",
        "dilated-convolution",
        "ossicle_istftnet.cpu.winograd:DilatedConvolutionKernel",
        "dilated convolutions with half the multiplications, for CPUs",
    )
    yield Component(
        "kernel",
        "residual-epilogue",
        "ossicle_istftnet.cuda.epilogue:ResidualEpilogueKernel",
        "bias, skip, mean of the blocks and activation in one pass",
    )


@hookimpl
def ossicle_checks() -> Iterator[Check]:
    """Yield what `ossicle doctor` asks of this plugin."""
    yield Check(
        "istftnet-voice", "ossicle_istftnet.doctor:shipped_voice", "the voice that ships inside loads and speaks"
    )
