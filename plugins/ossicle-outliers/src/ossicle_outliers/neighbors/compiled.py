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
def _block_sum(x, y, start, count):  # type: ignore[no-untyped-def]
    """Sum squared differences of a stretch of 128 at most, eight lanes at once."""
    if count < 8:
        total = 0.0
        for j in range(start, start + count):
            total += (x[j] - y[j]) * (x[j] - y[j])
        return total
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
def _leaf(x, y, start, count):  # type: ignore[no-untyped-def]
    """Sum up to 128 squared differences as numpy does: eight interleaved sums, then the rest."""
    end = start + count
    if count < 8:
        total = 0.0
        for j in range(start, end):
            total += (x[j] - y[j]) * (x[j] - y[j])
        return total
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    e, f, g, h = 0.0, 0.0, 0.0, 0.0
    whole = start + count - count % 8
    for j in range(start, whole, 8):
        a += (x[j] - y[j]) * (x[j] - y[j])
        b += (x[j + 1] - y[j + 1]) * (x[j + 1] - y[j + 1])
        c += (x[j + 2] - y[j + 2]) * (x[j + 2] - y[j + 2])
        d += (x[j + 3] - y[j + 3]) * (x[j + 3] - y[j + 3])
        e += (x[j + 4] - y[j + 4]) * (x[j + 4] - y[j + 4])
        f += (x[j + 5] - y[j + 5]) * (x[j + 5] - y[j + 5])
        g += (x[j + 6] - y[j + 6]) * (x[j + 6] - y[j + 6])
        h += (x[j + 7] - y[j + 7]) * (x[j + 7] - y[j + 7])
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for j in range(whole, end):
        total += (x[j] - y[j]) * (x[j] - y[j])
    return total


@njit(nogil=True, cache=True)
def _halved_sum(x, y, places):  # type: ignore[no-untyped-def]
    """Sum more than 128 squared differences as numpy does: halves, and halves of halves, left before right.

    `places` (64, 3) is room for the halves that wait: where one starts, its length, and whether its left is summed.
    numba keeps no function in its cache that calls itself, so they wait in a list and not in calls.
    """
    waiting = np.zeros(64)
    depth, found = 0, 0.0
    places[0, 0], places[0, 1], places[0, 2] = 0, len(x), 0
    while depth >= 0:
        start, count, left_done = places[depth, 0], places[depth, 1], places[depth, 2]
        half = count // 2
        half -= half % 8
        if count > 128 and left_done == 0:
            places[depth, 2] = 1
            depth += 1
            places[depth, 0], places[depth, 1], places[depth, 2] = start, half, 0
            continue
        if count <= 128:
            found = _leaf(x, y, start, count)
        depth -= 1
        while depth >= 0 and places[depth, 2] == 2:
            found = waiting[depth] + found
            depth -= 1
        if depth >= 0:
            waiting[depth] = found
            places[depth, 2] = 2
            start, count = places[depth, 0], places[depth, 1]
            half = count // 2
            half -= half % 8
            depth += 1
            places[depth, 0], places[depth, 1], places[depth, 2] = start + half, count - half, 0
    return found


@njit(nogil=True, cache=True)
def squared_distances(queries, base, candidates, out):  # type: ignore[no-untyped-def]
    """Fill `out` (q, m) with squared distances of queries (q, d) to the base rows `candidates` (q, m), float64.

    Additions are in numpy's order, so that every path breaks near ties alike.
    """
    width = queries.shape[1]
    places = np.zeros((64, 3), np.int64)
    for row in range(candidates.shape[0]):
        for at in range(candidates.shape[1]):
            if width <= 128:
                out[row, at] = _leaf(queries[row], base[candidates[row, at]], 0, width)
            else:
                out[row, at] = _halved_sum(queries[row], base[candidates[row, at]], places)
