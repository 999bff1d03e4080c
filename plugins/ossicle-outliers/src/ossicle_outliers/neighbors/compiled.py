"""The running top-k over tiles of products, and the ranking of candidates, compiled by numba for CPUs.

Compiled on first use and kept in numba's cache. Only `ossicle_outliers.neighbors.shortlist` and
`ossicle_outliers.neighbors.ranking` import this module, where numba is installed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_CHUNK = 64
_FAST = {"nnan", "nsz", "contract"}


@njit(nogil=True, inline="always")
def _replace_largest(values, indices, row, value, index):  # type: ignore[no-untyped-def]
    """Put a candidate in the place of the largest, at the root of the heap."""
    size = values.shape[1]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and values[row, child + 1] > values[row, child]:
            child += 1
        if values[row, child] <= value:
            break
        values[row, at], indices[row, at] = values[row, child], indices[row, child]
        at = child
    values[row, at], indices[row, at] = value, index


@njit(nogil=True, cache=True, fastmath=_FAST)
def scan_tile(products, norms, first, values, indices):  # type: ignore[no-untyped-def]
    """Merge a tile into the heaps (q, m) of the smallest ``norms - 2 products`` seen, largest first in each.

    `products` (q, t) are those of queries with the base rows from `first` on, whose squared norms are `norms` (t,).
    Most chunks hold nothing small enough; counting without a branch finds that out at the speed of memory.
    """
    two = products.dtype.type(2)
    whole = products.shape[1] // _CHUNK * _CHUNK
    for row in range(products.shape[0]):
        bound = values[row, 0]
        for start in range(0, whole, _CHUNK):
            below = 0
            for j in range(np.uint64(_CHUNK)):
                at = np.uint64(start) + j
                below += (norms[at] - two * products[np.uint64(row), at]) < bound
            if below:
                for column in range(start, start + _CHUNK):
                    value = norms[column] - two * products[row, column]
                    if value < bound:
                        _replace_largest(values, indices, row, value, first + column)
                        bound = values[row, 0]
        for column in range(whole, products.shape[1]):
            value = norms[column] - two * products[row, column]
            if value < bound:
                _replace_largest(values, indices, row, value, first + column)
                bound = values[row, 0]


@njit(nogil=True, cache=True)
def _pairwise_sum(x, y, start, count):  # type: ignore[no-untyped-def]
    """Sum squared differences in numpy's order of additions, so that every path breaks near ties alike."""
    if count < 8:
        total = 0.0
        for j in range(start, start + count):
            total += (x[j] - y[j]) * (x[j] - y[j])
        return total
    if count > 128:
        half = count // 2
        half -= half % 8
        return _pairwise_sum(x, y, start, half) + _pairwise_sum(x, y, start + half, count - half)
    parts = np.empty(8)
    for lane in range(8):
        parts[lane] = (x[start + lane] - y[start + lane]) ** 2
    whole = count - count % 8
    for j in range(8, whole, 8):
        for lane in range(8):
            at = start + j + lane
            parts[lane] += (x[at] - y[at]) * (x[at] - y[at])
    total = ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]))
    for j in range(start + whole, start + count):
        total += (x[j] - y[j]) * (x[j] - y[j])
    return total


@njit(nogil=True, cache=True)
def squared_distances(queries, base, candidates, out):  # type: ignore[no-untyped-def]
    """Fill `out` (q, m) with squared distances of queries (q, d) to the base rows `candidates` (q, m), float64."""
    for row in range(candidates.shape[0]):
        for at in range(candidates.shape[1]):
            out[row, at] = _pairwise_sum(queries[row], base[candidates[row, at]], 0, queries.shape[1])
