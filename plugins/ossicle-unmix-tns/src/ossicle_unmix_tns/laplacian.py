"""LAME's correction of a batch's probabilities: neighbours in feature space should be called alike.

Boudiaf, Mueller, Ben Ayed and Bertinetto, "Parameter-free Online Test-time Adaptation" (CVPR 2022).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Affinity = Literal["knn", "rbf", "linear"]


def affinities(features: Tensor, kind: Affinity, neighbours: int) -> Tensor:
    """Return how much each row's neighbours count for it, (B, B), of features (B, F) of unit length.

    Parameters
    ----------
    kind
        ``knn``: one for each of the nearest other rows. ``rbf``: a Gaussian of the distance, as wide as the mean distance to the last
        of the nearest rows, a row itself counted. ``linear``: the cosine.
    neighbours
        How many rows are near.
    """
    if kind == "linear":
        return features @ features.t()
    # A row is its own nearest, whatever rounding and its duplicates say.
    distances = torch.cdist(features, features).fill_diagonal_(-1.0 if kind == "knn" else 0.0)
    near = distances.topk(min(neighbours + (kind == "knn"), len(features)), dim=1, largest=False)
    if kind == "knn":
        return torch.zeros_like(distances).scatter_(1, near.indices[:, 1:], 1.0)
    width = near.values[:, -1].mean().clamp_min(torch.finfo(features.dtype).tiny ** 0.25)
    return torch.exp(-distances.square() / (2 * width.square()))


def correct(probabilities: Tensor, affinity: Tensor, *, steps: int = 100) -> Tensor:
    """Return probabilities (B, K) that agree with their neighbours': the fixed point of y = softmax(log p + W y).

    Stops when the energy changes by less than 1e-8 of itself.

    Parameters
    ----------
    probabilities
        A classifier's, (B, K).
    affinity
        W, (B, B).
    steps
        At most.
    """
    logs = torch.log(probabilities + 1e-10)
    y, before = torch.softmax(logs, dim=1), torch.inf
    for step in range(steps):
        pairs = affinity @ y
        y = torch.softmax(logs + pairs, dim=1)
        energy = float((y * (y.clamp_min(1e-20).log() - logs - pairs)).sum())
        if step > 1 and abs(energy - before) <= 1e-8 * abs(before):
            break
        before = energy
    return y
