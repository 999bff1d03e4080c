"""The joint loss in Triton: a program reads a row's logits and target once, and writes its loss and its gradient.

Only this module imports Triton here, and only the kernel component imports this module.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable


@triton.jit
def _loss(
    logits_x_ptr,
    target_x_ptr,
    logits_u_ptr,
    target_u_ptr,
    mask_ptr,
    counted_ptr,
    row_ptr,
    gradient_ptr,
    labeled,
    unlabeled,
    classes,
    stride_logits_x,
    step_logits_x,
    stride_target_x,
    step_target_x,
    stride_logits_u,
    step_logits_u,
    stride_target_u,
    step_target_u,
    MASK: tl.constexpr,
    COUNTED: tl.constexpr,
    BRIER: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK)
    inside = c < classes
    # All of the logits' type, so that nothing is rounded on the way to float64.
    kind = logits_x_ptr.dtype.element_ty
    share = tl.full((), 1.0, kind)
    count = share
    is_labeled = row < labeled
    if is_labeled:
        logits = tl.load(logits_x_ptr + row * stride_logits_x + c * step_logits_x, mask=inside, other=float("-inf"))
        target = tl.load(target_x_ptr + row * stride_target_x + c * step_target_x, mask=inside, other=0.0).to(kind)
        count = share * labeled
    else:
        at = row - labeled
        logits = tl.load(logits_u_ptr + at * stride_logits_u + c * step_logits_u, mask=inside, other=float("-inf"))
        target = tl.load(target_u_ptr + at * stride_target_u + c * step_target_u, mask=inside, other=0.0).to(kind)
        count = share * unlabeled
        if COUNTED:
            count = tl.load(counted_ptr).to(kind)
        if MASK:
            share = tl.load(mask_ptr + at).to(kind)
    shifted = logits - tl.max(logits, 0)
    log_p = tl.where(inside, shifted - tl.log(tl.sum(tl.exp(shifted), 0)), 0.0)
    p = tl.where(inside, tl.exp(log_p), 0.0)
    loss = -tl.sum(target * log_p, 0)
    gradient = p * tl.sum(target, 0) - target
    if BRIER:
        far = p - target
        slope = 2.0 * far / classes
        loss = tl.where(is_labeled, loss, tl.sum(far * far, 0) / classes)
        gradient = tl.where(is_labeled, gradient, p * (slope - tl.sum(slope * p, 0)))
    tl.store(row_ptr + row, loss * share)
    tl.store(gradient_ptr + row * classes + c, gradient * share / count, mask=inside)


class _JointLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits_x: Tensor,
        target_x: Tensor,
        logits_u: Tensor,
        target_u: Tensor,
        mask: Tensor | None,
        counted: Tensor | None,
        squared: bool,
    ) -> tuple[Tensor, Tensor]:
        (labeled, classes), unlabeled = logits_x.shape, len(logits_u)
        rows = logits_x.new_empty(labeled + unlabeled)
        gradient = logits_x.new_empty(labeled + unlabeled, classes)
        if len(rows):
            _loss[(len(rows),)](
                logits_x,
                target_x,
                logits_u,
                target_u,
                rows if mask is None else mask.contiguous(),
                rows if counted is None else counted,
                rows,
                gradient,
                labeled,
                unlabeled,
                classes,
                *logits_x.stride(),
                *target_x.stride(),
                *logits_u.stride(),
                *target_u.stride(),
                MASK=mask is not None,
                COUNTED=counted is not None,
                BRIER=squared,
                BLOCK=triton.next_power_of_2(classes),
            )
        ctx.save_for_backward(gradient)
        ctx.labeled = labeled
        loss_x, of_u = rows[:labeled].mean(), rows[labeled:]
        return loss_x, of_u.mean() if counted is None else of_u.sum() / counted

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_x: Tensor, of_u: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient[: ctx.labeled] * of_x, None, gradient[ctx.labeled :] * of_u, None, None, None, None


def fused_loss(
    logits_x: Tensor,
    target_x: Tensor,
    logits_u: Tensor,
    target_u: Tensor,
    mask: Tensor | None = None,
    counted: Tensor | None = None,
    distance: str = "cross-entropy",
) -> tuple[Tensor, Tensor]:
    """Return what `ossicle_semisup.kernels.loss.joint_loss` returns, of float32 or float64 of any strides."""
    return _JointLoss.apply(logits_x, target_x, logits_u, target_u, mask, counted, distance == "brier")
