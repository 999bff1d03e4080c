"""Mixup of inputs and labels in one pass: the kernel component of `ossicle_semisup.mixing.mixup`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ossicle_semisup.kernels.choice import chosen, on_cuda
from ossicle_semisup.mixing import mixup


def mix(x: Tensor, y: Tensor, lam: Tensor | float, permutation: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `ossicle_semisup.mixing.mixup` does, by whatever is fastest here."""
    return chosen(MixupKernel.op, x, mixup)(x, y, lam, permutation)


class MixupKernel:
    """An example, its partner and its weight are read once, the mixture is written once; labels likewise, in one launch.

    Arguments and results: `ossicle_semisup.mixing.mixup`. Images keep their memory layout.
    """

    op = "mixup-gather"
    tolerance = 1e-6

    def reference(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        """Compute in plain torch."""
        return mixup(*arguments)

    def accelerated(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        """Compute by the Triton kernel."""
        from ossicle_semisup.kernels.mixup_triton import fused_mixup

        return fused_mixup(*arguments)

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs: on CUDA in float32, where Triton is installed."""
        return on_cuda(device, dtype, "float32")

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield arguments over images, waveforms and features, and shapes that are easily got wrong."""
        draw = torch.Generator().manual_seed(0)

        def batch(rows: int, *shape: int, classes: int = 10) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            x, y = torch.randn(rows, *shape, generator=draw), torch.rand(rows, classes, generator=draw)
            return x, y, torch.rand(rows, generator=draw), torch.randperm(rows, generator=draw)

        yield "log-mels", batch(12, 1, 64, 44)
        yield "waveforms of an odd length", batch(7, 1001)
        yield "features", batch(6, 128, classes=35)
        x, y, lam, partners = batch(6, 3, 16, 25)
        yield "channels last", (x.contiguous(memory_format=torch.channels_last), y, lam, partners)
        yield "one weight for all", (x, y, 0.7, partners)
        yield "partners that serve twice", (x, y, lam, torch.tensor([0, 0, 5, 5, 2, 2]))
        yield "one row", batch(1, 1, 8, 8)
        yield "no rows", batch(0, 1, 8, 8)
        yield "no labels", batch(5, 1, 8, 8, classes=0)
        x, y, lam, partners = batch(10, 1, 16, 33, classes=8)
        yield "not contiguous", (x[::2, :, :, ::3], y[::2, ::2], lam[::2], torch.tensor([4, 3, 2, 1, 0]))
        yield "long, many classes", batch(3, 1, 64, 431, classes=1200)
