"""The losses of HiFi-GAN and iSTFTNet. Source: Kong, Kim and Bae, "HiFi-GAN" (2020), equations 1 to 4."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ossicle.audio.quality.spectral import stft_distance

FEATURE_WEIGHT = 2.0
"""Weight of feature matching in the published losses: it is inside `feature_loss`, as the published code has it."""

MEL_WEIGHT = 45.0
"""Weight of the mel L1 in the published generator loss; not inside any function here."""


def feature_loss(real: Iterable[Sequence[Tensor]], fake: Iterable[Sequence[Tensor]]) -> Tensor:
    """Return 2 x the sum over layers of the mean absolute difference of feature maps (equation 4, weighted)."""
    terms = [
        torch.mean(torch.abs(r.detach() - f))
        for layers_real, layers_fake in zip(real, fake, strict=True)
        for r, f in zip(layers_real, layers_fake, strict=True)
    ]
    return FEATURE_WEIGHT * torch.stack(terms).sum()


def discriminator_loss(real: Iterable[Tensor], fake: Iterable[Tensor]) -> Tensor:
    """Return the least-squares loss of the discriminators, (1 - D(real))^2 + D(fake)^2 (equation 1)."""
    terms = [torch.mean((1 - r) ** 2) + torch.mean(f**2) for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).sum()


def generator_loss(fake: Iterable[Tensor]) -> Tensor:
    """Return the least-squares loss of the generator, (1 - D(fake))^2 (equation 2)."""
    return torch.stack([torch.mean((1 - f) ** 2) for f in fake]).sum()


_RESOLUTIONS = tuple((n_fft, n_fft // 4, n_fft) for n_fft in (256, 512, 1024, 2048))


def spectral_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return spectral convergence plus log-magnitude L1 of samples (B, N), mean over FFT sizes 256 to 2048.

    Source: Yamamoto, Song and Kim, "Parallel WaveGAN" (2020); hops are a quarter of the FFT size, for speed.
    """
    return stft_distance(real, fake, _RESOLUTIONS)


def frame_lock_loss(
    real: Tensor, fake: Tensor, hop: int, *, lags: Sequence[int] = (1, 2, 3, 4, 6, 8, 16, 32)
) -> Tensor:
    """Return how much more regularly phases advance from frame to frame than in the original, from 0 to about 1.

    Nothing in a magnitude loss forbids a generator to start noise anew with every frame; then each bin's phase advances by
    the same angle again and again, and the spectrum has lines at multiples of sampling rate / hop: the tone that users
    complain of. Here the phase advances of samples (B, N) are averaged over batch and frames, bin by bin and lag by lag,
    and compared by distance (not squared: a tenth of the power in a line is plainly heard, and its square would hardly
    count). They are weighted by magnitudes to the powers 0, 1/2 and 1, so that neither faint nor loud bins can hide.
    Windows overlap by three quarters, or what is periodic would gather where they are zero. Lags longer than the excerpt
    are left out. Ours; no source.
    """
    frames = 1 + (real.shape[1] - hop) // hop
    terms = []
    for power in (0.0, 0.5, 1.0):
        weighted = [_weighted_spectrum(wave, hop, power) for wave in (real, fake)]
        for lag in (k for k in lags if k < frames):
            wanted, found = (_mean_advances(spectrum, lag * _OVERLAP) for spectrum in weighted)
            difference = found - wanted
            terms.append((difference.real.square() + difference.imag.square() + 1e-6).sqrt().mean())
    return torch.stack(terms).mean()


_OVERLAP = 4


def _weighted_spectrum(wave: Tensor, hop: int, power: float) -> Tensor:
    window = torch.hann_window(hop, device=wave.device)
    spectrum = torch.stft(wave, hop, hop // _OVERLAP, hop, window, center=False, return_complex=True)
    magnitude = spectrum.abs() + 1e-5
    return spectrum * magnitude ** (power - 1)


def _mean_advances(spectrum: Tensor, lag: int) -> Tensor:
    energy = spectrum.abs().square().sum((0, 2))
    return (spectrum[:, :, lag:] * spectrum[:, :, :-lag].conj()).sum((0, 2)) / (energy + 1e-9)
