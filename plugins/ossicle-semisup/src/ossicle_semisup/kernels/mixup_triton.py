"""Mixup in Triton: each program mixes a piece of one row, of its input or of its label.

Only this module imports Triton here, and only the kernel component imports this module.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024


@triton.jit
def _blend(source_ptr, target_ptr, row, partner, weight, part, size, BLOCK: tl.constexpr):
    at = part * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    first = tl.load(source_ptr + row * size + at, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(source_ptr + partner * size + at, mask=inside, other=0.0).to(tl.float32)
    mixed = second + weight * (first - second)
    tl.store(target_ptr + row * size + at, mixed.to(target_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _mixup(
    x_ptr, y_ptr, lam_ptr, partner_ptr, mixed_x_ptr, mixed_y_ptr, size, classes, parts_of_x, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    part = tl.program_id(1)
    partner = tl.load(partner_ptr + row)
    weight = tl.load(lam_ptr + row)
    if part < parts_of_x:
        _blend(x_ptr, mixed_x_ptr, row, partner, weight, part, size, BLOCK)
    else:
        _blend(y_ptr, mixed_y_ptr, row, partner, weight, part - parts_of_x, classes, BLOCK)


def fused_mixup(x: Tensor, y: Tensor, lam: Tensor | float, permutation: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `ossicle_semisup.mixing.mixup` returns, inputs in their memory layout."""
    last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    # Rows of either layout are one piece of memory, in the same order in all of them.
    x, y = x if last else x.contiguous(), y.contiguous()
    if not isinstance(lam, Tensor) or lam.dim() == 0:
        lam = torch.ones(len(x), device=x.device) * lam
    lam, permutation = lam.to(x.device, torch.float32).contiguous(), permutation.to(x.device).contiguous()
    mixed_x, mixed_y = torch.empty_like(x), torch.empty_like(y)
    rows = len(x)
    size, classes = (t.numel() // max(rows, 1) for t in (x, y))
    parts_of_x, parts_of_y = triton.cdiv(size, _BLOCK), triton.cdiv(classes, _BLOCK)
    if rows and parts_of_x + parts_of_y:
        _mixup[(rows, parts_of_x + parts_of_y)](
            x, y, lam, permutation, mixed_x, mixed_y, size, classes, parts_of_x, BLOCK=_BLOCK
        )
    return mixed_x, mixed_y
