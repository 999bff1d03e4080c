"""A dilated convolution over rows by Toom-Cook F(4, 4): seven multiplications for four outputs of four taps.

Rows are time steps, (T, C), so that every inner loop runs over channels and dilation is a choice of rows. Compiled by numba
on first use and kept in its cache. Sources: Toom (1963) and Cook (1966); Lavin and Gray, "Fast algorithms for convolutional
neural networks" (2016), for the form with two transforms.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import njit, prange

# OpenMP is what torch's own threads come from: two pools would fight for the cores.
numba.config.THREADING_LAYER = "omp"  # type: ignore[attr-defined]

OUTPUTS = 4
TAPS = 4
POINTS = OUTPUTS + TAPS - 1
STRIP = 16
"""Channels an inner loop takes: a constant, so that the compiler knows that nothing overlaps."""


def transforms(finite: tuple[float, ...] = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0)) -> tuple[Any, Any, Any]:
    """Return output (4, 7), weight (7, 4) and input (7, 7) transforms for these points and infinity, in float64.

    outputs = output @ ((weight @ taps) * (input @ seven inputs)), taps unflipped.
    """

    def powers(count: int) -> np.ndarray:
        table = np.zeros((POINTS, count))
        table[:-1] = np.array(finite)[:, None] ** np.arange(count)
        table[-1, -1] = 1.0
        return table

    return powers(OUTPUTS).T, powers(TAPS), np.linalg.inv(powers(POINTS)).T


def _constants(matrix: Any) -> tuple[tuple[np.float32, ...], ...]:
    return tuple(tuple(np.float32(value) for value in row) for row in matrix)


OUTPUT, WEIGHT, INPUT = transforms()
_A, _B = _constants(OUTPUT), _constants(INPUT)
_FLAGS = {"contract", "nsz", "arcp", "nnan", "ninf"}


@njit(fastmath=_FLAGS, cache=True)
def _transform_inputs(x, i0, i1, i2, i3, i4, i5, i6, slope, out):  # type: ignore[no-untyped-def]
    for c in range(np.uint64(STRIP)):
        v0, v1, v2, v3 = x[i0 + c], x[i1 + c], x[i2 + c], x[i3 + c]
        v4, v5, v6 = x[i4 + c], x[i5 + c], x[i6 + c]
        v0, v1, v2, v3 = max(v0, v0 * slope), max(v1, v1 * slope), max(v2, v2 * slope), max(v3, v3 * slope)
        v4, v5, v6 = max(v4, v4 * slope), max(v5, v5 * slope), max(v6, v6 * slope)
        out[c] = (
            _B[0][0] * v0
            + _B[0][1] * v1
            + _B[0][2] * v2
            + _B[0][3] * v3
            + _B[0][4] * v4
            + _B[0][5] * v5
            + _B[0][6] * v6
        )
        out[np.uint64(1 * STRIP) + c] = (
            _B[1][0] * v0
            + _B[1][1] * v1
            + _B[1][2] * v2
            + _B[1][3] * v3
            + _B[1][4] * v4
            + _B[1][5] * v5
            + _B[1][6] * v6
        )
        out[np.uint64(2 * STRIP) + c] = (
            _B[2][0] * v0
            + _B[2][1] * v1
            + _B[2][2] * v2
            + _B[2][3] * v3
            + _B[2][4] * v4
            + _B[2][5] * v5
            + _B[2][6] * v6
        )
        out[np.uint64(3 * STRIP) + c] = (
            _B[3][0] * v0
            + _B[3][1] * v1
            + _B[3][2] * v2
            + _B[3][3] * v3
            + _B[3][4] * v4
            + _B[3][5] * v5
            + _B[3][6] * v6
        )
        out[np.uint64(4 * STRIP) + c] = (
            _B[4][0] * v0
            + _B[4][1] * v1
            + _B[4][2] * v2
            + _B[4][3] * v3
            + _B[4][4] * v4
            + _B[4][5] * v5
            + _B[4][6] * v6
        )
        out[np.uint64(5 * STRIP) + c] = (
            _B[5][0] * v0
            + _B[5][1] * v1
            + _B[5][2] * v2
            + _B[5][3] * v3
            + _B[5][4] * v4
            + _B[5][5] * v5
            + _B[5][6] * v6
        )
        out[np.uint64(6 * STRIP) + c] = (
            _B[6][0] * v0
            + _B[6][1] * v1
            + _B[6][2] * v2
            + _B[6][3] * v3
            + _B[6][4] * v4
            + _B[6][5] * v5
            + _B[6][6] * v6
        )


@njit(fastmath=_FLAGS, cache=True)
def _transform_outputs(m, start, step, bias, b, slope, out):  # type: ignore[no-untyped-def]
    for c in range(np.uint64(STRIP)):
        i = start + c
        m0, m1, m2 = m[i], m[i + step], m[i + np.uint64(2) * step]
        m3, m4 = m[i + np.uint64(3) * step], m[i + np.uint64(4) * step]
        m5, m6 = m[i + np.uint64(5) * step], m[i + np.uint64(6) * step]
        y0 = bias[b + c] + (
            _A[0][0] * m0
            + _A[0][1] * m1
            + _A[0][2] * m2
            + _A[0][3] * m3
            + _A[0][4] * m4
            + _A[0][5] * m5
            + _A[0][6] * m6
        )
        out[c] = max(y0, y0 * slope)
        y1 = bias[b + c] + (
            _A[1][0] * m0
            + _A[1][1] * m1
            + _A[1][2] * m2
            + _A[1][3] * m3
            + _A[1][4] * m4
            + _A[1][5] * m5
            + _A[1][6] * m6
        )
        out[np.uint64(1 * STRIP) + c] = max(y1, y1 * slope)
        y2 = bias[b + c] + (
            _A[2][0] * m0
            + _A[2][1] * m1
            + _A[2][2] * m2
            + _A[2][3] * m3
            + _A[2][4] * m4
            + _A[2][5] * m5
            + _A[2][6] * m6
        )
        out[np.uint64(2 * STRIP) + c] = max(y2, y2 * slope)
        y3 = bias[b + c] + (
            _A[3][0] * m0
            + _A[3][1] * m1
            + _A[3][2] * m2
            + _A[3][3] * m3
            + _A[3][4] * m4
            + _A[3][5] * m5
            + _A[3][6] * m6
        )
        out[np.uint64(3 * STRIP) + c] = max(y3, y3 * slope)


@njit(fastmath=_FLAGS, cache=True)
def _copy(source, i, target, j):  # type: ignore[no-untyped-def]
    for c in range(np.uint64(STRIP)):
        target[j + c] = source[i + c]


@njit(fastmath=_FLAGS, cache=True)
def _add(source, i, target, j):  # type: ignore[no-untyped-def]
    for c in range(np.uint64(STRIP)):
        target[j + c] += source[i + c]


@njit(cache=True)
def _place(t, n_rows, channels):  # type: ignore[no-untyped-def]
    # Rows outside are the row of zeros after the last one.
    return np.uint64((t if 0 <= t < n_rows else n_rows) * channels)


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def convolve_rows(x, weight, bias, dilation, padding, slope_in, slope_out, residual, add, y, tiles):  # type: ignore[no-untyped-def]
    """Write y = act(conv(act(x)) + bias) + residual.

    Parameters
    ----------
    x, y
        (T + 1, C) and (T + 1, C'), float32; the last row of x must be zero, that of y is left alone.
    weight
        (7, J * C, C'): transformed taps, four to a group, J groups.
    bias
        (C',).
    slope_in, slope_out
        Slopes of the leaky ReLU before and after; 1 for none.
    residual, add
        (T + 1, C') to be added where `add` is true; it may be y.
    tiles
        Tiles of four outputs that are computed together.
    """
    n_rows, channels = x.shape[0] - 1, x.shape[1]
    outputs = y.shape[1]
    groups = weight.shape[1] // channels
    width = groups * channels
    xf, yf, rf = x.reshape(-1), y.reshape(-1), residual.reshape(-1)
    per_phase = ((n_rows + dilation - 1) // dilation + OUTPUTS - 1) // OUTPUTS
    blocks = (per_phase + tiles - 1) // tiles
    for item in prange(dilation * blocks):
        phase, first = item // blocks, (item % blocks) * tiles
        n = min(tiles, per_phase - first)
        left = np.empty(POINTS * n * width, np.float32)
        product = np.empty((POINTS, n, outputs), np.float32)
        scratch = np.empty(POINTS * STRIP, np.float32)
        for q in range(n + groups - 1):
            t = dilation * OUTPUTS * (first + q) + phase - padding
            i0, i1 = _place(t, n_rows, channels), _place(t + dilation, n_rows, channels)
            i2, i3 = _place(t + 2 * dilation, n_rows, channels), _place(t + 3 * dilation, n_rows, channels)
            i4, i5 = _place(t + 4 * dilation, n_rows, channels), _place(t + 5 * dilation, n_rows, channels)
            i6 = _place(t + 6 * dilation, n_rows, channels)
            for s in range(0, channels, STRIP):
                o = np.uint64(s)
                _transform_inputs(xf, i0 + o, i1 + o, i2 + o, i3 + o, i4 + o, i5 + o, i6 + o, slope_in, scratch)
                # A tile's inputs serve its own first group of taps, the second group of the tile before, and so on.
                for j in range(max(0, q - n + 1), min(q, groups - 1) + 1):
                    for p in range(POINTS):
                        _copy(
                            scratch, np.uint64(p * STRIP), left, np.uint64((p * n + q - j) * width + j * channels + s)
                        )
        rows = left.reshape(POINTS, n, width)
        for p in range(POINTS):
            np.dot(rows[p], weight[p], product[p])
        flat = product.reshape(-1)
        for q in range(n):
            for s in range(0, outputs, STRIP):
                _transform_outputs(
                    flat, np.uint64(q * outputs + s), np.uint64(n * outputs), bias, np.uint64(s), slope_out, scratch
                )
                for i in range(OUTPUTS):
                    t = dilation * (OUTPUTS * (first + q) + i) + phase
                    if t < n_rows:
                        place = np.uint64(t * outputs + s)
                        if add:
                            _add(rf, place, scratch, np.uint64(i * STRIP))
                        _copy(scratch, np.uint64(i * STRIP), yf, place)
