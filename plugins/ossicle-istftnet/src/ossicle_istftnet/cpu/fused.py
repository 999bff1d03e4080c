"""Residual blocks with activation and addition inside oneDNN's convolutions, channels last, in float32 or bfloat16.

oneDNN has one call for a convolution with its activation, and one with the residual added: torch's compiler emits them, and
they are called here directly, which costs no compilation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from ossicle_istftnet.blocks import SLOPE, ResBlock1


def usable(dtype: torch.dtype) -> bool:
    """Return whether this torch has the calls, and this processor multiplies the type natively."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return False
    if dtype == torch.float32:
        return True
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return dtype == torch.bfloat16 and any(getattr(torch.cpu, check, lambda: False)() for check in checks)


class FusedConvolution:
    """A convolution over (B, C, 1, t), channels last."""

    def __init__(self, conv: nn.Conv1d, dtype: torch.dtype) -> None:
        assert conv.bias is not None
        weight = conv.weight.detach().to(dtype)[:, :, None]
        self._weight = weight.contiguous(memory_format=torch.channels_last)
        self._bias = conv.bias.detach().to(dtype)
        self._geometry = ([0, int(conv.padding[0])], [1, 1], [1, int(conv.dilation[0])], 1)

    def activated(self, x: Tensor) -> Tensor:
        """Return leaky_relu(conv(x))."""
        return torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, *self._geometry, "leaky_relu", [SLOPE], ""
        )

    def added(self, x: Tensor, residual: Tensor) -> Tensor:
        """Return conv(x) + residual."""
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x, residual, self._weight, self._bias, *self._geometry, "add", 1.0, None, [], None
        )


class FusedStage:
    """The residual blocks of one stage, (B, C, t) to (B, C, t)."""

    def __init__(self, blocks: nn.ModuleList, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._blocks = [_convolutions(block, dtype) for block in blocks]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the mean of the residual blocks."""
        x = x.to(self._dtype)[:, :, None].contiguous(memory_format=torch.channels_last)
        active = leaky_relu(x, SLOPE)
        total: Tensor | None = None
        for pairs in self._blocks:
            held, ready = x, active
            for index, (first, second) in enumerate(pairs):
                if index:
                    ready = leaky_relu(held, SLOPE)
                held = first.added(ready, held) if second is None else second.added(first.activated(ready), held)
            total = held if total is None else total.add_(held)
        assert total is not None
        return total.div_(len(self._blocks))[:, :, 0]


def _convolutions(block: nn.Module, dtype: torch.dtype) -> list[tuple[FusedConvolution, FusedConvolution | None]]:
    def fused(conv: nn.Module) -> FusedConvolution:
        assert isinstance(conv, nn.Conv1d)
        return FusedConvolution(conv, dtype)

    if isinstance(block, ResBlock1):
        return [(fused(a), fused(b)) for a, b in zip(block.convs1, block.convs2, strict=True)]
    return [(fused(conv), None) for conv in block.convs]  # type: ignore[union-attr]
