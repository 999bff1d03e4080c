"""HiFi-GAN's two residual blocks. Source: Kong, Kim and Bae, "HiFi-GAN" (2020), figure 1 and appendix A."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import leaky_relu

SLOPE = 0.1
"""Slope of every leaky ReLU but the last one of the generator."""


def _conv(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)


class ResBlock1(nn.Module):
    """Pairs of a dilated and a plain convolution, each pair with a skip."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_conv(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_conv(channels, kernel, 1) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, T) for (B, C, T)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(leaky_relu(dilated(leaky_relu(x, SLOPE)), SLOPE))
        return x


class ResBlock2(nn.Module):
    """Dilated convolutions, each with a skip."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_conv(channels, kernel, dilation) for dilation in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, T) for (B, C, T)."""
        for dilated in self.convs:
            x = x + dilated(leaky_relu(x, SLOPE))
        return x
