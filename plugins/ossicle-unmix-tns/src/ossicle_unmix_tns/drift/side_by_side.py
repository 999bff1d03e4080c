"""The same batch in many domains at once: as many adapted copies of a network, computed as one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.overrides import TorchFunctionMode

from ossicle.kernels import VARIABLE


class _NoOut(TorchFunctionMode):
    """Leaves out ``out=``, which is a matter of speed alone and which vmap does not know."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = {key: value for key, value in (kwargs or {}).items() if key != "out"}
        return func(*args, **kwargs)


@contextmanager
def _plain_torch() -> Iterator[None]:
    """Forbid fast paths inside: they reach for memory that a batch of copies has not."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "reference"
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


class SideBySide:
    """Copies of one adapted network that share its weights; each has state of its own.

    With one clip at a time a network costs hardly more than its calls do: fifteen domains side by side cost little more than one. For
    adapters whose weights stay and whose forward pass does not depend on values.

    Parameters
    ----------
    adapted
        What an adapter's ``adapt`` gave, in the state that each copy starts from.
    count
        How many, D.
    """

    def __init__(self, adapted: nn.Module, count: int) -> None:
        self._weights: dict[str, Tensor] = dict(adapted.named_parameters())
        self._state = {name: b.expand(count, *b.shape).clone() for name, b in adapted.named_buffers()}

        def one(state: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(adapted, (self._weights, state), (x,))

        self._all = vmap(one)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Return logits (D, B, K) of (D, B, ...), and adapt each copy to its own."""
        with _plain_torch(), _NoOut():
            return self._all(self._state, x)
