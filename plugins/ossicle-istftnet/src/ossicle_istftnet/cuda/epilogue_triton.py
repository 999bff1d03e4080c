"""The residual epilogue in Triton: each element read once and written once, whatever the block needs of it.

Only this module imports Triton here, and only the kernel component imports this module.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024


@triton.jit
def _epilogue(
    y_ptr,
    bias_ptr,
    residual_ptr,
    addend_ptr,
    frames_ptr,
    out_ptr,
    size,
    channels,
    length,
    rate,
    factor,
    slope,
    BIAS: tl.constexpr,
    RESIDUAL: tl.constexpr,
    ADDEND: tl.constexpr,
    FRAMES: tl.constexpr,
    KEEP: tl.constexpr,
    LAST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    if LAST:
        channel, sample = at % channels, (at // channels) % length
    else:
        channel, sample = (at // length) % channels, at % length
    total = tl.load(y_ptr + at, mask=inside, other=0.0).to(tl.float32)
    if BIAS:
        total += tl.load(bias_ptr + channel, mask=inside, other=0.0).to(tl.float32)
    if RESIDUAL:
        total += tl.load(residual_ptr + at, mask=inside, other=0.0).to(tl.float32)
    if ADDEND:
        total += tl.load(addend_ptr + at, mask=inside, other=0.0).to(tl.float32)
    total *= factor
    if FRAMES:
        total = tl.where(sample < tl.load(frames_ptr) * rate, total, 0.0)
    active = tl.where(total > 0, total, total * slope)
    if KEEP:
        tl.store(out_ptr + at, total.to(out_ptr.dtype.element_ty), mask=inside)
        tl.store(out_ptr + size + at, active.to(out_ptr.dtype.element_ty), mask=inside)
    else:
        tl.store(out_ptr + at, active.to(out_ptr.dtype.element_ty), mask=inside)


def fused_epilogue(
    y: Tensor,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    addend: Tensor | None = None,
    factor: float = 1.0,
    slope: float = 1.0,
    keep: bool = False,
    frames: Tensor | None = None,
    rate: int = 1,
) -> Tensor:
    """Return what `ossicle_istftnet.cuda.epilogue.epilogue` returns, in y's memory layout."""
    _, channels, length = y.shape
    last = channels > 1 and y.stride(1) == 1 and not y.is_contiguous()

    def flat(x: Tensor | None) -> Tensor | None:
        if x is None:
            return None
        return x.transpose(1, 2).contiguous() if last else x.contiguous()

    given = flat(y)
    assert given is not None
    skip, other = flat(residual), flat(addend)
    out = torch.empty(1 + keep, *given.shape, device=y.device, dtype=y.dtype)
    size = given.numel()
    if size:
        _epilogue[(triton.cdiv(size, _BLOCK),)](
            given,
            given if bias is None else bias,
            given if skip is None else skip,
            given if other is None else other,
            given if frames is None else frames,
            out,
            size,
            channels,
            length,
            rate,
            factor,
            slope,
            BIAS=bias is not None,
            RESIDUAL=skip is not None,
            ADDEND=other is not None,
            FRAMES=frames is not None,
            KEEP=keep,
            LAST=last,
            BLOCK=_BLOCK,
        )
    return out.transpose(2, 3) if last else out
