"""Guesses in Triton: a program reads a row of every view once and writes all that the methods want of it.

Only this module imports Triton here, and only the kernel component imports this module.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ossicle_semisup.kernels.guess import EPSILON, Guess


@triton.jit
def _guess(
    logits_ptr,
    model_ptr,
    data_ptr,
    mean_ptr,
    target_ptr,
    confidence_ptr,
    label_ptr,
    mask_ptr,
    views,
    classes,
    stride_view,
    stride_row,
    stride_class,
    temperature,
    threshold,
    epsilon,
    tiny,
    ALIGN: tl.constexpr,
    SHARPEN: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK)
    inside = c < classes
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for view in range(views):
        at = logits_ptr + view * stride_view + row * stride_row + c * stride_class
        x = tl.load(at, mask=inside, other=float("-inf"))
        raised = tl.exp(x - tl.max(x, 0))
        total += raised / tl.sum(raised, 0)
    p = total / views
    tl.store(mean_ptr + row * classes + c, p, mask=inside)
    if ALIGN:
        wanted = tl.load(data_ptr + c, mask=inside, other=0.0) + epsilon
        p = p * wanted / (tl.load(model_ptr + c, mask=inside, other=1.0) + epsilon)
        p = p / tl.sum(p, 0)
    if SHARPEN:
        x = tl.where(inside, tl.log(tl.maximum(p, tiny)) / temperature, float("-inf"))
        raised = tl.exp(x - tl.max(x, 0))
        p = raised / tl.sum(raised, 0)
    tl.store(target_ptr + row * classes + c, p, mask=inside)
    # Columns outside are zero; a row whose every probability is zero does not exist.
    confidence = tl.max(p, 0)
    tl.store(confidence_ptr + row, confidence)
    tl.store(label_ptr + row, tl.argmax(p, 0, tie_break_left=True).to(tl.int64))
    tl.store(mask_ptr + row, (confidence >= threshold).to(tl.float32))


def fused_guess(
    logits: Tensor,
    p_model: Tensor | None = None,
    p_data: Tensor | None = None,
    temperature: float | None = None,
    threshold: float = 0.0,
) -> Guess:
    """Return what `ossicle_semisup.kernels.guess.guess_labels` returns, of logits in float32 of any strides."""
    views, rows, classes = logits.shape
    out = Guess(
        logits.new_empty(rows, classes),
        logits.new_empty(rows, classes),
        logits.new_empty(rows),
        logits.new_empty(rows, dtype=torch.int64),
        logits.new_empty(rows),
    )
    aligned = p_model is not None and p_data is not None
    if rows:
        _guess[(rows,)](
            logits,
            p_model.contiguous() if aligned and p_model is not None else logits,
            p_data.contiguous() if aligned and p_data is not None else logits,
            *out,
            views,
            classes,
            *logits.stride(),
            1.0 if temperature is None else temperature,
            threshold,
            EPSILON,
            torch.finfo(torch.float32).tiny,
            ALIGN=aligned,
            SHARPEN=temperature is not None,
            BLOCK=triton.next_power_of_2(classes),
        )
    return out
