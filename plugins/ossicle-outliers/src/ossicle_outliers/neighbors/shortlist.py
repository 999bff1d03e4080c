"""Shortlists: the m smallest ``|b|^2 - 2 q.b`` of every query, tile by tile, in memory that does not grow with the base."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

QUERY_TILE, BASE_TILE = 256, 1024
"""Rows of a tile of products on CPUs: a megabyte, which stays in the cache."""


def by_tiles(queries: Tensor, base: Tensor, norms: Tensor, m: int, tile: int = 16384) -> tuple[Tensor, Tensor]:
    """Return values and rows (q, m), in no order, in plain torch.

    Parameters
    ----------
    queries, base, norms
        (q, d), (n, d) and (n,): rows of one `Space` and the squared norms of the base; n >= m.
    m
        How many to keep.
    tile
        Base rows compared at once.
    """
    values = queries.new_full((len(queries), 0), torch.inf)
    rows = torch.zeros(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start in range(0, len(base), tile):
        found = torch.addmm(norms[start : start + tile], queries, base[start : start + tile].T, alpha=-2)
        near = found.topk(min(m, found.shape[1]), largest=False)
        values, rows = torch.cat([values, near.values], 1), torch.cat([rows, near.indices + start], 1)
        if values.shape[1] > m:
            best = values.topk(m, largest=False)
            values, rows = best.values, rows.gather(1, best.indices)
    return values, rows


def compiler_installed() -> bool:
    """Return whether numba is there."""
    return importlib.util.find_spec("numba") is not None


def by_heaps(
    queries: Tensor, base: Tensor, norms: Tensor, m: int, bound: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return what `by_tiles` returns, by compiled heaps beside torch's matrix products, on a CPU.

    `bound` (q,) are values that are known to exceed all that is needed: where fewer than m lie below it, the rest
    of a row keeps the bound as its value and -1 as its index.
    """
    from ossicle_outliers.neighbors.compiled import scan_tile

    values = queries.new_full((len(queries), m), torch.inf)
    if bound is not None:
        values[:] = bound[:, None]
    rows = torch.full((len(queries), m), -1, dtype=torch.int32)
    space = queries.new_empty(QUERY_TILE * BASE_TILE)
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(queries), QUERY_TILE):
            asked = queries[first : first + QUERY_TILE]
            share = -(-len(asked) // threads)
            for start in range(0, len(base), BASE_TILE):
                near = base[start : start + BASE_TILE]
                products = space[: len(asked) * len(near)].view(len(asked), len(near))
                torch.mm(asked, near.T, out=products)
                parts = [
                    (
                        products[at : at + share].numpy(),
                        norms[start : start + BASE_TILE].numpy(),
                        start,
                        values[first + at : first + min(at + share, len(asked))].numpy(),
                        rows[first + at : first + min(at + share, len(asked))].numpy(),
                    )
                    for at in range(0, len(asked), share)
                ]
                if len(parts) == 1:
                    scan_tile(*parts[0])
                else:
                    list(pool.map(lambda part: scan_tile(*part), parts))
    return values, rows.long()
