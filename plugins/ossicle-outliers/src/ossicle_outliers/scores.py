"""Scores of a reconstruction: how far a target lies from it (bias), and how unsure it is of itself (uncertainty).

APRE, the adjustable probabilistic reconstruction error of arXiv 2304.00709 (WNLL in its later versions).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from ossicle_outliers.errors import TableError


def apre(x: Any, mean: Any, variance: Any, alpha: float = 0.5, beta: float = 2.0) -> Any:
    """Return sum_j alpha (mean_j - x_j)^2 / variance_j + beta ln variance_j for every row.

    Parameters
    ----------
    x, mean, variance
        (n, d) targets, reconstructions and their variances, above zero: arrays, or tensors that gradients may run through.
    alpha, beta
        Weights of bias and uncertainty; 1 and 1 are the loss that networks are trained with.

    Returns
    -------
    (n,) array or tensor, as x is.
    """
    if isinstance(x, Tensor):
        return alpha * bias_parts(x, mean, variance).sum(-1) + beta * variance.log().sum(-1)
    x, mean, variance = (np.asarray(part) for part in (x, mean, variance))
    if not (variance > 0).all():
        raise TableError("a variance is not above zero", why="APRE divides by it and takes its logarithm")
    return alpha * ((mean - x) ** 2 / variance).sum(-1) + beta * np.log(variance).sum(-1)


def bias_parts(target: Tensor, mean: Tensor, variance: Tensor | None) -> Tensor:
    """Return (mean - target)^2 / variance, (n, d); without a variance, the squared error itself."""
    squared = (mean - target).square()
    return squared if variance is None else squared / variance


def variance_of(raw: Tensor | None, floor: float) -> Tensor | None:
    """Return softplus(raw) + floor: the variances that a probabilistic autoencoder means by its second output."""
    return None if raw is None else softplus(raw) + floor


def bias_and_uncertainty(
    mean: Tensor, raw: Tensor | None, targets: list[Tensor], floor: float
) -> tuple[Tensor, Tensor]:
    """Return the bias (m, n) of every target and the uncertainty (n,), unweighted: all weights share them.

    Parameters
    ----------
    mean, raw
        (n, d) outputs of a network for n rows; raw is None for a plain autoencoder, whose uncertainty is zero.
    targets
        m tables (n, d): the rows themselves, or shifted.
    floor
        Of the variance.
    """
    from ossicle.kernels import pick

    dtype = str(mean.dtype).removeprefix("torch.")
    fused = pick("reconstruction-score", device=mean.device.type, dtype=dtype, fallback=plain_scores)
    both = fused(mean, raw, torch.stack(targets), floor)
    return both[:-1], both[-1]


def plain_scores(mean: Tensor, raw: Tensor | None, targets: Tensor, floor: float) -> Tensor:
    """Return (m + 1, n): the bias of each of the targets (m, n, d), then the uncertainty, in plain torch."""
    variance = variance_of(raw, floor)
    rows = [bias_parts(target, mean, variance).sum(-1) for target in targets]
    rows.append(mean.new_zeros(len(mean)) if variance is None else variance.log().sum(-1))
    return torch.stack(rows)
