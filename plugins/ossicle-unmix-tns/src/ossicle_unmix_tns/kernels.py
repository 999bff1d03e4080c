"""The layer in four steps, for machines where each is one launch: references, and the components that pair them with Triton.

Statistics, moments, normalisation, update. Between them go packed tensors, so that none allocates what the next does not need; all
shapes are known beforehand and nothing waits for the host, so that the steps can be recorded as a CUDA graph.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ossicle_unmix_tns.mixture import add_exactly, assign, collapse, forget, pull
from ossicle_unmix_tns.statistics import Statistics, measure


def statistics(x: Tensor) -> Tensor:
    """Return centre, rest of the mean, and biased variance of each instance and channel, (3, B, C), float32, of x (B, C, L)."""
    return torch.stack(measure(x, torch.float32)[1])


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
    """Return for each instance scale (C) and shift (C), shares (K) and whether it is usable (1), packed: (B, 2 C + K + 1).

    Parameters
    ----------
    found
        What `statistics` gives, (3, B, C).
    means, rest, variances
        The components' (K, C); a mean is the sum of `means` and `rest`.
    weight, bias
        Affine (C,).
    total
        See `ossicle_unmix_tns.mixture.collapse`.
    """
    seen = Statistics(*found)
    origin = means.mean(dim=0)
    share = assign(seen.centre + seen.rest, means, temperature)
    mean, variance = collapse(seen, origin, share, (means - origin) + rest, variances, "total" if total else "paper")
    scale = torch.rsqrt(variance + eps)
    scale = scale if weight is None else scale * weight.float()
    shift = -mean * scale
    shift = shift if bias is None else shift + bias.float()
    return torch.cat([scale, shift, share.to(scale), seen.usable()[:, None].to(scale)], dim=1)


def normalize(x: Tensor, found: Tensor, packed: Tensor, relu: bool = False) -> Tensor:
    """Return (x - centre) * scale + shift, (B, C, L) in x's dtype, and its positive part where `relu`."""
    channels = x.shape[1]
    y = (x.float() - found[0][:, :, None]) * packed[:, :channels, None] + packed[:, channels : 2 * channels, None]
    return (torch.relu(y) if relu else y).to(x.dtype)


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
) -> Tensor:
    """Return the components after a batch: means (C), rest (C), variances (C) and count (1) of each, packed: (K, 3 C + 1).

    Parameters
    ----------
    found, packed
        What `statistics` and `moments` give.
    gate
        Which instances are worth learning from, (B,) of bool; None: all that are usable.
    counts, most
        What each component counts for, (K,), and grows to; None: a constant rate.
    pace
        Two numbers on the device: 1 or, frozen, 0; and the rate.
    """
    channels, components = means.shape[1], len(means)
    seen, keep = Statistics(*found), packed[:, -1] > 0
    keep = keep if gate is None else keep & gate
    share = packed[:, 2 * channels : 2 * channels + components]
    origin = means.mean(dim=0)
    towards, wider, weight = pull(seen, origin, share, keep, (means - origin) + rest, variances)
    if counts is None:
        step, count = pace[1] / keep.sum().clamp_min(1), torch.zeros(components, 1, device=means.device)
    else:
        step, growth = forget(counts[:, None], weight, most)
        count = counts[:, None] + pace[0] * growth
    step = step * pace[0]
    return torch.cat([*add_exactly(means, rest, step * towards), variances + step * wider, count], dim=1)


def layer(
    x: Tensor,
    gate: Tensor | None,
    means: Tensor,
    rest: Tensor,
    variances: Tensor,
    counts: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    active: bool,
    rate: float,
    most: float,
    temperature: float,
    eps: float,
    total: bool,
) -> Tensor:
    """Return all four steps' results in one flat tensor: the output (B, C, L), then means, rest and variances (K, C), and counts (K)."""
    found = statistics(x)
    packed = moments(found, means, rest, variances, weight, bias, temperature, eps, total)
    pace = torch.tensor([float(active), rate])
    after = update(found, packed, gate, means, rest, variances, counts, pace, most)
    parts = (normalize(x, found, packed), *after[:, :-1].split(means.shape[1], dim=1), after[:, -1])
    return torch.cat([part.flatten() for part in parts])


# --- the components


