"""An exponential moving average of a module's parameters, for evaluation."""

from __future__ import annotations

import copy
from collections.abc import Iterable
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
        self.follow(module, self.pace(step))

    def pace(self, step: int) -> float:
        """Return how much of the way to `module` the copy goes after a step, in [0, 1]."""
        return 1.0 - min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def follow(self, module: M, pace: float | Tensor) -> None:
        """Move the copy so much of the way to `module`; buffers become equal."""
        move_towards(self.module.parameters(), module.parameters(), pace)
        for copied, original in zip(self.module.buffers(), module.buffers(), strict=True):
            copied.copy_(original)


@torch.no_grad()
def move_towards(mine: Iterable[Tensor], theirs: Iterable[Tensor], pace: float | Tensor) -> None:
    """Move tensors so much of the way to others, in few launches: a number, or a scalar on their device."""
    mine, theirs = list(mine), list(theirs)
    if not isinstance(pace, Tensor):
        torch._foreach_lerp_(mine, theirs, pace)
        return
    # lerp takes a scalar tensor as a number, which would ask the device for it.
    steps = torch._foreach_sub(theirs, mine)
    torch._foreach_mul_(steps, pace)
    torch._foreach_add_(mine, steps)
