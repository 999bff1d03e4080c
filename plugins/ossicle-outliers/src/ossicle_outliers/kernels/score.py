"""The scores of a reconstruction as a kernel component: every target's bias and the uncertainty in one pass."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ossicle_outliers.scores import plain_scores


class ReconstructionScoreKernel:
    """Bias against rows shifted 0, 1, 2, 3 times and the uncertainty; mean and raw variance are read once.

    Arguments are mean and raw (n, d), raw None for a plain autoencoder, targets (m, n, d) and the variance floor; the
    result is (m + 1, n): sum_j (mean_j - t_j)^2 / v_j for each target, then sum_j ln v_j, with v = softplus(raw) + floor.
    """

    op = "reconstruction-score"
    tolerance = 1e-5

    def reference(self, mean: Tensor, raw: Tensor | None, targets: Tensor, floor: float) -> Tensor:
        """Compute in plain torch."""
        return plain_scores(mean, raw, targets, floor)

    def accelerated(self, mean: Tensor, raw: Tensor | None, targets: Tensor, floor: float) -> Tensor:
        """Compute by the Triton kernel."""
        from ossicle_outliers.kernels.score_triton import fused_scores

        return fused_scores(mean, raw, targets, floor)

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs: on CUDA, where Triton is installed."""
        known = dtype in ("float32", "float64")
        return device == "cuda" and known and importlib.util.find_spec("triton") is not None

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield arguments over kinds of network, counts of targets and shapes that are easily got wrong."""
        draw = torch.Generator().manual_seed(0)

        def arguments(n: int, d: int, m: int, spread: float = 1.0) -> tuple[Tensor, Tensor, Tensor, float]:
            mean, raw = (torch.randn(n, d, generator=draw) for _ in range(2))
            return mean, spread * raw, torch.randn(m, n, d, generator=draw), 0.3

        for m in (1, 2, 3, 4, 5):
            yield f"{m} targets", arguments(37, 9, m)
        for d in (1, 32, 130):
            yield f"{d} columns", arguments(10, d, 4)
        mean, raw, targets, _ = arguments(33, 12, 4, spread=12.0)
        yield "variances at a low floor", (mean, raw, targets, 1e-5)
        yield "no variance", (mean, None, targets, 0.3)
        yield "in float64", (mean.double(), raw.double(), targets.double(), 1e-5)
        yield "no row", arguments(0, 5, 2)
        wide, wide_raw, wide_targets, floor = arguments(8, 40, 3)
        yield "halves of one output", (wide[:, :20], wide[:, 20:], wide_targets[..., ::2], floor)
        yield "one row, one column", (wide_raw[:1, :1], None, wide_targets[:, :1, :1], floor)
