"""Corruptions of the spectrum: band limits, an uneven device, a round trip through a lower sampling rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ossicle.audio.resample import resample_array
from ossicle_unmix_tns.corruptions.base import Corruption, rand

_BANDS_HZ = (100.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 6500.0)
_GRID_RATE = 16_000


def shape_spectrum(wave: Tensor, sample_rate: int, gain: Callable[[Tensor], Tensor]) -> Tensor:
    """Return clips (B, N) filtered without delay: `gain` gives (F,) or (B, F) for frequencies (F,) in Hz.

    Zeros as long as the clip follow it, so that its end does not ring into its start.
    """
    size = 2 * wave.shape[1]
    hz = torch.fft.rfftfreq(size, 1 / sample_rate, device=wave.device)
    return torch.fft.irfft(torch.fft.rfft(wave, n=size) * gain(hz), n=size)[:, : wave.shape[1]]


def low_pass_gain(hz: Tensor, cutoff: float, order: int = 8) -> Tensor:
    """Return the magnitude of a Butterworth low-pass at frequencies (F,)."""
    return (1 + (hz / cutoff) ** (2 * order)).rsqrt()


def high_pass_gain(hz: Tensor, cutoff: float, order: int = 4) -> Tensor:
    """Return the magnitude of a Butterworth high-pass at frequencies (F,)."""
    return (1 + (cutoff / hz.clamp(min=1e-3)) ** (2 * order)).rsqrt()


class LowPass(Corruption):
    """Nothing above a cutoff, which is given for 16 kHz and scaled with the rate: half to a sixteenth of the band is left."""

    name = "low-pass"
    grid = (4000, 3000, 2000, 1000, 500)
    unit = "Hz at 16 kHz"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Filter, order 8."""
        cutoff = self.setting(severity) * sample_rate / _GRID_RATE
        return shape_spectrum(wave, sample_rate, lambda hz: low_pass_gain(hz, cutoff))


class Equalizer(Corruption):
    """Another device: seven bands raised or lowered at random, and smoothly in between."""

    name = "equalizer"
    grid = (3, 6, 9, 12, 18)
    unit = "dB at most, either way"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Filter each clip by a curve of its own, linear in dB over log frequency; bands scale with the rate."""
        decibels = (2 * rand(draws, len(_BANDS_HZ), wave) - 1) * self.setting(severity)
        centres = torch.tensor(_BANDS_HZ, device=wave.device).log() + torch.log(torch.tensor(sample_rate / _GRID_RATE))

        def gain(hz: Tensor) -> Tensor:
            place = hz.clamp(min=1e-3).log()
            above = torch.searchsorted(centres, place).clamp(1, len(centres) - 1)
            left, right = centres[above - 1], centres[above]
            share = ((place - left) / (right - left)).clamp(0, 1)
            return 10 ** ((decibels[:, above - 1] * (1 - share) + decibels[:, above] * share) / 20)

        return shape_spectrum(wave, sample_rate, gain)


class Resample(Corruption):
    """Down to a share of the sampling rate, and up again."""

    name = "resample"
    grid = (0.75, 0.5, 0.375, 0.25, 0.125)
    unit = "of the rate"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Resample with soxr, on the CPU."""
        low = max(1, round(self.setting(severity) * sample_rate))
        return through_rate(wave, sample_rate, low, lambda slow: slow)


def through_rate(wave: Tensor, sample_rate: int, other: int, work: Callable[[Tensor], Tensor]) -> Tensor:
    """Return clips (B, N) that were worked on at another rate; length and device stay."""
    there = torch.from_numpy(resample_array(wave.cpu().numpy(), sample_rate, other))
    if not there.shape[1]:
        return torch.zeros_like(wave)
    back = torch.from_numpy(resample_array(work(there).numpy(), other, sample_rate))[:, : wave.shape[1]]
    return torch.nn.functional.pad(back, (0, wave.shape[1] - back.shape[1])).to(wave.device)
