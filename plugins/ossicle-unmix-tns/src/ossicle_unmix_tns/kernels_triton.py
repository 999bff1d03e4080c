"""The layer's four steps in Triton. Only the kernel components import this module.

`statistics` and `normalize` take any strides of x (B, C, L), channels-last maps among them. `update` can write into the state itself:
each component belongs to one program, which reads before it writes.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_LONGEST = 2048


@triton.jit
def _statistics(x_ptr, out_ptr, channels, length, size, stride_b, stride_c, stride_l, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    base = x_ptr + (row // channels) * stride_b + (row % channels) * stride_c
    at = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, length, BLOCK):
        inside = start + at < length
        total += tl.load(base + (start + at) * stride_l, mask=inside, other=0.0).to(tl.float32)
    centre = tl.sum(total, 0) / length
    first = tl.zeros((BLOCK,), tl.float32)
    second = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, length, BLOCK):
        inside = start + at < length
        off = tl.load(base + (start + at) * stride_l, mask=inside, other=0.0).to(tl.float32) - centre
        off = tl.where(inside, off, 0.0)
        first += off
        second += off * off
    rest = tl.sum(first, 0) / length
    tl.store(out_ptr + row, centre)
    tl.store(out_ptr + size + row, rest)
    tl.store(out_ptr + 2 * size + row, tl.sum(second, 0) / length - rest * rest)


@triton.jit
def _moments(
    found_ptr,
    means_ptr,
    rest_ptr,
    variances_ptr,
    weight_ptr,
    bias_ptr,
    out_ptr,
    batch,
    channels,
    components,
    temperature,
    eps,
    WEIGHT: tl.constexpr,
    BIAS: tl.constexpr,
    TOTAL: tl.constexpr,
    KS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    b = tl.program_id(0).to(tl.int64)
    k = tl.arange(0, KS)
    real = k < components
    dot = tl.zeros((KS,), tl.float64)
    theirs = tl.zeros((KS,), tl.float64)
    ours = tl.zeros((BLOCK,), tl.float64)
    bad = tl.zeros((BLOCK,), tl.int32)
    for start in range(0, channels, BLOCK):
        c = start + tl.arange(0, BLOCK)
        inside = c < channels
        centre = tl.load(found_ptr + b * channels + c, mask=inside, other=0.0)
        off = tl.load(found_ptr + (batch + b) * channels + c, mask=inside, other=0.0)
        variance = tl.load(found_ptr + (2 * batch + b) * channels + c, mask=inside, other=0.0)
        # A number less itself is zero, unless it is infinite or none.
        bad += ((off - off != 0.0) | (variance - variance != 0.0)).to(tl.int32)
        m = (centre + off).to(tl.float64)
        both = real[:, None] & inside[None, :]
        means = tl.load(means_ptr + k[:, None] * channels + c[None, :], mask=both, other=0.0).to(tl.float64)
        dot += tl.sum(means * m[None, :], 1)
        theirs += tl.sum(means * means, 1)
        ours += m * m
    norm = tl.maximum(tl.sqrt(tl.sum(ours, 0)), 1e-12)
    similarity = dot / (tl.maximum(tl.sqrt(theirs), 1e-12) * norm) / temperature
    similarity = tl.where(real, similarity, float("-inf"))
    raised = tl.where(real, tl.exp(similarity - tl.max(similarity, 0)), 0.0)
    share = (raised / tl.sum(raised, 0)).to(tl.float32)
    width = 2 * channels + components + 1
    tl.store(out_ptr + b * width + 2 * channels + k, share, mask=real)
    tl.store(out_ptr + b * width + width - 1, tl.where(tl.sum(bad, 0) == 0, 1.0, 0.0))
    left = 1.0 - share
    for start in range(0, channels, BLOCK):
        c = start + tl.arange(0, BLOCK)
        inside = c < channels
        both = real[:, None] & inside[None, :]
        centre = tl.load(found_ptr + b * channels + c, mask=inside, other=0.0)
        off = tl.load(found_ptr + (batch + b) * channels + c, mask=inside, other=0.0)
        variance = tl.load(found_ptr + (2 * batch + b) * channels + c, mask=inside, other=0.0)
        apart = tl.load(means_ptr + k[:, None] * channels + c[None, :], mask=both, other=0.0) - centre[None, :]
        apart += tl.load(rest_ptr + k[:, None] * channels + c[None, :], mask=both, other=0.0)
        spreads = tl.load(variances_ptr + k[:, None] * channels + c[None, :], mask=both, other=0.0)
        mixed = left[:, None] * apart + share[:, None] * off[None, :]
        mean = tl.sum(tl.where(both, mixed, 0.0), 0) / components
        away = tl.where(both, mixed - mean[None, :], 0.0)
        within = left[:, None] * spreads + share[:, None] * variance[None, :]
        if TOTAL:
            within += share[:, None] * left[:, None] * (off[None, :] - apart) * (off[None, :] - apart)
        var = tl.sum(tl.where(both, within + away * away, 0.0), 0) / components
        scale = 1.0 / tl.sqrt(tl.maximum(var, 0.0) + eps)
        if WEIGHT:
            scale *= tl.load(weight_ptr + c, mask=inside, other=0.0).to(tl.float32)
        shift = -mean * scale
        if BIAS:
            shift += tl.load(bias_ptr + c, mask=inside, other=0.0).to(tl.float32)
        tl.store(out_ptr + b * width + c, scale, mask=inside)
        tl.store(out_ptr + b * width + channels + c, shift, mask=inside)


@triton.jit
def _normalize(
    x_ptr,
    found_ptr,
    packed_ptr,
    y_ptr,
    channels,
    length,
    width,
    stride_b,
    stride_c,
    stride_l,
    y_b,
    y_c,
    y_l,
    RELU: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    b, c = row // channels, row % channels
    at = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < length
    x = tl.load(x_ptr + b * stride_b + c * stride_c + at * stride_l, mask=inside, other=0.0).to(tl.float32)
    y = (x - tl.load(found_ptr + row)) * tl.load(packed_ptr + b * width + c) + tl.load(
        packed_ptr + b * width + channels + c
    )
    if RELU:
        y = tl.maximum(y, 0.0)
    tl.store(y_ptr + b * y_b + c * y_c + at * y_l, y.to(y_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _rows(packed_ptr, gate_ptr, b, batch, width, column, GATE: tl.constexpr):
    keep = tl.load(packed_ptr + b * width + width - 1, mask=b < batch, other=0.0)
    if GATE:
        keep *= tl.load(gate_ptr + b, mask=b < batch, other=0).to(tl.float32)
    return keep, tl.load(packed_ptr + b * width + column, mask=b < batch, other=0.0)


@triton.jit
def _update(
    found_ptr,
    packed_ptr,
    gate_ptr,
    means_ptr,
    rest_ptr,
    variances_ptr,
    counts_ptr,
    pace_ptr,
    new_means_ptr,
    new_rest_ptr,
    new_variances_ptr,
    new_counts_ptr,
    batch,
    channels,
    width,
    most,
    stride_new,
    stride_count,
    GATE: tl.constexpr,
    COUNTS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    k = tl.program_id(0).to(tl.int64)
    r = tl.arange(0, ROWS)
    weight = tl.zeros((ROWS,), tl.float32)
    number = tl.zeros((ROWS,), tl.float32)
    for start in range(0, batch, ROWS):
        b = start + r
        keep, share = _rows(packed_ptr, gate_ptr, b, batch, width, 2 * channels + k, GATE)
        weight += tl.where(keep > 0, share, 0.0)
        number += keep
    heard = tl.sum(weight, 0)
    active = tl.load(pace_ptr)
    if COUNTS:
        count = tl.load(counts_ptr + k)
        growth = tl.minimum(heard, most - count)
        # 1 - exp(-a) for small a, where the difference would lose its digits.
        a = tl.log(1.0 + (growth / count).to(tl.float64)) + ((heard - growth) / most).to(tl.float64)
        step = ((1.0 - tl.exp(-a)) / tl.maximum(heard, 1e-37).to(tl.float64)).to(tl.float32)
        tl.store(new_counts_ptr + k * stride_count, count + active * growth)
    else:
        step = tl.load(pace_ptr + 1) / tl.maximum(tl.sum(number, 0), 1.0)
    step *= active
    for first in range(0, channels, BLOCK):
        c = first + tl.arange(0, BLOCK)
        inside = c < channels
        old = tl.load(means_ptr + k * channels + c, mask=inside, other=0.0)
        rest = tl.load(rest_ptr + k * channels + c, mask=inside, other=0.0)
        spread = tl.load(variances_ptr + k * channels + c, mask=inside, other=0.0)
        towards = tl.zeros((BLOCK,), tl.float32)
        wider = tl.zeros((BLOCK,), tl.float32)
        for start in range(0, batch, ROWS):
            b = start + r
            keep, share = _rows(packed_ptr, gate_ptr, b, batch, width, 2 * channels + k, GATE)
            both = (keep > 0)[:, None] & inside[None, :]
            where = b[:, None] * channels + c[None, :]
            centre = tl.load(found_ptr + where, mask=both, other=0.0)
            off = tl.load(found_ptr + batch * channels + where, mask=both, other=0.0)
            variance = tl.load(found_ptr + 2 * batch * channels + where, mask=both, other=0.0)
            apart = (centre - old[None, :]) + (off - rest[None, :])
            towards += tl.sum(tl.where(both, share[:, None] * apart, 0.0), 0)
            wider += tl.sum(tl.where(both, share[:, None] * (variance - spread[None, :]), 0.0), 0)
        move = step * towards + rest
        moved = old + move
        tl.store(new_means_ptr + k * stride_new + c, moved, mask=inside)
        tl.store(new_rest_ptr + k * stride_new + c, move - (moved - old), mask=inside)
        tl.store(new_variances_ptr + k * stride_new + c, spread + step * wider, mask=inside)


def statistics(x: Tensor) -> Tensor:
    """Return what `ossicle_unmix_tns.kernels.statistics` returns."""
    batch, channels, length = x.shape
    out = torch.empty(3, batch, channels, device=x.device)
    if out.numel():
        block = min(triton.next_power_of_2(length), _LONGEST)
        _statistics[(batch * channels,)](x, out, channels, length, batch * channels, *x.stride(), BLOCK=block)
    return out


def moments(
    found: Tensor,
    means: Tensor,
    rest: Tensor,
    variances: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    temperature: float = 0.07,
    eps: float = 1e-5,
    total: bool = False,
) -> Tensor:
    """Return what `ossicle_unmix_tns.kernels.moments` returns."""
    _, batch, channels = found.shape
    components = len(means)
    found, means, rest, variances = (t.contiguous() for t in (found, means, rest, variances))
    out = torch.empty(batch, 2 * channels + components + 1, device=found.device)
    if batch:
        padded = triton.next_power_of_2(components)
        _moments[(batch,)](
            found,
            means,
            rest,
            variances,
            found if weight is None else weight,
            found if bias is None else bias,
            out,
            batch,
            channels,
            components,
            temperature,
            eps,
            WEIGHT=weight is not None,
            BIAS=bias is not None,
            TOTAL=total,
            KS=padded,
            BLOCK=max(1, min(triton.next_power_of_2(channels), 2048 // padded)),
        )
    return out


def normalize(x: Tensor, found: Tensor, packed: Tensor, relu: bool = False) -> Tensor:
    """Return what `ossicle_unmix_tns.kernels.normalize` returns, in x's memory layout."""
    batch, channels, length = x.shape
    y = torch.empty_like(x)
    if x.numel():
        block = min(triton.next_power_of_2(length), _LONGEST)
        grid = (batch * channels, triton.cdiv(length, block))
        _normalize[grid](
            x,
            found.contiguous(),
            packed,
            y,
            channels,
            length,
            packed.shape[1],
            *x.stride(),
            *y.stride(),
            RELU=relu,
            BLOCK=block,
        )
    return y


