"""An exponential moving average of a module's parameters, for evaluation."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class Average(Generic[M]):
    """Keeps a copy of a module whose floating-point state follows the original's slowly.

    The decay grows as (1 + step) / (10 + step) up to `decay`, so that the first steps are forgotten at once.
    """

    def __init__(self, module: M, *, decay: float = 0.999) -> None:
        self.decay = decay
        self.module = copy.deepcopy(module).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, module: M, step: int) -> None:
        """Move the copy towards `module`; `step` counts from zero."""
        weight = 1.0 - min(self.decay, (1 + step) / (10 + step))
        mine: list[Tensor] = list(self.module.parameters())
        theirs: list[Tensor] = list(module.parameters())
        torch._foreach_lerp_(mine, theirs, weight)
        for copied, original in zip(self.module.buffers(), module.buffers(), strict=True):
            copied.copy_(original)
