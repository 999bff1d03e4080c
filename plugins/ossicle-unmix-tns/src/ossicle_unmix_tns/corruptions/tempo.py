"""Corruptions of time and pitch: a phase vocoder on batches, clips of one factor together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ossicle.errors import ConfigError
from ossicle_unmix_tns.corruptions.base import Corruption, rand

_WINDOW_S = 0.032


def stretch(wave: Tensor, sample_rate: int, factor: float) -> Tensor:
    """Return clips (B, N) played `factor` times as fast at the same pitch, (B, round(N / factor)).

    A phase vocoder: magnitudes are interpolated between frames, phases go on at the rate measured between them. Source: Flanagan
    and Golden, "Phase vocoder" (1966).
    """
    total = wave.shape[1]
    size = 2 ** max(4, round(math.log2(_WINDOW_S * sample_rate)))
    hop = size // 4
    window = torch.hann_window(size, device=wave.device)
    spectrum = torch.stft(wave, size, hop, window=window, pad_mode="constant", return_complex=True)
    at = torch.arange(0, spectrum.shape[2], factor, device=wave.device)
    left = at.floor().long()
    share = at - left
    spectrum = torch.nn.functional.pad(spectrum, (0, 2))
    before, after = spectrum[:, :, left], spectrum[:, :, left + 1]
    advance = torch.arange(size // 2 + 1, device=wave.device)[:, None] * (2 * math.pi * hop / size)
    turned = torch.angle(after) - torch.angle(before) - advance
    turned = turned - 2 * math.pi * torch.round(turned / (2 * math.pi)) + advance
    phase = torch.angle(before[:, :, :1]) + turned.cumsum(dim=2) - turned
    magnitude = before.abs() * (1 - share) + after.abs() * share
    wanted = max(1, round(total / factor))
    # Frames beyond the last are silent: istft needs enough of them for the samples asked for.
    short = max(0, -(-wanted // hop) + 1 - phase.shape[2])
    made = torch.nn.functional.pad(torch.polar(magnitude, phase), (0, short))
    return torch.istft(made, size, hop, window=window, length=wanted)


def at_speed(wave: Tensor, samples: int) -> Tensor:
    """Return clips (B, N) resampled to (B, samples) through their spectrum, so that speed and pitch change together."""
    return torch.fft.irfft(torch.fft.rfft(wave)[:, : samples // 2 + 1], n=samples) * (samples / wave.shape[1])


def _fit(wave: Tensor, samples: int, fill: str) -> Tensor:
    if fill == "repeat":
        return wave.repeat(1, -(-samples // wave.shape[1]))[:, :samples]
    return torch.nn.functional.pad(wave[:, :samples], (0, max(0, samples - wave.shape[1])))


class _EitherWay(Corruption):
    """Half of the clips go one way, half the other, by their keys."""

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Change the clips of either way together."""
        up = rand(draws, 1, wave)[:, 0] < 0.5
        out = wave.clone()
        for chosen, way in ((up, 1), (~up, -1)):
            if bool(chosen.any()):
                out[chosen] = self._one_way(wave[chosen], sample_rate, self.setting(severity), way)
        return out

    def _one_way(self, wave: Tensor, sample_rate: int, amount: float, way: int) -> Tensor:
        raise NotImplementedError


class Pitch(_EitherWay):
    """Higher or lower at the same speed."""

    name = "pitch"
    grid = (1, 2, 3, 5, 7)
    unit = "semitones, either way"

    def _one_way(self, wave: Tensor, sample_rate: int, amount: float, way: int) -> Tensor:
        ratio = 2 ** (way * amount / 12)
        return at_speed(stretch(wave, sample_rate, 1 / ratio), wave.shape[1])


class Tempo(_EitherWay):
    """Faster or slower at the same pitch.

    Parameters
    ----------
    fill
        What follows a faster clip up to the old length: ``silence``, or ``repeat``, the clip from its start, as befits sounds that go
        on. A slower one is cut.
    """

    name = "tempo"
    grid = (1.1, 1.25, 1.5, 1.75, 2.0)
    unit = "times, or one over it"

    def __init__(self, *, fill: Literal["silence", "repeat"] = "silence") -> None:
        if fill not in ("silence", "repeat"):
            raise ConfigError(f"tempo cannot fill with {fill!r}", hint="use silence or repeat")
        self.fill = fill

    def _one_way(self, wave: Tensor, sample_rate: int, amount: float, way: int) -> Tensor:
        return _fit(stretch(wave, sample_rate, amount**way), wave.shape[1], self.fill)