def update(
    found: Tensor,
    packed: Tensor,
    gate: Tensor | None,
    means: Tensor,
    rest: Tensor,
    variances: Tensor,
    counts: Tensor | None,
    pace: Tensor,
    most: float = 1.0,
    in_place: bool = False,
) -> Tensor:
    """Return what `ossicle_unmix_tns.kernels.update` returns; or, in place, change contiguous state and return the means."""
    components, channels = means.shape
    if in_place:
        out = (means, rest, variances, counts if counts is not None else means)
        packed_out, stride, count_stride = means, channels, 1
    else:
        packed_out = torch.zeros(components, 3 * channels + 1, device=means.device)
        out = tuple(packed_out[:, at * channels :] for at in range(4))  # type: ignore[assignment]
        stride = count_stride = packed_out.stride(0)
        means, rest, variances = means.contiguous(), rest.contiguous(), variances.contiguous()
    _update[(components,)](
        found.contiguous(),
        packed,
        found if gate is None else gate,
        means,
        rest,
        variances,
        means if counts is None else counts,
        pace,
        *out,
        found.shape[1],
        channels,
        packed.shape[1],
        most,
        stride,
        count_stride,
        GATE=gate is not None,
        COUNTS=counts is not None,
        ROWS=16,
        BLOCK=min(triton.next_power_of_2(channels), 128),
    )
    return packed_out
