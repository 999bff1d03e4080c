"""The fused head as a kernel component: the plain reference, the Triton twin, and the grid they are compared on."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ossicle_istftnet.head import istft_head


class ISTFTHeadKernel:
    """Channels to samples: exp, sine, inverse real DFT and overlap-add.

    Arguments are channels (B, n_fft + 2, F) in float32, n_fft and hop; the result is (B, (F - 1) * hop) samples.
    """

    op = "istft-head"
    tolerance = 1e-5
    """Largest absolute difference on samples of order one."""

    def reference(self, x: Tensor, n_fft: int, hop: int) -> Tensor:
        """Compute in plain torch, complex numbers and torch.istft."""
        return istft_head(x, n_fft, hop)

    def accelerated(self, x: Tensor, n_fft: int, hop: int) -> Tensor:
        """Compute by the Triton kernel."""
        from ossicle_istftnet.head_triton import fused_head

        return fused_head(x, n_fft, hop)

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs: on CUDA in float32, where Triton is installed."""
        return device == "cuda" and dtype == "float32" and importlib.util.find_spec("triton") is not None

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield arguments over every inverse STFT of the published variants and shapes that are easily got wrong."""
        draw = torch.Generator().manual_seed(0)

        def channels(batch: int, n_fft: int, frames: int) -> Tensor:
            x = torch.randn(batch, n_fft + 2, frames, generator=draw)
            # Random phases add up as the root of their number: this keeps samples of order one at every size.
            x[:, : n_fft // 2 + 1] = 0.5 * x[:, : n_fft // 2 + 1] + 0.5 * math.log(n_fft) - 1.0
            return x

        for n_fft, hop in ((16, 4), (8, 2), (60, 15), (20, 5), (128, 32), (16, 8), (18, 5)):
            yield f"{n_fft}/{hop}, 33 frames", (channels(2, n_fft, 33), n_fft, hop)
        yield "1024/256, 5 frames", (channels(1, 1024, 5), 1024, 256)
        for frames in (2, 3, 7, 200):
            yield f"16/4, {frames} frames", (channels(1, 16, frames), 16, 4)
        yield "one frame, no sample", (channels(1, 16, 1), 16, 4)
        yield "empty batch", (channels(0, 16, 9), 16, 4)
        yield "frames not contiguous", (channels(2, 16, 66)[:, :, ::2], 16, 4)
        yield "channels last", (channels(2, 16, 33).transpose(1, 2).contiguous().transpose(1, 2), 16, 4)
