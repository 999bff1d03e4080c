"""The whole layer for one thread of a CPU, compiled by numba on first use and kept in its cache.

An instance's rows go through the nearest cache once for statistics and once for the result; all between is small and stays there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

# Sums in any order, so that they are done in lanes; NaN and infinity keep their meaning.
_LANES = {"reassoc", "contract", "nsz"}
_BLOCK = 4096


@njit(cache=True, fastmath=_LANES)
def _total(row: Any) -> Any:
    total = 0.0
    for start in range(0, len(row), _BLOCK):
        part, block = np.float32(0), row[start : start + _BLOCK]
        for i in range(len(block)):
            part += block[i]
        total += part
    return total


@njit(cache=True, fastmath=_LANES)
def _about(row: Any, centre: Any) -> Any:
    first, second = 0.0, 0.0
    for start in range(0, len(row), _BLOCK):
        one, two, block = np.float32(0), np.float32(0), row[start : start + _BLOCK]
        for i in range(len(block)):
            off = block[i] - centre
            one += off
            two += off * off
        first += one
        second += two
    return first, second


@njit(cache=True, fastmath=_LANES)
def _dot(a: Any, b: Any) -> Any:
    total = 0.0
    for i in range(len(a)):
        total += np.float64(a[i]) * np.float64(b[i])
    return total


@njit(cache=True)
def _affine(row: Any, out: Any, centre: Any, scale: Any, shift: Any) -> None:
    for i in range(len(row)):
        out[i] = (row[i] - centre) * scale + shift


@njit(cache=True)
def _pull(
    towards: Any, wider: Any, share: Any, centre: Any, rest: Any, variance: Any, old: Any, low: Any, spread: Any
) -> None:
    for c in range(len(towards)):
        towards[c] += share * ((centre[c] - old[c]) + (rest[c] - low[c]))
        wider[c] += share * (variance[c] - spread[c])


@njit(cache=True)
def _layer(
    x: Any,
    y: Any,
    gate: Any,
    gated: Any,
    means: Any,
    low: Any,
    variances: Any,
    counts: Any,
    counted: Any,
    weight: Any,
    bias: Any,
    affine: Any,
    active: Any,
    rate: Any,
    most: Any,
    temperature: Any,
    eps: Any,
    total: Any,
) -> None:
    batch, channels, length = x.shape
    components = len(means)
    f = np.float32
    centre, rest, variance = (
        np.empty((batch, channels), f),
        np.empty((batch, channels), f),
        np.empty((batch, channels), f),
    )
    share, keep = np.empty((batch, components), f), np.empty(batch, np.bool_)
    norms, similarity = np.empty(components), np.empty(components)
    mine = np.empty(channels)
    mean, var = np.empty(channels, f), np.empty(channels, f)
    one, parts = f(1), f(components)
    for k in range(components):
        norms[k] = max(math.sqrt(_dot(means[k], means[k])), 1e-12)
    for b in range(batch):
        sound = True
        for c in range(channels):
            row = x[b, c]
            # The mean of a sixteenth stands for the mean: what it is off, squared, is at most 16 times the variance.
            near = max(length // 16, 1)
            middle = f(_total(row[:near]) / near)
            first, second = _about(row, middle)
            first, second = first / length, second / length - (first / length) ** 2
            centre[b, c], rest[b, c], variance[b, c] = middle, first, second
            mine[c] = np.float64(middle) + first
            sound = sound and math.isfinite(first) and math.isfinite(variance[b, c])
        keep[b] = sound and (not gated or gate[b])
        norm = max(math.sqrt(_dot(mine, mine)), 1e-12)
        highest = -np.inf
        for k in range(components):
            similarity[k] = _dot(mine, means[k]) / (norm * norms[k]) / temperature
            highest = max(highest, similarity[k])
        raised = 0.0
        for k in range(components):
            similarity[k] = math.exp(similarity[k] - highest)
            raised += similarity[k]
        for k in range(components):
            share[b, k] = similarity[k] / raised
        mean[:] = 0
        var[:] = 0
        for k in range(components):
            p = share[b, k]
            for c in range(channels):
                mean[c] += (one - p) * ((means[k, c] - centre[b, c]) + low[k, c]) + p * rest[b, c]
        for c in range(channels):
            mean[c] /= parts
        for k in range(components):
            p = share[b, k]
            both = p * (one - p) if total else f(0)
            for c in range(channels):
                apart = (means[k, c] - centre[b, c]) + low[k, c]
                away = (one - p) * apart + p * rest[b, c] - mean[c]
                off = rest[b, c] - apart
                var[c] += (one - p) * variances[k, c] + p * variance[b, c] + away * away + both * off * off
        for c in range(channels):
            scale = one / np.sqrt(var[c] / parts + f(eps))
            shift = f(0)
            if affine:
                scale *= weight[c]
                shift = bias[c]
            _affine(x[b, c], y[b, c], centre[b, c], scale, shift - mean[c] * scale)
    if not active:
        return
    number = max(keep.sum(), 1)
    towards, wider = np.empty(channels, f), np.empty(channels, f)
    for k in range(components):
        heard = 0.0
        for b in range(batch):
            heard += share[b, k] if keep[b] else 0.0
        if counted:
            growth = min(heard, most - counts[k])
            gone = -math.expm1(-math.log1p(growth / counts[k]) - (heard - growth) / most)
            step = f(gone / max(heard, 1e-37))
            counts[k] += growth
        else:
            step = f(rate / number)
        towards[:] = 0
        wider[:] = 0
        for b in range(batch):
            if keep[b]:
                _pull(towards, wider, share[b, k], centre[b], rest[b], variance[b], means[k], low[k], variances[k])
        for c in range(channels):
            move = step * towards[c] + low[k, c]
            moved = means[k, c] + move
            low[k, c] = move - (moved - means[k, c])
            means[k, c] = moved
            variances[k, c] += step * wider[c]


_NONE, _NO_GATE = np.zeros(1, np.float32), np.zeros(1, np.bool_)


def views(*tensors: Tensor | None, channels: int) -> tuple[Any, ...]:
    """Return what `run` takes of means, rest, variances, counts, weight and bias: arrays that share the tensors' memory."""
    *state, counts, weight, bias = tensors
    affine = weight is not None or bias is not None
    scale = torch.ones(channels) if weight is None else weight.detach()
    shift = torch.zeros(channels) if bias is None else bias.detach()
    held = [tensor.numpy() for tensor in state if tensor is not None]
    return (
        *held,
        _NONE if counts is None else counts.numpy(),
        counts is not None,
        scale.numpy(),
        shift.numpy(),
        affine,
    )


def run(x: Tensor, gate: Tensor | None, held: tuple[Any, ...], *settings: Any) -> Tensor:
    """Return x (B, C, L), float32, normalised, and change the state in place.

    Parameters
    ----------
    held
        What `views` gives.
    settings
        active, rate, most, temperature, eps, total: see `ossicle_unmix_tns.kernels.layer`.
    """
    x = x.detach().contiguous()
    y = torch.empty_like(x)
    _layer(x.numpy(), y.numpy(), _NO_GATE if gate is None else gate.numpy(), gate is not None, *held, *settings)
    return y
