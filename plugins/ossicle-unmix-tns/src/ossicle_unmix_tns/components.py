"""The components that UnMix-TNS starts from: noise around the source statistics."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ossicle.errors import ConfigError

Start = Literal["gaussian", "matched"]


def draw_noise(components: int, channels: int, start: Start, generator: torch.Generator | None) -> Tensor:
    """Return standard noise (K, C), float32, on the CPU.

    Parameters
    ----------
    start
        ``gaussian``: as published, each value drawn by itself. The mixture of one draw is off by about σ sqrt(α / (K - 1)), which
        a small audio network does not survive. ``matched``: the same draw with its mean over components taken out and
        its variance (divided by K - 1) made one, so that the mixture has the source's mean and variance to the digit.
    generator
        What it is drawn from; None: a new one with seed 0. Torch's global random numbers stay as they are.
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    noise = torch.randn(components, channels, generator=generator, device=generator.device).cpu()
    if start == "gaussian" or components == 1:
        return noise
    if start != "matched":
        raise ConfigError(f"components start {start!r}", why="they start gaussian or matched")
    noise = noise.double() - noise.double().mean(dim=0)
    return (noise / noise.std(dim=0)).float()


def spread(mean: Tensor, variance: Tensor, noise: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Return the components' means and variances, each (K, C), around a source's (C,).

    M = μ + sqrt(α K / (K - 1)) σ ζ and S = (1 - α) σ²: a share α of the variance lies between components, the rest within them. A single
    component is the source itself.
    """
    components = len(noise)
    if components == 1:
        return mean[None].clone(), variance[None].clone()
    width = (alpha * components / (components - 1)) ** 0.5
    return mean + width * variance.sqrt() * noise.to(mean), ((1 - alpha) * variance).expand_as(noise).clone()
