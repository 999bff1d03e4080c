"""The front end: a sound of any length to log-mels, some frames at a time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ossicle.audio.filterbank import Scale, mel_filter_bank
from ossicle.errors import InputError

_FLOOR = 1e-10
_SPECTRUM_VALUES = 2**18
"""Spectrum values at once: an hour of sound needs no more memory for its spectrum than seconds do."""


class SoundLogMel:
    """A sound (N,) to log-mels in dB (M, T), T = N // hop_length + 1: power, periodic Hann window, centred frames, floor 1e-10.

    Edges are reflected; a sound shorter than an FFT is padded with silence to one.

    Parameters
    ----------
    sample_rate, n_fft, hop_length, n_mels
        In Hz and samples.
    n_samples
        Sounds are cut or padded with silence to so many samples; 0: they are as long as they are.
    scale, area_norm
        Of the filters, from 0 to half the rate (see `mel_filter_bank`).
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        n_fft: int,
        hop_length: int,
        n_mels: int,
        n_samples: int = 0,
        scale: Scale = "htk",
        area_norm: bool = False,
    ) -> None:
        self._n_fft, self._hop, self._n_samples = n_fft, hop_length, n_samples
        bank = mel_filter_bank(
            sample_rate=sample_rate,
            n_fft=n_fft,
            n_mels=n_mels,
            fmin=0.0,
            fmax=sample_rate / 2,
            scale=scale,
            area_norm=area_norm,
        )
        self._bank = torch.from_numpy(bank).float().T.contiguous()
        self._window = torch.hann_window(n_fft)

    @torch.no_grad()
    def __call__(self, wave: Tensor) -> Tensor:
        """Return log-mels.

        Raises
        ------
        InputError
            If the shape is not (N,), there is no sample, or values are not finite.
        """
        check_wave(wave)
        half = self._n_fft // 2
        cut = wave[: self._n_samples or None].float()
        longer = nn.functional.pad(cut, (0, max(0, max(self._n_samples, self._n_fft) - len(cut))))
        padded = nn.functional.pad(longer[None, None], (half, half), mode="reflect")[0, 0]
        frames = padded.unfold(0, self._n_fft, self._hop)
        parts = []
        for piece in frames.split(max(1, _SPECTRUM_VALUES // (half + 1))):
            power = torch.fft.rfft(piece * self._window).abs().square()
            parts.append(10 * torch.log10((power @ self._bank).clamp(min=_FLOOR)))
        return torch.cat(parts).T


def check_wave(wave: Tensor) -> None:
    """Raise `InputError` unless a sound is (N,), N at least 1, of finite numbers."""
    if wave.dim() != 1 or not len(wave):
        raise InputError(f"a sound has shape {tuple(wave.shape)}", why="it must be (N,), one sample at least")
    if not bool(torch.isfinite(wave).all()):
        raise InputError("a sound holds values that are not numbers")
