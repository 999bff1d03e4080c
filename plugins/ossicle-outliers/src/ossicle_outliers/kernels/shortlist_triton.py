"""Distances and top-k in Triton: the matrix of distances never reaches memory.

Each program keeps the best of a few queries as sorted 64-bit keys, the value's bits above the row's number, so that one
comparison orders by (value, row). Of a tile that holds nothing better, only the products are computed. Of one that does,
the smaller half of two sorted lists laid head to tail is the new list (Batcher's bitonic merge, 1968). Only the kernel
component imports this module.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_QUERIES = 16
_CHUNK = 32


@triton.jit
def _keys(values, rows):
    bits = values.to(tl.int32, bitcast=True)
    # Negative floats order backwards as integers.
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return (ordered.to(tl.int64) << 32) | rows.to(tl.int64)


@triton.jit
def _shortlist(
    query_ptr,
    base_ptr,
    norm_ptr,
    value_ptr,
    row_ptr,
    n_queries,
    n_base,
    width,
    query_stride,
    query_column,
    base_stride,
    base_column,
    m,
    QUERIES: tl.constexpr,
    KEEP: tl.constexpr,
    CHUNK: tl.constexpr,
):
    query = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    slot = tl.arange(0, KEEP)
    # Larger than any key of a finite value.
    best = tl.full((QUERIES, KEEP), 0x7FFFFFFFFFFFFFFF, dtype=tl.int64)
    query_row = query_ptr + query.to(tl.int64)[:, None] * query_stride
    for start in range(0, n_base, KEEP):
        row = start + slot
        base_row = base_ptr + row.to(tl.int64)[None, :] * base_stride
        products = tl.zeros((QUERIES, KEEP), dtype=tl.float32)
        for first in range(0, width, CHUNK):
            column = first + tl.arange(0, CHUNK)
            q = tl.load(
                query_row + column[None, :] * query_column,
                mask=(query[:, None] < n_queries) & (column[None, :] < width),
                other=0.0,
            )
            b = tl.load(
                base_row + column[:, None] * base_column,
                mask=(row[None, :] < n_base) & (column[:, None] < width),
                other=0.0,
            )
            products += tl.dot(q, b, input_precision="ieee")
        norm = tl.load(norm_ptr + row, mask=row < n_base, other=float("inf"))
        # Adding zero turns -0 into 0: they are equal, and their bits are not.
        keys = _keys(norm[None, :] - 2.0 * products + 0.0, tl.broadcast_to(row[None, :], (QUERIES, KEEP)))
        worst = tl.max(best, axis=1)
        if tl.sum((keys < worst[:, None]).to(tl.int32)) > 0:
            best = tl.sort(tl.minimum(best, tl.sort(keys, descending=True)))
    ordered = (best >> 32).to(tl.int32)
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    place = query.to(tl.int64)[:, None] * m + slot[None, :]
    wanted = (query[:, None] < n_queries) & (slot[None, :] < m)
    tl.store(value_ptr + place, bits.to(tl.float32, bitcast=True).to(tl.float64), mask=wanted)
    tl.store(row_ptr + place, (best & 0xFFFFFFFF).to(tl.float64), mask=wanted)


def fused_shortlist(queries: Tensor, base: Tensor, norms: Tensor, m: int) -> Tensor:
    """Return what `NeighborShortlistKernel` describes."""
    out = torch.empty(2, len(queries), m, device=queries.device, dtype=torch.float64)
    if out.numel():
        _shortlist[(triton.cdiv(len(queries), _QUERIES),)](
            queries,
            base,
            norms.contiguous(),
            out[0],
            out[1],
            len(queries),
            len(base),
            queries.shape[1],
            *queries.stride(),
            *base.stride(),
            m,
            QUERIES=_QUERIES,
            KEEP=max(16, triton.next_power_of_2(m)),
            CHUNK=_CHUNK,
        )
    return out
