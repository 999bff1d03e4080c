"""The shortlist of nearest rows as a kernel component: distances and a running top-k in one pass."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ossicle_outliers.neighbors.ranking import rank
from ossicle_outliers.neighbors.shortlist import by_tiles


class NeighborShortlistKernel:
    """The m smallest ``norms - 2 queries . base`` of every query, m up to 64, without the matrix ever reaching memory.

    Arguments are queries (q, d), base (n, d), its squared norms (n,), float32, and m <= n. The result is (2, q, m) in
    float64, which holds both exactly: values, ascending and equal ones by row, then rows.
    """

    op = "neighbor-shortlist"
    tolerance = 1e-6

    def reference(self, queries: Tensor, base: Tensor, norms: Tensor, m: int) -> Tensor:
        """Compute in plain torch, tile by tile."""
        # Some to spare, so that equal values at the end are chosen by row.
        values, rows = by_tiles(queries, base, norms, min(len(base), m + 64))
        return torch.stack([part.double() for part in rank(values, rows, m)])

    def accelerated(self, queries: Tensor, base: Tensor, norms: Tensor, m: int) -> Tensor:
        """Compute by the Triton kernel."""
        from ossicle_outliers.kernels.shortlist_triton import fused_shortlist

        return fused_shortlist(queries, base, norms, m)

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs: on CUDA in float32, where Triton is installed."""
        return device == "cuda" and dtype == "float32" and importlib.util.find_spec("triton") is not None

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield arguments over widths, counts and shapes that are easily got wrong.

        Coordinates are small whole numbers: products are exact in any order of additions, and ties abound.
        """
        draw = torch.Generator().manual_seed(0)

        def arguments(q: int, n: int, d: int, m: int) -> tuple[Tensor, Tensor, Tensor, int]:
            queries, base = (torch.randint(-9, 10, (rows, d), generator=draw).float() for rows in (q, n))
            return queries, base, base.square().sum(1), m

        for d in (1, 33, 130):
            yield f"{d} columns", arguments(5, 40, d, 12)
        for m, n in ((1, 20), (17, 70), (64, 100)):
            yield f"{m} of {n}", arguments(3, n, 8, m)
        yield "queries of two programs", arguments(18, 20, 3, 9)
        yield "all of them", arguments(5, 24, 6, 24)
        yield "one query, one row", arguments(1, 1, 4, 1)
        yield "no query", arguments(0, 40, 4, 8)
        queries, base, _, m = arguments(6, 40, 16, 10)
        yield "every other column", (queries[:, ::2], base[:, ::2], base[:, ::2].square().sum(1), m)
        same = torch.zeros(40, 3)
        yield "all rows equal", (same[:4], same, same.sum(1), 20)
