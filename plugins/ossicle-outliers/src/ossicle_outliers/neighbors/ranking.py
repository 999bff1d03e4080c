"""Candidates ranked by their exact distances, equal ones by row."""

from __future__ import annotations

import torch
from torch import Tensor

from ossicle_outliers.neighbors.direct import sum_of_squares
from ossicle_outliers.neighbors.shortlist import compiler_installed

_TILE_NUMBERS = 4_000_000


def exact_squares(base: Tensor, queries: Tensor, candidates: Tensor, *, compiled: bool) -> Tensor:
    """Return squared distances (q, m), float64, of queries (q, d) to the base rows `candidates` (q, m), by differences."""
    if compiled and base.device.type == "cpu" and compiler_installed():
        from ossicle_outliers.neighbors.compiled import squared_distances

        out = torch.empty(candidates.shape, dtype=torch.float64)
        squared_distances(queries.numpy(), base.numpy(), candidates.numpy(), out.numpy())
        return out
    rows = max(1, _TILE_NUMBERS // max(1, candidates.shape[1] * base.shape[1]))
    parts = [
        sum_of_squares(queries[at : at + rows, None] - base[candidates[at : at + rows]])
        for at in range(0, len(queries), rows)
    ]
    return torch.cat(parts) if parts else queries.new_zeros(candidates.shape)


def rank(squared: Tensor, candidates: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k smallest squared distances and their rows (q, k), ordered by (distance, row)."""
    candidates, by_row = candidates.sort(dim=1)
    squared = squared.gather(1, by_row)
    order = squared.sort(dim=1, stable=True).indices[:, :k]
    return squared.gather(1, order), candidates.gather(1, order)
