"""Rows made ready for products in float32: centred in float64 first, and scaled to order one.

Without the centring, data at an offset of 1e4 with a spread of 0.1 lose nine tenths of their neighbours: the expansion
|q|^2 - 2 q.b + |b|^2 cancels. The scale is a power of two, so that scaling itself rounds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Space:
    """A base of rows, and the map that centres and scales what is compared with it.

    Parameters
    ----------
    base
        (n, d) float64, as given.
    centre
        (d,) float64: the mean of the base.
    scale
        A power of two: the largest centred magnitude divided by it is of order one.
    rows
        (n, d) centred and scaled, in `dtype`.
    norms
        (n,) squared norms of `rows`, in `dtype`.
    """

    base: Tensor
    centre: Tensor
    scale: float
    rows: Tensor
    norms: Tensor

    @classmethod
    def of(cls, base: Tensor, dtype: torch.dtype = torch.float32) -> Space:
        """Make a space of base rows (n, d), float64."""
        # Halves first: the mean of numbers near the largest float64 would overflow as a sum.
        centre = (base / len(base)).sum(0)
        centred = base - centre
        largest = float(centred.abs().max()) if centred.numel() else 0.0
        scale = 2.0 ** float(torch.frexp(torch.tensor(largest, dtype=torch.float64)).exponent) if largest > 0 else 1.0
        rows = (centred / scale).to(dtype)
        return cls(base, centre, scale, rows, rows.double().square().sum(1).to(dtype))

    def map(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries (q, d) centred and scaled in the space's dtype, and their squared norms (q,) in float64."""
        mapped = (queries - self.centre) / self.scale
        return mapped.to(self.rows.dtype), mapped.square().sum(1)

    def certain(self, norms: Tensor, last: Tensor, cutoff: Tensor) -> Tensor:
        """Return for each query whether nothing left out of its shortlist can be as near as its k-th neighbour.

        Parameters
        ----------
        norms
            (q,) squared norms of the queries in this space.
        last
            (q,) exact squared distances of the k-th neighbours found, in the base's own units.
        cutoff
            (q,) values ``|b|^2 - 2 q.b`` that everything left out reaches or exceeds, as computed.

        Notes
        -----
        A base row farther from the centre than |q| + r, r the k-th distance, is farther from the query than r anyway.
        For the others the products of d numbers, the norms and the rounding of the rows are wrong by at most
        (d + 8) u (2 |q| + r)^2, u the unit roundoff; the factor 2 is to spare.
        """
        reach = last.clamp(min=0).sqrt() / self.scale
        roundoff = torch.finfo(self.rows.dtype).eps
        slack = (self.rows.shape[1] + 8) * roundoff * (2 * norms.sqrt() + reach).square()
        return reach.square() + slack < cutoff.double() + norms
