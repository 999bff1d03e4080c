"""The loss of labelled and unlabelled rows, with its gradient in the same pass.

The plain reference, and the kernel component that pairs it with its Triton twin.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor

from ossicle_semisup.kernels.choice import chosen, on_cuda
from ossicle_semisup.probability import brier, cross_entropy

Distance = Literal["cross-entropy", "brier"]


def joint_loss(
    logits_x: Tensor,
    target_x: Tensor,
    logits_u: Tensor,
    target_u: Tensor,
    mask: Tensor | None = None,
    counted: Tensor | None = None,
    distance: Distance = "cross-entropy",
) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy of labelled rows, and the mean distance of unlabelled ones from their targets.

    No gradient flows into targets, mask or counted.

    Parameters
    ----------
    logits_x, target_x
        (B, K), probabilities in the target.
    logits_u, target_u
        (U, K).
    mask
        (U,): how much each unlabelled row counts; None: 1.
    counted
        What the masked sum is divided by, a scalar; None: U, however many count.
    distance
        Of unlabelled rows; see `ossicle_semisup.probability`.
    """
    loss_x = cross_entropy(logits_x, target_x.detach()).mean()
    rows = (brier if distance == "brier" else cross_entropy)(logits_u, target_u.detach())
    if mask is None and counted is None:
        return loss_x, rows.mean()
    rows = rows if mask is None else mask.detach() * rows
    return loss_x, rows.sum() / (float(len(rows)) if counted is None else counted.detach())


def losses(logits_x: Tensor, *arguments: Any, **settings: Any) -> tuple[Tensor, Tensor]:
    """Return what `joint_loss` does, by whatever is fastest here."""
    return chosen(LossKernel.op, logits_x, joint_loss)(logits_x, *arguments, **settings)


class LossKernel:
    """Log-softmax, both losses and the gradient of the logits in one pass, a program a row.

    Arguments and results: `joint_loss`. The gradient can be taken once.
    """

    op = "ssl-loss"
    tolerance = 2e-6

    def reference(self, *arguments: Any, **settings: Any) -> tuple[Tensor, Tensor]:
        """Compute in plain torch."""
        return joint_loss(*arguments, **settings)

    def accelerated(self, *arguments: Any, **settings: Any) -> tuple[Tensor, Tensor]:
        """Compute by the Triton kernel."""
        from ossicle_semisup.kernels.loss_triton import fused_loss

        return fused_loss(*arguments, **settings)

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs: on CUDA in float32 or float64, where Triton is installed."""
        return on_cuda(device, dtype, "float32", "float64")

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield arguments over what the methods ask for, and shapes that are easily got wrong; logits want a gradient."""
        draw = torch.Generator().manual_seed(0)

        def rows(count: int, classes: int = 10, scale: float = 3.0) -> tuple[Tensor, Tensor]:
            logits = scale * torch.randn(count, classes, generator=draw)
            return logits.requires_grad_(), torch.softmax(torch.randn(count, classes, generator=draw), dim=1)

        def mask(count: int) -> Tensor:
            return (torch.rand(count, generator=draw) > 0.5).float()

        yield "MixMatch: soft targets", (*rows(6), *rows(12))
        yield "MixMatch as published: squared distance", (*rows(6), *rows(12), None, None, "brier")
        yield "FixMatch: masked", (*rows(6), *rows(6), mask(6))
        yield "masked, divided by those that count", (*rows(5), *rows(9), mask(9), torch.tensor(4.0))
        yield "none counts", (*rows(3), *rows(3), torch.zeros(3), torch.tensor(1.0))
        yield "squared distance, masked, 35 classes", (*rows(3, 35), *rows(7, 35), mask(7), None, "brier")
        yield "one row of each", (*rows(1), *rows(1))
        yield "one class", (*rows(5, 1), *rows(3, 1), None, None, "brier")
        yield "no unlabelled rows", (*rows(6), *rows(0), torch.ones(0), torch.tensor(1.0))
        yield "far apart", (*rows(4, scale=100.0), *rows(4, scale=100.0), None, None, "brier")
        logits, target = rows(12, 20)
        logits = logits.detach()
        yield (
            "parts of one batch, not contiguous",
            (
                logits[:4, ::2].requires_grad_(),
                target[:4, ::2],
                logits[4:, ::2].requires_grad_(),
                target[4:, ::2],
                mask(16)[::2],
            ),
        )
        yield "many classes", (*rows(4, 527), *rows(6, 527), mask(6))
