"""From the logits of several views to the labels that unlabelled clips are trained on.

The plain reference, and the kernel component that pairs it with its Triton twin.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ossicle_semisup.kernels.choice import chosen, on_cuda
from ossicle_semisup.probability import align, sharpen

EPSILON = 1e-6
"""Added to both distributions of an alignment, as in the code of Berthelot et al. (2020)."""


class Guess(NamedTuple):
    """What a network makes of unlabelled clips.

    Parameters
    ----------
    mean
        Mean of the views' probabilities, (U, K).
    target
        The same, aligned and sharpened where asked for, (U, K).
    confidence, label
        The largest probability of each target row, (U,), and its class, (U,) int64, the first of equals.
    mask
        (U,): 1 where the confidence reaches the threshold, else 0.
    """

    mean: Tensor
    target: Tensor
    confidence: Tensor
    label: Tensor
    mask: Tensor


def guess_labels(
    logits: Tensor,
    p_model: Tensor | None = None,
    p_data: Tensor | None = None,
    temperature: float | None = None,
    threshold: float = 0.0,
) -> Guess:
    """Return the guesses of logits (V, U, K): V views, each of the same U clips.

    Parameters
    ----------
    p_model, p_data
        (K,): what the model predicts on the average, and what the data have; both or none. See
        `ossicle_semisup.probability.align`.
    temperature
        Of the sharpening; None leaves probabilities as they are. See `ossicle_semisup.probability.sharpen`.
    threshold
        In [0, 1].
    """
    mean = target = torch.softmax(logits, dim=-1).mean(dim=0)
    if p_model is not None and p_data is not None:
        target = align(target, p_model, p_data, epsilon=EPSILON)
    if temperature is not None:
        target = sharpen(target, temperature)
    confidence, label = target.max(dim=-1)
    return Guess(mean, target, confidence, label, (confidence >= threshold).to(target.dtype))


def make_guesses(logits: Tensor, *arguments: Any, **settings: Any) -> Guess:
    """Return what `guess_labels` does, by whatever is fastest here."""
    return chosen(GuessKernel.op, logits, guess_labels)(logits, *arguments, **settings)


class GuessKernel:
    """Softmax, mean over views, alignment, sharpening, confidence, class and mask in one pass, a program a row.

    Arguments and results: `guess_labels`.
    """

    op = "ssl-guess"
    tolerance = 2e-6

    def reference(self, *arguments: Any, **settings: Any) -> Guess:
        """Compute in plain torch."""
        return guess_labels(*arguments, **settings)

    def accelerated(self, *arguments: Any, **settings: Any) -> Guess:
        """Compute by the Triton kernel."""
        from ossicle_semisup.kernels.guess_triton import fused_guess

        return fused_guess(*arguments, **settings)

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the kernel runs: on CUDA in float32, where Triton is installed."""
        return on_cuda(device, dtype, "float32")

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield arguments over what the methods ask for, and shapes that are easily got wrong."""
        draw = torch.Generator().manual_seed(0)

        def logits(*shape: int, scale: float = 3.0) -> Tensor:
            return scale * torch.randn(*shape, generator=draw)

        def shares(classes: int) -> Tensor:
            return torch.softmax(torch.randn(classes, generator=draw), dim=0)

        yield "FixMatch: one view, threshold", (logits(1, 12, 10), None, None, None, 0.95)
        yield "MixMatch: two views, sharpened", (logits(2, 12, 10), None, None, 0.5)
        yield "ReMixMatch: aligned, sharpened", (logits(1, 12, 10), shares(10), shares(10), 0.5)
        yield "everything, 35 classes", (logits(3, 7, 35), shares(35), shares(35), 0.5, 0.6)
        yield "one row, one class", (logits(1, 1, 1), None, None, 0.5, 0.5)
        yield "one row", (logits(2, 1, 10), shares(10), shares(10), 0.5, 0.3)
        yield "no rows", (logits(2, 0, 10), None, None, 0.5)
        yield "certain of all but nothing", (logits(2, 9, 10, scale=60.0), shares(10), shares(10), 0.5, 0.95)
        yield "all classes equal", (torch.zeros(2, 5, 7), None, None, 0.5, 0.1)
        yield "a class that never comes", (logits(1, 9, 4), torch.tensor([0.5, 0.5, 0.0, 0.0]), shares(4), 0.5)
        yield "views and classes not contiguous", (logits(10, 12, 4).permute(2, 1, 0)[::2, ::3], None, None, 0.5)
        yield "many classes", (logits(2, 10, 527), shares(527), shares(527), 0.5, 0.5)
