"""Residual blocks in exact float32 with half the multiplications (`ossicle_istftnet.cpu.winograd_kernel`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ossicle_istftnet.blocks import SLOPE, ResBlock1
from ossicle_istftnet.cpu.threads import compiler_installed, kernel_threads
from ossicle_istftnet.generator import Generator

_ONE, _SLOPE = np.float32(1.0), np.float32(SLOPE)
_TILES = {256: 256, 128: 128}
"""Tiles at once by channels: few enough for the cache, many enough for the matrix product; 64 otherwise."""


def wanted(generator: Generator, stage: int) -> bool:
    """Return whether a stage gains: pairs of convolutions over channels that are many and fill the kernel's strips.

    Below 128 channels plain convolutions are as fast, and blocks of type 2 have kernels that waste taps.
    """
    channels = int(generator.ups[stage].bias.shape[0])  # type: ignore[index]
    return generator.config.resblock == "1" and channels >= 128 and channels % 32 == 0


class Rows:
    """A convolution of (T + 1, C) rows, its weights transformed once."""

    def __init__(self, conv: nn.Conv1d) -> None:
        from ossicle_istftnet.cpu import winograd_kernel as kernel

        self._kernel = kernel.convolve_rows
        outputs, inputs, size = conv.weight.shape
        groups = -(-size // kernel.TAPS)
        taps = np.zeros((outputs, inputs, groups * kernel.TAPS))
        taps[:, :, :size] = conv.weight.detach().double().numpy()
        transformed = np.einsum("pt,ocjt->pjco", kernel.WEIGHT, taps.reshape(outputs, inputs, groups, kernel.TAPS))
        self._weight = np.ascontiguousarray(transformed.reshape(kernel.POINTS, groups * inputs, outputs), np.float32)
        assert conv.bias is not None
        self._bias = conv.bias.detach().float().numpy().copy()
        self._dilation, self._padding = int(conv.dilation[0]), int(conv.padding[0])
        self._tiles = _TILES.get(inputs, 64)

    def __call__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        *,
        slope_in: np.float32 = _ONE,
        slope_out: np.float32 = _ONE,
        residual: np.ndarray | None = None,
    ) -> None:
        """Write y = act(conv(act(x))) + residual."""
        add = residual is not None
        self._kernel(
            x, self._weight, self._bias, self._dilation, self._padding, slope_in, slope_out,
            residual if residual is not None else y, add, y, self._tiles,
        )  # fmt: skip


class WinogradStage:
    """The residual blocks of one stage, (B, C, t) to (B, C, t)."""

    def __init__(self, blocks: nn.ModuleList) -> None:
        self._blocks = [_convolutions(block) for block in blocks]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the mean of the residual blocks."""
        with kernel_threads():
            return torch.stack([self._one(row) for row in x])

    def _one(self, x: Tensor) -> Tensor:
        channels, count = x.shape
        source = _with_zero_row(x)
        between, y = np.zeros_like(source), np.zeros_like(source)
        total = torch.zeros(count, channels)
        for pairs in self._blocks:
            held = source
            for first, second in pairs:
                if second is None:
                    # In place would spoil the rows that other tiles still read.
                    out = between if held is y else y
                    first(held, out, slope_in=_SLOPE, residual=held)
                    held = out
                else:
                    first(held, between, slope_in=_SLOPE, slope_out=_SLOPE)
                    second(between, y, residual=held)
                    held = y
            total += torch.from_numpy(held)[:-1]
        return (total / len(self._blocks)).T


def _with_zero_row(x: Tensor) -> np.ndarray:
    rows = np.zeros((x.shape[1] + 1, x.shape[0]), np.float32)
    torch.from_numpy(rows)[:-1] = x.T
    return rows


def _convolutions(block: nn.Module) -> list[tuple[Rows, Rows | None]]:
    if isinstance(block, ResBlock1):
        return [(Rows(a), Rows(b)) for a, b in zip(block.convs1, block.convs2, strict=True)]  # type: ignore[arg-type]
    return [(Rows(conv), None) for conv in block.convs]  # type: ignore[union-attr]


class DilatedConvolutionKernel:
    """One dilated convolution, with the activations and the addition that residual blocks put around it.

    Arguments are samples (B, C, T) in float32, weights (C', C, k), a bias (C',) and a dilation; the result is
    leaky_relu(conv(leaky_relu(x))), (B, C', T).
    """

    op = "dilated-convolution"
    tolerance = 2e-5
    """Largest absolute difference on values of order one: the transforms cost a digit that residual sums win back."""

    def reference(self, x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
        """Compute in plain torch."""
        padding = dilation * (weight.shape[2] - 1) // 2
        y = nn.functional.conv1d(nn.functional.leaky_relu(x, SLOPE), weight, bias, 1, padding, dilation)
        return nn.functional.leaky_relu(y, SLOPE)

    def accelerated(self, x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
        """Compute over rows with Toom-Cook F(4, 4)."""
        outputs, inputs, size = weight.shape
        conv = nn.Conv1d(inputs, outputs, size, dilation=dilation, padding=dilation * (size - 1) // 2, device="meta")
        conv.weight, conv.bias = nn.Parameter(weight, False), nn.Parameter(bias, False)
        rows, out = Rows(conv), x.new_zeros(x.shape[0], outputs, x.shape[2])
        for source, target in zip(x, out, strict=True):
            y = np.zeros((x.shape[2] + 1, outputs), np.float32)
            with kernel_threads():
                rows(_with_zero_row(source), y, slope_in=_SLOPE, slope_out=_SLOPE)
            target.copy_(torch.from_numpy(y)[:-1].T)
        return out

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs: on CPUs in float32, where numba is installed."""
        return device == "cpu" and dtype == "float32" and compiler_installed()

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield arguments over the published kernels and dilations, and lengths that are easily got wrong."""
        draw = torch.Generator().manual_seed(0)

        def arguments(size: int, dilation: int, length: int, batch: int = 1) -> tuple[Any, ...]:
            weight = torch.randn(32, 32, size, generator=draw) / (32 * size) ** 0.5
            return torch.randn(batch, 32, length, generator=draw), weight, torch.randn(32, generator=draw), dilation

        for size in (3, 5, 7, 11):
            for dilation in (1, 3, 5, 12):
                yield f"kernel {size}, dilation {dilation}", arguments(size, dilation, 700)
        for length in (1, 2, 5, 64, 65):
            yield f"{length} samples", arguments(11, 5, length)
        yield "two in a batch", arguments(7, 3, 100, batch=2)
        yield "empty batch", arguments(3, 1, 9, batch=0)
        x, *rest = arguments(3, 1, 200)
        yield "samples not contiguous", (x[:, :, ::2], *rest)
