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
