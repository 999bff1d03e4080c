"""Squared distances by direct differences in float64: slow, and right whatever the offset, scale or ties.

This is the reference that the fast searches are held against, and what decides where they cannot be certain.
"""

from __future__ import annotations

import torch
from torch import Tensor

_TILE_NUMBERS = 4_000_000
"""Differences held at once: 32 MB."""


def sum_of_squares(x: Tensor) -> Tensor:
    """Return sums of squares over the last axis; on CPUs in numpy's order of additions, so that near ties fall alike."""
    if x.device.type == "cpu":
        values = x.contiguous().numpy()
        return torch.from_numpy((values * values).sum(-1))
    return x.square().sum(-1)


def nearest(base: Tensor, queries: Tensor, k: int, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return squared distances and rows (q, k) of the k nearest base rows, ordered by (distance, row).

    Parameters
    ----------
    base, queries
        (n, d) and (q, d), float64, on one device.
    own
        (q,) base rows that are the queries themselves, left out; None: there are none.
    """
    rows = max(1, _TILE_NUMBERS // max(1, base.numel()))
    parts = [
        _nearest_of_tile(base, queries[start : start + rows], k, None if own is None else own[start : start + rows])
        for start in range(0, len(queries), rows)
    ]
    if not parts:
        return queries.new_zeros(0, k), torch.zeros(0, k, dtype=torch.int64, device=queries.device)
    return torch.cat([d for d, _ in parts]), torch.cat([i for _, i in parts])


def _nearest_of_tile(base: Tensor, queries: Tensor, k: int, own: Tensor | None) -> tuple[Tensor, Tensor]:
    columns = max(1, _TILE_NUMBERS // max(1, base.shape[1] * len(queries)))
    squared = torch.cat(
        [sum_of_squares(queries[:, None] - base[at : at + columns]) for at in range(0, len(base), columns)], dim=1
    )
    if own is not None:
        squared[torch.arange(len(squared), device=base.device), own] = torch.inf
    if k == 0:
        return squared[:, :0], torch.zeros(len(squared), 0, dtype=torch.int64, device=base.device)
    # Everything up to the k-th distance, ties included, row by row in the order of base rows.
    last = squared.topk(k, largest=False).values[:, -1:]
    row, column = (squared <= last).nonzero(as_tuple=True)
    value = squared[row, column]
    order = value.sort(stable=True).indices
    order = order[row[order].sort(stable=True).indices]
    count = torch.bincount(row, minlength=len(squared))
    first = count.cumsum(0) - count
    chosen = order[first[:, None] + torch.arange(k, device=base.device)]
    return value[chosen], column[chosen]
