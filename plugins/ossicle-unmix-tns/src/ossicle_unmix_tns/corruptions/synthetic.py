"""Surroundings and voices made of nothing, for corruptions that are given no recordings."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ossicle_unmix_tns.corruptions.spectrum import shape_spectrum

_SYLLABLE_S = 0.18
_FORMANTS = ((300.0, 850.0), (850.0, 2300.0), (2300.0, 3200.0))


def uniform(low: float, high: float, draw: torch.Generator) -> float:
    """Return one uniform number."""
    return low + (high - low) * float(torch.rand((), generator=draw))


def slow(total: int, sample_rate: int, hz: float, draw: torch.Generator) -> Tensor:
    """Return a random curve (total,) in [0, 1] that turns about `hz` times a second."""
    points = torch.rand(max(3, math.ceil(total / sample_rate * hz) + 2), generator=draw)
    return torch.nn.functional.interpolate(points[None, None], size=total, mode="linear", align_corners=True)[0, 0]


def band(total: int, sample_rate: int, centre: float, octaves: float, draw: torch.Generator) -> Tensor:
    """Return noise (total,) around a frequency, a bell over log frequency."""
    white = torch.randn(1, total, generator=draw)

    def bell(hz: Tensor) -> Tensor:
        return torch.exp(-0.5 * ((hz.clamp(min=1.0) / centre).log2() / octaves) ** 2)

    return shape_spectrum(white, sample_rate, bell)[0]


def surroundings(total: int, sample_rate: int, draw: torch.Generator) -> Tensor:
    """Return one of hum, wind, rain and an engine, (total,), at any level."""
    at = torch.arange(total) / sample_rate
    kind = int(torch.randint(4, (), generator=draw))
    if kind == 0:
        hum = sum(torch.sin(2 * math.pi * 50 * n * at + uniform(0, 6.28, draw)) / n for n in range(1, 9))
        return hum + 0.3 * band(total, sample_rate, 400, 1.5, draw)
    if kind == 1:
        gust = slow(total, sample_rate, 2, draw).square()
        return gust * band(total, sample_rate, uniform(60, 200, draw), 1.2, draw)
    if kind == 2:
        drops = (torch.rand(total, generator=draw) < 60 / sample_rate) * torch.randn(total, generator=draw)
        rain = band(total, sample_rate, uniform(0.1, 0.3, draw) * sample_rate, 1.5, draw)
        return rain + drops * 10 * rain.std() if total > 1 else rain
    beat = uniform(15, 40, draw) * (1 + 0.2 * slow(total, sample_rate, 0.5, draw))
    phase = 2 * math.pi * (beat / sample_rate).cumsum(dim=0)
    engine = sum(torch.sin(n * phase + uniform(0, 6.28, draw)) / n**0.7 for n in range(1, 12))
    return engine + 0.5 * (1 + torch.sin(phase)) * band(total, sample_rate, 600, 1.0, draw)


def talker(total: int, sample_rate: int, draw: torch.Generator) -> Tensor:
    """Return a voice (total,) at any level: syllables of a gliding tone under three formants, with pauses."""
    glide = 1 + 0.3 * (slow(total, sample_rate, 3, draw) - 0.5)
    phase = (uniform(90, 240, draw) * glide / sample_rate).cumsum(dim=0) + uniform(0, 1, draw)
    source = (phase % 1) * 2 - 1 + 0.1 * torch.randn(total, generator=draw)
    size = max(2, round(_SYLLABLE_S * sample_rate))
    out = torch.zeros(total + size)
    for start in range(-(size // 2), total, size // 2):
        begin, end = max(start, 0), min(start + size, total)
        if end <= begin or float(torch.rand((), generator=draw)) < 0.15:
            continue
        peaks = [uniform(low, high, draw) for low, high in _FORMANTS]

        def formants(hz: Tensor, peaks: list[float] = peaks) -> Tensor:
            shapes = [
                torch.exp(-0.5 * ((hz - peak) / (60 + 0.06 * peak)) ** 2) / (n + 1) for n, peak in enumerate(peaks)
            ]
            return 0.02 + torch.stack(shapes).sum(dim=0)

        syllable = shape_spectrum(source[None, begin:end], sample_rate, formants)[0]
        fade = torch.hann_window(size, periodic=True)[begin - start : end - start]
        out[begin:end] += syllable * fade
    return out[:total]
