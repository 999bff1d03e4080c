"""Corruption by a room: reverberation from synthetic responses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ossicle_unmix_tns.corruptions.base import Corruption, active_rms, randn

_GAP_S = 0.003
_EQUAL_S = 0.4
"""Reverberation time at which the reverberation carries as much energy as the direct sound."""


def room_response(
    seconds: float, sample_rate: int, draws: Sequence[torch.Generator], like: Tensor, size: int
) -> Tensor:
    """Return responses (B, n) of rooms: the direct sound, then after 3 ms noise that decays by 60 dB in so many seconds.

    The energy of the reverberation grows with its time, as in a room whose walls absorb less at the same distance.
    """
    n = max(1, min(size, round(seconds * sample_rate)))
    at = torch.arange(n, device=like.device) / sample_rate
    tail = randn(draws, n, like) * torch.exp(-6.908 * at / seconds) * (at >= _GAP_S)
    energy = tail.square().sum(dim=1, keepdim=True).clamp(min=1e-12)
    response = tail * (seconds / _EQUAL_S / energy).sqrt()
    response[:, 0] = 1.0
    return response


class Reverb(Corruption):
    """A room: each clip is heard in one of its own; the level of its sound stays."""

    name = "reverb"
    grid = (0.2, 0.4, 0.7, 1.0, 1.5)
    unit = "s to decay by 60 dB"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Convolve; what rings on after the clip's end is cut."""
        total = wave.shape[1]
        response = room_response(self.setting(severity), sample_rate, draws, wave, total)
        size = total + response.shape[1] - 1
        wet = torch.fft.irfft(torch.fft.rfft(wave, n=size) * torch.fft.rfft(response, n=size), n=size)[:, :total]
        level = active_rms(wet, sample_rate)
        return wet * torch.where(level > 0, active_rms(wave, sample_rate) / level.clamp(min=1e-12), 1.0)
