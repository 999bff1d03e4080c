"""What stands at a network's door: which rows are worth learning from, and a pass ahead of the pass that counts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Gate:
    """Lets layers learn from no row that is constant (digital silence, a muted microphone) or not finite.

    Deeper in a network a constant input is constant no longer, for convolutions see their padding: so the input decides. It is a
    forward pre-hook of the network, shared with its layers; a deep copy of the network has its own.
    """

    rows: Tensor | None = None

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        """Look at the first argument, (B, ...)."""
        x = arguments[0] if arguments else None
        self.rows = None
        if isinstance(x, Tensor) and x.dim() > 1 and x.is_floating_point() and x.shape[1:].numel() > 1:
            with torch.no_grad():
                low, high = torch.aminmax(x.flatten(1), dim=1)
                self.rows = torch.isfinite(high - low) & (high > low)

    def open_for(self, keep: Tensor) -> Tensor:
        """Return which rows to learn from, (B,), of those that a layer would keep."""
        # A network may cut its input into more rows; then only the layer's own look counts.
        return keep if self.rows is None or self.rows.shape != keep.shape else keep & self.rows


class TwoPasses:
    """Sends every input through a network twice: first for its layers to collect statistics, then for the result.

    A forward pre-hook, shared with the layers.
    """

    collecting = False

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Do the pass ahead."""
        self.collecting = True
        try:
            with torch.no_grad():
                module.forward(*arguments, **named)
        finally:
            self.collecting = False


def gate_of(network: nn.Module) -> Gate | None:
    """Return the gate at a network's door, if it has one."""
    return next((hook for hook in network._forward_pre_hooks.values() if isinstance(hook, Gate)), None)
