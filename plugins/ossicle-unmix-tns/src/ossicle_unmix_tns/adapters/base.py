"""Adapters that put another layer in the place of every BatchNorm, and keep the names of everything else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ossicle_unmix_tns.conversion import convert, copied, layers, plain
from ossicle_unmix_tns.gate import Gate, TwoPasses
from ossicle_unmix_tns.norm import AdaptiveNorm


def remove_hooks(network: nn.Module) -> None:
    """Take our hooks off a network's door."""
    for key in [key for key, hook in network._forward_pre_hooks.items() if isinstance(hook, (Gate, TwoPasses))]:
        del network._forward_pre_hooks[key]
        network._forward_pre_hooks_with_kwargs.pop(key, None)


class NormAdapter(ABC):
    """Adapts normalisation alone; trained weights stay."""

    changes_weights: ClassVar[bool] = False
    needs_batch_norm: ClassVar[bool] = True

    @property
    def gated(self) -> bool:
        """Whether constant rows are not learnt from; see `ossicle_unmix_tns.gate.Gate`."""
        return True

    @abstractmethod
    def maker(self) -> Callable[[_BatchNorm], AdaptiveNorm]:
        """Return what makes the layers of one network, in order, taking over the BatchNorms of a copy."""

    def adapt(self, model: Any) -> nn.Module:
        """Return a copy of a network that adapts whenever it is called; see `ossicle.protocols.Adapter`.

        Raises
        ------
        ConfigError
            If it is no torch module, cannot be copied, or has no BatchNorm that can be replaced.
        """
        network = copied(model)
        with torch.inference_mode(False):
            network = convert(network, self.maker(), required=self.needs_batch_norm)
        if self.gated:
            gate = Gate()
            for layer in layers(network):
                layer.gate = gate
            network.register_forward_pre_hook(gate)
        return network

    def restore(self, model: nn.Module) -> nn.Module:
        """Return a plain copy of what `adapt` gave: BatchNorms with the source's statistics, no hooks."""
        network = copied(model)
        remove_hooks(network)
        return plain(network)

    def reset(self, model: nn.Module) -> None:
        """Put the state back to what it was right after `adapt`, to the bit."""
        for layer in layers(model):
            layer.reset()

    def freeze(self, model: nn.Module, frozen: bool = True) -> None:
        """Stop the state from changing, or let it go on."""
        for layer in layers(model):
            layer.freeze(frozen)
