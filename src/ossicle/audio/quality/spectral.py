"""Distances between spectra."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ossicle.audio.mel import MelFrontEnd, MelSettings
from ossicle.audio.quality.align import align

RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
"""FFT size, hop and window of the three analyses of Parallel WaveGAN."""

_POWER_FLOOR = 1e-7


def mel_l1(reference: npt.ArrayLike, estimate: npt.ArrayLike, sample_rate: int) -> dict[str, float]:
    """Return the mean absolute difference of natural-log loss mels (80 mels up to half the sampling rate).

    Source: Kong, Kim and Bae, "HiFi-GAN" (2020), equation 3. Sounds shorter than one analysis are padded with silence.
    """
    pair = _pair(reference, estimate)
    front_end = _loss_mel(sample_rate)
    pair = torch.nn.functional.pad(pair, (0, front_end.settings.padded(pair.shape[1]) - pair.shape[1]))
    with torch.no_grad():
        wanted, found = front_end(pair)
    return {"mel_l1": float((wanted - found).abs().mean())}


@lru_cache(maxsize=8)
def _loss_mel(sample_rate: int) -> MelFrontEnd:
    return MelFrontEnd(MelSettings.hifigan(sample_rate=sample_rate, fmax=None))


def multi_resolution_stft(reference: npt.ArrayLike, estimate: npt.ArrayLike, sample_rate: int) -> dict[str, float]:
    """Return spectral convergence plus log-magnitude L1, averaged over `RESOLUTIONS`.

    Source: Yamamoto, Song and Kim, "Parallel WaveGAN" (2020), equations 5 to 7. Independent of the sampling rate.
    """
    pair = _pair(reference, estimate)
    pair = torch.nn.functional.pad(pair, (0, max(0, 2049 - pair.shape[1])))
    with torch.no_grad():
        return {"mrstft": float(stft_distance(pair[:1], pair[1:], RESOLUTIONS))}


def stft_distance(reference: Tensor, estimate: Tensor, resolutions: tuple[tuple[int, int, int], ...]) -> Tensor:
    """Return the distance of `multi_resolution_stft` between samples (B, N), a differentiable scalar.

    Parameters
    ----------
    resolutions
        FFT size, hop and window length of each analysis, in samples.
    """
    terms = []
    for n_fft, hop, length in resolutions:
        window = torch.hann_window(length, device=reference.device)
        wanted, found = (_magnitude(wave, n_fft, hop, window) for wave in (reference, estimate))
        distance = torch.linalg.vector_norm(wanted - found, dim=(1, 2))
        # Silence has no energy to relate an error to; one unit of magnitude stands in for it.
        convergence = distance / torch.linalg.vector_norm(wanted, dim=(1, 2)).clamp(min=1.0)
        terms.append(convergence.mean() + (wanted.log() - found.log()).abs().mean())
    return torch.stack(terms).mean()


def _magnitude(wave: Tensor, n_fft: int, hop: int, window: Tensor) -> Tensor:
    spectrum = torch.stft(wave, n_fft, hop, window.numel(), window, return_complex=True)
    return torch.view_as_real(spectrum).square().sum(-1).clamp(min=_POWER_FLOOR).sqrt()


def _pair(reference: npt.ArrayLike, estimate: npt.ArrayLike) -> Tensor:
    return torch.from_numpy(np.stack(align(reference, estimate)))
