"""From rows to unsigned bytes in one pass, with the activation and the residual's addition inside."""

from __future__ import annotations

import numba
import numpy as np
from numba import njit, prange

# OpenMP is what torch's own threads come from: two pools would fight for the cores.
numba.config.THREADING_LAYER = "omp"  # type: ignore[attr-defined]

_BLOCK = 8192
_FLAGS = {"contract", "nsz", "arcp", "nnan", "ninf"}


@njit(inline="always")
def _wide(half):  # type: ignore[no-untyped-def]
    # A bfloat16 is the upper half of a float32.
    return np.uint32(np.uint32(half) << np.uint32(16)).view(np.float32)


@njit(inline="always")
def _byte(v, slope, inverse, zero):  # type: ignore[no-untyped-def]
    scaled = max(v, v * slope) * inverse + zero
    return np.uint8(min(max(scaled, np.float32(0.0)), np.float32(255.0)) + np.float32(0.5))


@njit(fastmath=_FLAGS, cache=True)
def _to_bytes(x, slope, inverse, zero, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i] = _byte(x[i], slope, inverse, zero)


@njit(fastmath=_FLAGS, cache=True)
def _half_to_bytes(x, slope, inverse, zero, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i] = _byte(_wide(x[i]), slope, inverse, zero)


@njit(fastmath=_FLAGS, cache=True)
def _add_half(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        x[i] += _wide(y[i])


@njit(fastmath=_FLAGS, cache=True)
def _add(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        x[i] += y[i]


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def quantize(x, addend, added, slope, inverse, zero, padding, out):  # type: ignore[no-untyped-def]
    """Write x += addend where `added`, and out[padding + t] = round(act(x[t]) * inverse + zero).

    x is (T, C) float32, the addend (T, C) bfloat16 as uint16; out is (T + 2 * padding, C) bytes, whose outer rows become
    `zero`.
    """
    start, size = padding * x.shape[1], x.shape[0] * x.shape[1]
    flat, other, target = x.reshape(-1), addend.reshape(-1), out.reshape(-1)
    target[:start] = np.uint8(zero)
    target[start + size :] = np.uint8(zero)
    for block in prange((size + _BLOCK - 1) // _BLOCK):
        low = block * _BLOCK
        high = min(low + _BLOCK, size)
        if added:
            _add_half(flat[low:high], other[low:high])
        _to_bytes(flat[low:high], slope, inverse, zero, target[start + low : start + high])


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def quantize_half(x, slope, inverse, zero, padding, out):  # type: ignore[no-untyped-def]
    """Write out[padding + t] = round(act(x[t]) * inverse + zero), as `quantize` does, of x in bfloat16 as uint16."""
    start, size = padding * x.shape[1], x.shape[0] * x.shape[1]
    flat, target = x.reshape(-1), out.reshape(-1)
    target[:start] = np.uint8(zero)
    target[start + size :] = np.uint8(zero)
    for block in prange((size + _BLOCK - 1) // _BLOCK):
        low = block * _BLOCK
        high = min(low + _BLOCK, size)
        _half_to_bytes(flat[low:high], slope, inverse, zero, target[start + low : start + high])


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def add(x, y, z):  # type: ignore[no-untyped-def]
    """Write x += y + z: x and y are (T, C) float32, z is (T, C) bfloat16 as uint16."""
    size = x.shape[0] * x.shape[1]
    a, b, c = x.reshape(-1), y.reshape(-1), z.reshape(-1)
    for block in prange((size + _BLOCK - 1) // _BLOCK):
        low = block * _BLOCK
        high = min(low + _BLOCK, size)
        _add(a[low:high], b[low:high])
        _add_half(a[low:high], c[low:high])
