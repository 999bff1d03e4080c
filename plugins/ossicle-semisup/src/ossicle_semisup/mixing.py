"""Mixup: convex combinations of examples and of their labels, by the same weight."""

from __future__ import annotations

import torch
from torch import Tensor

from ossicle.errors import ConfigError


def mixup(x: Tensor, y: Tensor, lam: Tensor | float, permutation: Tensor) -> tuple[Tensor, Tensor]:
    """Return lam * x + (1 - lam) * x[permutation], and the same of y.

    Parameters
    ----------
    x, y
        Examples (B, ...) and label probabilities (B, K).
    lam
        Weights in [0, 1]: a number, or (B,) for one an example.
    permutation
        (B,) int64: each example's partner.

    Source: Zhang et al., "mixup" (2018), section 2.
    """
    return blend(x, x[permutation], lam), blend(y, y[permutation], lam)


def blend(a: Tensor, b: Tensor, lam: Tensor | float) -> Tensor:
    """Return lam * a + (1 - lam) * b, one weight a row or one for all."""
    if isinstance(lam, Tensor) and lam.dim() == 1:
        lam = lam.to(a.device, a.dtype).view(-1, *[1] * (a.dim() - 1))
    return b + lam * (a - b)


def draw_weights(count: int, alpha: float, draw: torch.Generator, *, keep_first: bool, per_example: bool) -> Tensor:
    """Return weights (count,) ~ Beta(alpha, alpha) on the CPU; alpha 0 gives ones.

    Parameters
    ----------
    keep_first
        Take max(w, 1 - w), so that the first of two examples stays the heavier.
    per_example
        Draw one for each; else one for all.
    """
    if alpha < 0:
        raise ConfigError(f"mixup alpha is {alpha}", why="it must be at least 0")
    if alpha == 0:
        return torch.ones(count)
    drawn = count if per_example else min(count, 1)
    # A Beta variable is a share of two Gamma variables: those can be drawn from a generator of one's own.
    first, second = torch._standard_gamma(torch.full((2, drawn), alpha, dtype=torch.float64), generator=draw)
    # Both may vanish where alpha is small; then either example is as good.
    weights = torch.where(first + second > 0, first / (first + second), 0.5)
    if keep_first:
        weights = torch.maximum(weights, 1 - weights)
    return weights.float().expand(count)


class Mixup:
    """Mixup of a batch with its own shuffle, as a component.

    Source: Zhang et al., "mixup" (2018).

    Parameters
    ----------
    alpha
        Of the Beta distribution; 0 mixes nothing.
    keep_first
        Weigh the first example at least as heavily as its partner, as MixMatch does.
    per_example
        One weight an example instead of one a batch.
    """

    def __init__(self, *, alpha: float = 0.4, keep_first: bool = False, per_example: bool = True) -> None:
        self.alpha, self.keep_first, self.per_example = alpha, keep_first, per_example

    def __call__(self, x: Tensor, y: Tensor, *, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return mixed examples (B, ...) and label probabilities (B, K)."""
        weights = draw_weights(len(x), self.alpha, draw, keep_first=self.keep_first, per_example=self.per_example)
        return mixup(x, y, weights, torch.randperm(len(x), generator=draw).to(x.device))

    def __repr__(self) -> str:
        return f"Mixup(alpha={self.alpha}, keep_first={self.keep_first}, per_example={self.per_example})"
