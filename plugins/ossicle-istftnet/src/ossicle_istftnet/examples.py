"""Vocoders small and quick enough for the checks of `ossicle plugins check`."""

from __future__ import annotations

from pathlib import Path

from ossicle.audio.mel import MelSettings
from ossicle_istftnet.config import GeneratorConfig
from ossicle_istftnet.griffin_lim import GriffinLim
from ossicle_istftnet.vocoder import HiFiGANVocoder, ISTFTNetVocoder

SMALL = {
    "upsample_initial_channel": 16,
    "upsample_rates": (8, 8),
    "upsample_kernel_sizes": (16, 16),
    "resblock_kernel_sizes": (3, 5),
    "resblock_dilation_sizes": ((1, 3), (1, 3)),
}


def hifigan(folder: Path) -> ISTFTNetVocoder:
    """Return one of random weights, since none ship."""
    config = GeneratorConfig(**SMALL, istft_n_fft=None, istft_hop=None)  # type: ignore[arg-type]
    return HiFiGANVocoder.from_config(config, MelSettings.hifigan(hop_length=64, n_fft=256))


def griffin_lim(folder: Path) -> GriffinLim:
    """Return one of few iterations."""
    return GriffinLim(iterations=4)
