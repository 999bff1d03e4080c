"""TENT: affine parameters that make a network sure of what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ossicle.errors import ConfigError
from ossicle_unmix_tns.adapters.base import NormAdapter
from ossicle_unmix_tns.adapters.rivals import TBN
from ossicle_unmix_tns.adapters.unmix import UnMixTNSAdapter
from ossicle_unmix_tns.conversion import copied, layers
from ossicle_unmix_tns.gate import gate_of

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


class TentNetwork(nn.Module):
    """A network whose affine parameters take a step of Adam with every batch, down the mean entropy of its logits.

    Logits are those before the step. Weights, Adam's averages and the weights to go back to are in the ``state_dict``.

    Parameters
    ----------
    network
        One whose normalisation has been adapted.
    learning_rate
        Of Adam; betas 0.9 and 0.999.
    """

    steps: Tensor

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        super().__init__()
        self.network, self.learning_rate, self.frozen = network, learning_rate, False
        self.trained_before = {name: p.requires_grad for name, p in network.named_parameters()}
        network.requires_grad_(False)
        for index, parameter in enumerate(self.moved()):
            parameter.requires_grad_(True)
            self.register_buffer(f"initial_{index}", parameter.detach().clone())
            self.register_buffer(f"average_{index}", torch.zeros_like(parameter))
            self.register_buffer(f"square_{index}", torch.zeros_like(parameter))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def moved(self) -> Iterator[nn.Parameter]:
        """Yield the affine parameters of the adaptive layers, each once."""
        seen: set[int] = set()
        for layer in layers(self.network):
            for parameter in (layer.weight, layer.bias):
                if isinstance(parameter, nn.Parameter) and id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield parameter

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) of (B, ...), and take a step.

        Rows that are not finite give NaN and move nothing.
        """
        with torch.inference_mode(False), torch.set_grad_enabled(not self.frozen):
            x = x.clone() if x.is_inference() else x.detach()
            sound = torch.isfinite(x.flatten(1)).all(dim=1)
            if self.frozen or not bool(sound.any()):
                with torch.no_grad():
                    return self.network(x)
            # Left out, not masked: NaN times a gradient of zero is NaN.
            found = self.network(x[sound])
            self._step(found)
            logits = found.new_full((len(x), *found.shape[1:]), torch.nan)
            logits[sound] = found.detach()
            return logits

    def _step(self, logits: Tensor) -> None:
        gate, every = gate_of(self.network), torch.ones(len(logits), dtype=torch.bool, device=logits.device)
        chosen = logits[every if gate is None else gate.open_for(every)].float()
        if not len(chosen):
            return
        logs = torch.log_softmax(chosen, dim=1)
        entropy = -(logs.exp() * logs).sum(dim=1).mean()
        moved = list(self.moved())
        gradients = torch.autograd.grad(entropy, moved, allow_unused=True)
        if not all(bool(torch.isfinite(g).all()) for g in gradients if g is not None):
            return
        with torch.no_grad():
            self.steps += 1
            count = int(self.steps)
            for index, (parameter, gradient) in enumerate(zip(moved, gradients, strict=True)):
                if gradient is None:
                    continue
                average, square = getattr(self, f"average_{index}"), getattr(self, f"square_{index}")
                average.lerp_(gradient, 1 - _BETAS[0])
                square.lerp_(gradient.square(), 1 - _BETAS[1])
                size = (square / (1 - _BETAS[1] ** count)).sqrt_().add_(_EPSILON)
                parameter.addcdiv_(average, size, value=-self.learning_rate / (1 - _BETAS[0] ** count))

    @torch.no_grad()
    def reset(self) -> None:
        """Put weights and averages back to what they were at the start."""
        for index, parameter in enumerate(self.moved()):
            parameter.copy_(getattr(self, f"initial_{index}"))
            getattr(self, f"average_{index}").zero_()
            getattr(self, f"square_{index}").zero_()
        self.steps.zero_()


class TentAdapter:
    """TENT's steps over an adapter of normalisation.

    Parameters
    ----------
    inner
        The adapter beneath.
    learning_rate
        Of Adam, one step a batch.
    """

    changes_weights: ClassVar[bool] = True

    def __init__(self, inner: NormAdapter, learning_rate: float) -> None:
        if not learning_rate > 0:
            raise ConfigError(f"learning_rate is {learning_rate!r}", why="it is above 0")
        self.inner, self.learning_rate = inner, learning_rate

    def __repr__(self) -> str:
        return f"{type(self).__name__}(learning_rate={self.learning_rate:g}, inner={self.inner!r})"

    def adapt(self, model: Any) -> nn.Module:
        """Return a copy of a network that adapts whenever it is called; see `ossicle.protocols.Adapter`.

        Raises
        ------
        ConfigError
            If its normalisation cannot be adapted, or has no affine parameters.
        """
        with torch.inference_mode(False):
            network = TentNetwork(self.inner.adapt(model), self.learning_rate)
        if not list(network.moved()):
            raise ConfigError(
                f"{type(model).__name__} has no affine parameters in its BatchNorms",
                why="they are what TENT moves",
                hint="unmix-tns or rbn need none",
            )
        return network

    def restore(self, model: TentNetwork) -> nn.Module:
        """Return a plain copy of what `adapt` gave, with the weights that it had."""
        network = copied(model)
        assert isinstance(network, TentNetwork)
        network.reset()
        for name, parameter in network.network.named_parameters():
            parameter.requires_grad_(network.trained_before[name])
        return self.inner.restore(network.network)

    def reset(self, model: TentNetwork) -> None:
        """Put weights and statistics back to what they were right after `adapt`, to the bit."""
        model.reset()
        self.inner.reset(model.network)

    def freeze(self, model: TentNetwork, frozen: bool = True) -> None:
        """Stop weights and statistics from changing, or let them go on."""
        model.frozen = frozen
        self.inner.freeze(model.network, frozen)


class Tent(TentAdapter):
    """TENT (Wang et al., ICLR 2021): every batch's own statistics, and affine parameters that lower the entropy.

    Parameters
    ----------
    learning_rate
        Of Adam, one step a batch.
    """

    def __init__(self, *, learning_rate: float = 1e-3) -> None:
        super().__init__(TBN(), learning_rate)


class UnMixTNSTent(TentAdapter):
    """TENT's steps over UnMix-TNS.

    Parameters
    ----------
    learning_rate
        Of Adam, one step a batch.
    settings
        Of `UnMixTNSAdapter`.
    """

    def __init__(self, *, learning_rate: float = 1e-5, **settings: Any) -> None:
        super().__init__(UnMixTNSAdapter(**settings), learning_rate)
