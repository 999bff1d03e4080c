"""Scores of a reconstruction in Triton: each number is read once, whatever the count of targets.

Only the kernel component imports this module.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_ROWS = 16
_COLUMNS = 32


@triton.jit
def _scores(
    mean_ptr,
    raw_ptr,
    target_ptr,
    out_ptr,
    n,
    d,
    m,
    floor,
    mean_row,
    mean_column,
    raw_row,
    raw_column,
    target_step,
    target_row,
    target_column,
    VARIANCE: tl.constexpr,
    TARGETS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    step = tl.arange(0, TARGETS).to(tl.int64)
    kind = mean_ptr.dtype.element_ty
    bias = tl.zeros((TARGETS, ROWS), dtype=kind)
    uncertainty = tl.zeros((ROWS,), dtype=kind)
    for first in range(0, d, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        inside = (row[:, None] < n) & (column[None, :] < d)
        mean = tl.load(mean_ptr + row[:, None] * mean_row + column[None, :] * mean_column, mask=inside, other=0.0)
        place = step[:, None, None] * target_step + (row[:, None] * target_row + column[None, :] * target_column)[None]
        target = tl.load(target_ptr + place, mask=(step[:, None, None] < m) & inside[None], other=0.0)
        squared = (mean[None] - target) * (mean[None] - target)
        if VARIANCE:
            raw = tl.load(raw_ptr + row[:, None] * raw_row + column[None, :] * raw_column, mask=inside, other=0.0)
            small = tl.exp(-tl.abs(raw))
            one_more = 1.0 + small
            # Kahan's ln(1 + x): the rounding of 1 + x cancels, which a low floor would show.
            exact = one_more == 1.0
            log1p = tl.where(exact, small, tl.log(one_more) * (small / tl.where(exact, 1.0, one_more - 1.0)))
            variance = tl.maximum(raw, 0.0) + log1p + floor
            squared = squared / variance[None]
            uncertainty += tl.sum(tl.where(inside, tl.log(variance), 0.0), axis=1)
        bias += tl.sum(tl.where(inside[None], squared, 0.0), axis=2)
    tl.store(out_ptr + step[:, None] * n + row[None, :], bias, mask=(step[:, None] < m) & (row[None, :] < n))
    tl.store(out_ptr + m * n + row, uncertainty, mask=row < n)


def fused_scores(mean: Tensor, raw: Tensor | None, targets: Tensor, floor: float) -> Tensor:
    """Return what `ReconstructionScoreKernel` describes."""
    m, n, d = targets.shape
    out = torch.empty(m + 1, n, device=mean.device, dtype=mean.dtype)
    if n:
        other = mean if raw is None else raw
        _scores[(triton.cdiv(n, _ROWS),)](
            mean,
            other,
            targets,
            out,
            n,
            d,
            m,
            floor,
            *mean.stride(),
            *other.stride(),
            *targets.stride(),
            VARIANCE=raw is not None,
            TARGETS=triton.next_power_of_2(m),
            ROWS=_ROWS,
            COLUMNS=_COLUMNS,
        )
    return out
