"""Corruptions of the amplitude: level, an overdriven input, few bits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ossicle_unmix_tns.corruptions.base import Corruption


class Gain(Corruption):
    """A far or quiet microphone: the level falls, nothing else changes."""

    name = "gain"
    grid = (-6, -12, -18, -24, -30)
    unit = "dB"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Scale."""
        return wave * 10 ** (self.setting(severity) / 20)


class Clipping(Corruption):
    """An overdriven input: the loudest samples are cut off, and the rest is raised to the peak that there was."""

    name = "clipping"
    grid = (5, 10, 20, 40, 60)
    unit = "% of the samples"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Clip at a quantile of the magnitudes that are above zero: padding with silence changes nothing."""
        out = wave.clone()
        for row in out:
            heard = row.abs()[row != 0].sort().values
            if len(heard):
                # Sorted by hand: torch.quantile refuses more than 2**24 samples.
                limit = heard[int((len(heard) - 1) * (1 - self.setting(severity) / 100))]
                row.copy_(row.clamp(-limit, limit) * (heard[-1] / limit))
        return out


class BitDepth(Corruption):
    """Few bits a sample, without dither."""

    name = "bit-depth"
    grid = (12, 10, 8, 6, 5)
    unit = "bits"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Round to the nearest step."""
        steps = 2 ** (int(self.setting(severity)) - 1)
        return torch.round(wave * steps) / steps
