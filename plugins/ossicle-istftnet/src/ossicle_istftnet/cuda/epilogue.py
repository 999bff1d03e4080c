"""What stands between two convolutions of a residual block: bias, skip, mean of the blocks, activation, true end.

The plain reference, and the kernel component that pairs it with its Triton twin.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu


def epilogue(
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
    """Return leaky_relu(s), stacked after s itself where `keep`, for s = (y + bias + residual + addend) * factor.

    Parameters
    ----------
    y, residual, addend
        (B, C, T), all of one dtype; sums are formed in float32.
    bias
        (C,), any dtype.
    factor
        Such as one over the number of blocks whose mean this ends.
    slope
        Of the leaky ReLU; 1 leaves s as it is.
    keep
        Give (2, B, C, T), s first, instead of (1, B, C, T).
    frames
        One int32, or None: samples from ``frames * rate`` on are zero, as a convolution takes what lies past the end.
    """
    total = y.float()
    if bias is not None:
        total = total + bias.float()[:, None]
    for other in (residual, addend):
        if other is not None:
            total = total + other.float()
    total = total * factor
    if frames is not None:
        total = torch.where(torch.arange(y.shape[2], device=y.device) < frames * rate, total, 0.0)
    active = leaky_relu(total, slope)
    return torch.stack([total, active] if keep else [active]).to(y.dtype)


class ResidualEpilogueKernel:
    """Bias, skip, mean, activation and true end in one pass over memory. Arguments and result: `epilogue`."""

    op = "residual-epilogue"
    tolerance = 1e-6

    def reference(self, *arguments: Any) -> Tensor:
        """Compute in plain torch."""
        return epilogue(*arguments)

    def accelerated(self, *arguments: Any) -> Tensor:
        """Compute by the Triton kernel."""
        from ossicle_istftnet.cuda.epilogue_triton import fused_epilogue

        return fused_epilogue(*arguments)

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs: on CUDA, where Triton is installed."""
        known = dtype in ("float32", "bfloat16", "float16")
        return device == "cuda" and known and importlib.util.find_spec("triton") is not None

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield arguments over what a generator asks for, in both memory layouts, and shapes that are easily got wrong."""
        draw = torch.Generator().manual_seed(0)

        def block(*shape: int, last: bool = False) -> Tensor:
            x = torch.randn(*shape, generator=draw)
            return x.transpose(1, 2).contiguous().transpose(1, 2) if last else x

        for last in (False, True):
            where = "channels last" if last else "channels first"
            y, r, a = (block(2, 24, 700, last=last) for _ in range(3))
            bias, end = torch.randn(24, generator=draw), torch.tensor([40], dtype=torch.int32)
            yield f"after a first convolution, {where}", (y, bias, None, None, 1.0, 0.1)
            yield f"after a second one, {where}", (y, bias, r, None, 1.0, 0.1, True)
            yield f"after the last one, {where}", (y, bias, r, a, 1 / 3, 0.01)
            yield f"past the end, {where}", (y, bias, r, a, 1 / 3, 0.1, True, end, 8)
        yield "no bias, end on the edge", (block(1, 8, 64), None, None, None, 1.0, 0.1, True, end, 2)
        yield "one sample", (block(1, 8, 1), torch.ones(8), block(1, 8, 1), None, 1.0, 0.1, True)
        yield "empty batch", (block(0, 8, 9), torch.ones(8), None, None, 1.0, 0.1, True)
        yield "layouts differ", (block(2, 8, 33), None, block(2, 8, 33, last=True), None, 1.0, 0.1)
        yield "not contiguous", (block(2, 8, 66)[:, :, ::2], torch.ones(8), None, None, 1.0, 0.1, True)
