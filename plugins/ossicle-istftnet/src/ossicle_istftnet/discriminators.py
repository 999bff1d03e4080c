"""HiFi-GAN's discriminators at any width, with the parameter names of the public checkpoints.

Source: Kong, Kim and Bae, "HiFi-GAN" (2020), section 2.3. Every layer's output is a feature map, the logits included.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from ossicle_istftnet.blocks import SLOPE

Judgement = tuple[Tensor, list[Tensor]]
"""Logits (B, n) and the feature maps of every layer."""


class PeriodDiscriminator(nn.Module):
    """Looks at samples folded into rows of one period; `width` is the first layer's channels (32 as published)."""

    def __init__(self, period: int, *, width: int = 32) -> None:
        super().__init__()
        self.period = period
        channels = (1, width, 4 * width, 16 * width, 32 * width)
        layers = [
            weight_norm(nn.Conv2d(c_in, c_out, (5, 1), (3, 1), padding=(2, 0))) for c_in, c_out in pairwise(channels)
        ]
        layers.append(weight_norm(nn.Conv2d(channels[-1], channels[-1], (5, 1), 1, padding=(2, 0))))
        self.convs = nn.ModuleList(layers)
        self.conv_post = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), 1, padding=(1, 0)))

    def forward(self, wave: Tensor) -> Judgement:
        """Judge samples (B, 1, N)."""
        batch, channels, n_samples = wave.shape
        missing = -n_samples % self.period
        if missing:
            wave = pad(wave, (0, missing), mode="reflect")
        x = wave.reshape(batch, channels, -1, self.period)
        return _run(self.convs, self.conv_post, x)


class ScaleDiscriminator(nn.Module):
    """Looks at samples at one rate; `width` is the first layer's channels (128 as published)."""

    def __init__(self, *, width: int = 128, spectral: bool = False) -> None:
        super().__init__()
        norm = spectral_norm if spectral else weight_norm
        w = width
        # (channels in, channels out, kernel, stride, groups, padding)
        shapes = [
            (1, w, 15, 1, 1, 7),
            (w, w, 41, 2, 4, 20),
            (w, 2 * w, 41, 2, 16, 20),
            (2 * w, 4 * w, 41, 4, 16, 20),
            (4 * w, 8 * w, 41, 4, 16, 20),
            (8 * w, 8 * w, 41, 1, 16, 20),
            (8 * w, 8 * w, 5, 1, 1, 2),
        ]
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(c_in, c_out, kernel, stride, groups=groups, padding=padding))
            for c_in, c_out, kernel, stride, groups, padding in shapes
        )
        self.conv_post = norm(nn.Conv1d(8 * w, 1, 3, 1, padding=1))

    def forward(self, wave: Tensor) -> Judgement:
        """Judge samples (B, 1, N)."""
        return _run(self.convs, self.conv_post, wave)


def _run(layers: nn.ModuleList, last: nn.Module, x: Tensor) -> Judgement:
    features = []
    for layer in layers:
        x = leaky_relu(layer(x), SLOPE)
        features.append(x)
    x = last(x)
    features.append(x)
    return torch.flatten(x, 1), features


class MultiPeriodDiscriminator(nn.Module):
    """One `PeriodDiscriminator` a period; the periods are primes so that they share few samples."""

    def __init__(self, *, periods: tuple[int, ...] = (2, 3, 5, 7, 11), width: int = 32) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(PeriodDiscriminator(period, width=width) for period in periods)

    def forward(self, wave: Tensor) -> list[Judgement]:
        """Judge samples (B, 1, N) at every period."""
        return [discriminator(wave) for discriminator in self.discriminators]


class MultiScaleDiscriminator(nn.Module):
    """One `ScaleDiscriminator` for the sound and each of its averaged-down copies; the first is spectrally normed."""

    def __init__(self, *, scales: int = 3, width: int = 128) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(
            ScaleDiscriminator(width=width, spectral=scale == 0) for scale in range(scales)
        )
        self.pool = nn.AvgPool1d(4, 2, padding=2)

    def forward(self, wave: Tensor) -> list[Judgement]:
        """Judge samples (B, 1, N) at every scale."""
        judgements = []
        for scale, discriminator in enumerate(self.discriminators):
            if scale:
                wave = self.pool(wave)
            judgements.append(discriminator(wave))
        return judgements
