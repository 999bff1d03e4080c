"""Residual blocks in int8: bytes into oneDNN's convolutions, bfloat16 out of them, the residual path in float32.

Activations are unsigned bytes with one scale and zero a layer, from calibration; weights are signed bytes with a scale an
output channel. Source: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference" (CVPR 2018), section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from ossicle_istftnet.blocks import SLOPE, ResBlock1
from ossicle_istftnet.cpu.threads import compiler_installed, kernel_threads
from ossicle_istftnet.generator import Generator

_SLOPE = np.float32(SLOPE)
_NONE = np.empty((0, 0), np.uint16)


def usable() -> bool:
    """Return whether this torch has the calls and the quantizing kernel's compiler is installed."""
    there = hasattr(torch.ops.onednn, "qconv_prepack") and hasattr(torch.ops.onednn, "qconv2d_pointwise")
    return there and torch.backends.mkldnn.is_available() and compiler_installed() and _bytes_to_halves()


@lru_cache(maxsize=1)
def _bytes_to_halves() -> bool:
    # No attribute tells which pairs of types oneDNN has on this processor.
    try:
        with torch.random.fork_rng(devices=[]), kernel_threads():
            QuantizedConvolution(nn.Conv1d(16, 16, 3, padding=1), Range(1.0, 0))(np.zeros((8, 16), np.float32))
    except RuntimeError:
        return False
    return True


@dataclass(frozen=True)
class Range:
    """What a layer's inputs become: value = (byte - zero) * scale."""

    scale: float
    zero: int

    @classmethod
    def covering(cls, low: float, high: float) -> Range:
        """Return the range of 256 steps that covers [low, high] and keeps zero exact."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max(high - low, 1e-8) / 255
        return cls(scale, round(-low / scale))


class QuantizedConvolution:
    """A convolution of (T, C) rows whose inputs are quantized on the way in."""

    def __init__(self, conv: nn.Conv1d, inputs: Range) -> None:
        from ossicle_istftnet.cpu import int8_kernel

        self._kernel = int8_kernel
        assert conv.bias is not None
        weight = conv.weight.detach().float()
        self._scales = weight.abs().amax((1, 2)).clamp(min=1e-12) / 127
        quantized = (weight / self._scales[:, None, None]).round().to(torch.int8)[:, :, None]
        self._zeros = torch.zeros(len(weight), dtype=torch.int)
        self._bias = conv.bias.detach().float()
        self._inputs = inputs
        self._padding = int(conv.padding[0])
        self._geometry = ([1, 1], [0, 0], [1, int(conv.dilation[0])], 1)
        self._weight = torch.ops.onednn.qconv_prepack(
            quantized, self._scales, inputs.scale, inputs.zero, *self._geometry, None
        )

    def __call__(self, x: np.ndarray, addend: np.ndarray | None = None) -> np.ndarray:
        """Return conv(act(x)), (T, C') halves of (T, C).

        x is float32, to which an addend of halves is added first, and stays in it; or it is halves: bfloat16 as uint16.
        """
        count, channels = x.shape
        data = np.empty((count + 2 * self._padding, channels), np.uint8)
        scaling = _SLOPE, np.float32(1 / self._inputs.scale), np.float32(self._inputs.zero), self._padding, data
        if x.dtype == np.uint16:
            self._kernel.quantize_half(x, *scaling)
        else:
            self._kernel.quantize(x, _NONE if addend is None else addend, addend is not None, *scaling)
        # (T, C) rows are a channels-last image of one line.
        image = torch.from_numpy(data)[None, None].permute(0, 3, 1, 2)
        out = torch.ops.onednn.qconv2d_pointwise(
            image, self._inputs.scale, self._inputs.zero, self._weight, self._scales, self._zeros, self._bias,
            *self._geometry, 1.0, 0, torch.bfloat16, "none", [], "",
        )  # fmt: skip
        return out.permute(0, 2, 3, 1).reshape(count, -1).view(torch.int16).numpy().view(np.uint16)


class Int8Stage:
    """The residual blocks of one stage, (B, C, t) to (B, C, t)."""

    def __init__(self, blocks: nn.ModuleList, ranges: Sequence[Sequence[Range]]) -> None:
        from ossicle_istftnet.cpu import int8_kernel

        self._add = int8_kernel.add
        self._blocks = [
            [QuantizedConvolution(conv, found) for conv, found in zip(convolutions(block), of_block, strict=True)]
            for block, of_block in zip(blocks, ranges, strict=True)
        ]
        self._paired = isinstance(blocks[0], ResBlock1)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the mean of the residual blocks."""
        with kernel_threads():
            return torch.stack([self._one(row) for row in x])

    def _one(self, x: Tensor) -> Tensor:
        source = np.ascontiguousarray(x.T.float().numpy())
        total = np.zeros_like(source)
        step = 2 if self._paired else 1
        for layers in self._blocks:
            held, y = source.copy(), None
            for index in range(0, len(layers), step):
                y = layers[index](held, y)
                if self._paired:
                    y = layers[index + 1](y)
            self._add(total, held, y)
        return torch.from_numpy(total).T / len(self._blocks)


def convolutions(block: nn.Module) -> list[nn.Conv1d]:
    """Return a block's convolutions in the order they run."""
    if isinstance(block, ResBlock1):
        return [conv for pair in zip(block.convs1, block.convs2, strict=True) for conv in pair]  # type: ignore[misc]
    return list(block.convs)  # type: ignore[arg-type]


@torch.no_grad()
def calibrate(generator: Generator, mels: Tensor) -> list[list[list[Range]]]:
    """Return the input range of every convolution, by stage and block, on calibration mels (B, M, T)."""
    seen: dict[nn.Module, Range] = {}

    def look(conv: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0]
        seen[conv] = Range.covering(float(values.min()), float(values.max()))

    blocks = [list(generator.blocks(stage)) for stage in range(len(generator.ups))]
    hooks = [c.register_forward_pre_hook(look) for stage in blocks for b in stage for c in convolutions(b)]
    try:
        generator.channels(mels)
    finally:
        for hook in hooks:
            hook.remove()
    return [[[seen[conv] for conv in convolutions(block)] for block in stage] for stage in blocks]