def _draw(*shape: int, seed: int = 0, offset: float = 0.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + offset


def _state(components: int, channels: int, offset: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    means = _draw(components, channels, seed=1, offset=offset)
    return means, 1e-5 * _draw(components, channels, seed=2), _draw(components, channels, seed=3).square() + 0.1


def _seen(batch: int, channels: int, offset: float = 0.0, length: int = 12) -> Tensor:
    return statistics(_draw(batch, channels, length, seed=4, offset=offset))


class _UnMixKernel:
    """What the four have in common: they run on CUDA, where Triton is installed."""

    tolerance: float = 2e-5
    step: ClassVar[Callable[..., Tensor]]
    twin: ClassVar[str]

    def reference(self, *arguments: Any) -> Tensor:
        """Compute in plain torch."""
        return type(self).step(*arguments)

    def accelerated(self, *arguments: Any) -> Tensor:
        """Compute by the Triton kernel."""
        from ossicle_unmix_tns import kernels_triton

        return getattr(kernels_triton, self.twin)(*arguments)

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs."""
        known = dtype in ("float32", "bfloat16", "float16")
        return device == "cuda" and known and importlib.util.find_spec("triton") is not None


class StatisticsKernel(_UnMixKernel):
    """Mean in two numbers and variance of every instance and channel, each element read once from far. See `statistics`."""

    op, step, twin = "unmix-statistics", statistics, "statistics"

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield inputs of many lengths, offsets and layouts."""
        for batch, channels, length in ((2, 5, 30), (1, 1, 1), (3, 4, 1024), (2, 3, 2500), (1, 7, 4097)):
            yield f"{batch} x {channels} x {length}", (_draw(batch, channels, length),)
        yield "mean 1000", (_draw(2, 3, 700, offset=1000.0),)
        yield "empty batch", (_draw(0, 3, 8),)
        yield "every other position", (_draw(2, 3, 64)[:, :, ::2],)
        yield "channels last", (_draw(2, 30, 5).transpose(1, 2),)
        yield "bfloat16", (_draw(2, 3, 65).bfloat16(),)


class MomentsKernel(_UnMixKernel):
    """Shares of the components and what to normalise each instance by, one program an instance. See `moments`."""

    op, step, twin = "unmix-moments", moments, "moments"

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield components of many numbers, with affine and without."""
        for batch, channels, components in ((4, 8, 16), (1, 1, 1), (3, 130, 2), (2, 33, 128), (5, 70, 7)):
            affine = (_draw(channels, seed=5), _draw(channels, seed=6))
            label = f"{batch} clips, {channels} channels, {components} components"
            yield label, (_seen(batch, channels), *_state(components, channels), *affine)
        yield "no affine, high temperature", (_seen(3, 6), *_state(4, 6), None, None, 0.5)
        yield "total variance", (_seen(3, 6), *_state(4, 6), None, None, 0.07, 1e-3, True)
        yield "mean 1000", (_seen(3, 6, 1000.0), *_state(16, 6, 1000.0))
        yield "empty batch", (_seen(0, 6), *_state(4, 6))
        yield "not contiguous", (_seen(3, 12)[:, :, ::2], *(s[:, ::2] for s in _state(4, 12)))


class NormalizeKernel(_UnMixKernel):
    """Normalisation and optional ReLU, each element read once and written once. See `normalize`."""

    op, step, twin = "unmix-normalize", normalize, "normalize"

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield inputs of many lengths and layouts, with ReLU and without."""
        for batch, channels, length in ((2, 5, 30), (1, 1, 1), (3, 4, 1024), (1, 3, 2500)):
            x = _draw(batch, channels, length)
            packed = moments(statistics(x), *_state(4, channels))
            for relu in (False, True):
                yield f"{batch} x {channels} x {length}{', ReLU' if relu else ''}", (x, statistics(x), packed, relu)
        for label, x in (
            ("empty batch", _draw(0, 3, 8)),
            ("every other position", _draw(2, 3, 64)[:, :, ::2]),
            ("channels last", _draw(2, 30, 5).transpose(1, 2)),
            ("mean 1000", _draw(2, 3, 65, offset=1000.0)),
        ):
            yield label, (x, statistics(x), moments(statistics(x), *_state(4, x.shape[1])))


class UpdateKernel(_UnMixKernel):
    """The components' step, summed over a batch in a fixed order: no atomics. See `update`."""

    op, step, twin = "unmix-update", update, "update"

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield batches and components of many sizes, by rate and by horizon, frozen and gated."""
        pace = torch.tensor([1.0, 0.1])
        for batch, channels, components in ((4, 8, 16), (1, 1, 1), (33, 130, 2), (2, 33, 20)):
            seen, state = _seen(batch, channels), _state(components, channels)
            packed = moments(seen, *state)
            label = f"{batch} clips, {channels} channels, {components} components"
            yield label, (seen, packed, None, *state, None, pace)
            yield f"{label}, horizon", (seen, packed, None, *state, torch.full((components,), 3.0), pace, 5.0)
        seen, state = _seen(5, 6), _state(4, 6)
        packed, gate = moments(seen, *state), torch.tensor([True, False, True, False, True])
        yield "gated", (seen, packed, gate, *state, None, pace)
        yield "all shut out", (seen, packed, gate & False, *state, torch.full((4,), 3.0), pace, 5.0)
        yield "frozen", (seen, packed, None, *state, torch.full((4,), 3.0), torch.tensor([0.0, 0.1]), 5.0)
        yield "empty batch", (_seen(0, 6), moments(_seen(0, 6), *state), None, *state, None, pace)
        means, rest, variances = (s[:, ::2] for s in _state(4, 12))
        packed = moments(seen, means, rest, variances)
        yield "not contiguous", (seen, packed, None, means, rest, variances, None, pace)


class LayerKernel:
    """The whole layer in one call, for one thread of a CPU. See `layer`; the state given is not changed here."""

    op = "unmix-layer"
    tolerance = 2e-5

    def reference(self, *arguments: Any) -> Tensor:
        """Compute in plain torch."""
        return layer(*arguments)

    def accelerated(self, x: Tensor, gate: Tensor | None, *rest: Any) -> Tensor:
        """Compute by numba, on copies of the state."""
        from ossicle_unmix_tns import kernels_numba

        state = [None if s is None else s.clone(memory_format=torch.contiguous_format) for s in rest[:4]]
        y = kernels_numba.run(x, gate, kernels_numba.views(*state, *rest[4:6], channels=x.shape[1]), *rest[6:])
        state[3] = torch.zeros(len(rest[0])) if state[3] is None else state[3]
        return torch.cat([part.flatten() for part in (y, *state) if part is not None])

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs: on CPUs in float32, where numba is installed (librosa brings it)."""
        return device == "cpu" and dtype == "float32" and importlib.util.find_spec("numba") is not None

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield inputs and components of many sizes, by rate and by horizon, frozen, gated, without affine."""
        by_rate, by_horizon = (True, 0.1, 1.0, 0.07, 1e-5, False), (True, 0.0, 5.0, 0.5, 1e-3, True)
        for batch, channels, length, components in ((4, 8, 30, 16), (1, 1, 1, 1), (3, 33, 65, 2), (2, 5, 9000, 20)):
            affine = (_draw(channels, seed=5), _draw(channels, seed=6))
            x, state = _draw(batch, channels, length), _state(components, channels)
            label = f"{batch} x {channels} x {length}, {components} components"
            yield label, (x, None, *state, None, *affine, *by_rate)
            yield f"{label}, horizon", (x, None, *state, torch.full((components,), 3.0), *affine, *by_horizon)
        x, state, gate = _draw(5, 6, 16), _state(4, 6), torch.tensor([True, False, True, False, True])
        yield "gated, no affine", (x, gate, *state, None, None, None, *by_rate)
        yield "no scale", (x, None, *state, None, None, _draw(6), *by_rate)
        yield "frozen", (x, None, *state, torch.full((4,), 3.0), None, None, False, *by_horizon[1:])
        yield "mean 1000", (x + 1000, None, *_state(4, 6, 1000.0), None, None, None, *by_rate)
        yield "empty batch", (x[:0], None, *state, None, None, None, *by_rate)
        strided = tuple(s[:, ::2] for s in _state(4, 12))
        yield "not contiguous", (_draw(2, 6, 64)[:, :, ::2], None, *strided, None, None, None, *by_rate)
