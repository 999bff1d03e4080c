"""Training steps with the gradients written out: small networks spend most of an automatic step on bookkeeping.

The reference is autograd over `ossicle_outliers.training.loss_of`; the operations here are the same ones in the same order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ossicle_outliers.networks import Autoencoder


class DirectStep:
    """Losses and gradients of an autoencoder that is made of linear layers with ReLU between them.

    While it is in use, the network's parameters lie in one vector, as their gradients do, so that an optimizer has one tensor to
    change.

    Parameters
    ----------
    network
        Of the kind that `takes` takes.
    variance_floor
        Added to every variance of a ``pae``.
    """

    def __init__(self, network: Autoencoder, variance_floor: float) -> None:
        self.network, self.width, self.floor = network, network.width, variance_floor
        linears = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
        parameters = list(network.parameters())
        self.vector = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in parameters]))
        self.vector.grad = torch.zeros_like(self.vector)
        sizes = [p.numel() for p in parameters]
        for p, mine, grad in zip(
            parameters, self.vector.detach().split(sizes), self.vector.grad.split(sizes), strict=True
        ):
            p.data, p.grad = mine.view_as(p), grad.view_as(p)
        self._weights = [layer.weight.detach() for layer in linears]
        self._transposed = [weight.t() for weight in self._weights]
        self._biases = [layer.bias.detach() for layer in linears]
        self._gradients = [(layer.weight.grad, layer.bias.grad) for layer in linears]

    def leave(self) -> None:
        """Give every parameter memory of its own again."""
        for p in self.network.parameters():
            p.data, p.grad = p.detach().clone(), None

    @staticmethod
    def takes(network: Autoencoder) -> bool:
        """Return whether a network is made of nothing but linear layers and ReLU."""
        return all(isinstance(layer, (nn.Linear, nn.ReLU)) for layer in network.layers)

    @torch.no_grad()
    def __call__(self, rows: Tensor) -> Tensor:
        """Set the gradients of the loss on rows (B, d) and return it, ()."""
        heard, last = [rows], len(self._weights) - 1
        for at in range(last):
            heard.append(torch.addmm(self._biases[at], heard[at], self._transposed[at]).relu_())
        said = torch.addmm(self._biases[last], heard[last], self._transposed[last])
        loss, gradient = self._loss(said, rows)
        for at in range(last, -1, -1):
            of_weights, of_biases = self._gradients[at]
            torch.mm(gradient.t(), heard[at], out=of_weights)
            torch.sum(gradient, 0, out=of_biases)
            if at:
                gradient = torch.ops.aten.threshold_backward(gradient.mm(self._weights[at]), heard[at], 0)
        return loss

    def _loss(self, said: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss of a batch, and its gradient by what the network says."""
        n = len(rows)
        if said.shape[1] == self.width:
            off = said - rows
            return off.square().sum() / n, off.mul_(2.0 / n)
        mean, raw = said[:, : self.width], said[:, self.width :]
        variance = torch.nn.functional.softplus(raw).add_(self.floor)
        off = mean - rows
        squared = off.square()
        shares = squared / variance
        loss = (shares.sum() + variance.log().sum()) / n
        # d/dm (m - x)^2 / v = 2 (m - x) / v; d/dv [(m - x)^2 / v + ln v] = 1 / v - (m - x)^2 / v^2.
        each = torch.full_like(variance, 1.0 / n).div_(variance)
        by_variance = shares.div_(variance).mul_(-1.0 / n).add_(each)
        gradient = torch.empty_like(said)
        torch.mul(each, off.mul_(2.0), out=gradient[:, : self.width])
        gradient[:, self.width :] = torch.ops.aten.softplus_backward(by_variance, raw, 1, 20)
        return loss, gradient


class VectorAdam:
    """Adam (Kingma and Ba, 2015) on one vector: the kernel of torch's fused optimizer without what that does around it.

    Parameters
    ----------
    vector
        What is learned, with its gradient in ``grad``.
    """

    def __init__(self, vector: nn.Parameter) -> None:
        assert vector.grad is not None
        value = vector.detach()
        self._count = torch.zeros((), dtype=torch.float32, device=value.device)
        moments = torch.zeros_like(value), torch.zeros_like(value)
        none: list[Tensor] = []
        self._state = ([value], [vector.grad], [moments[0]], [moments[1]], none, [self._count])

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the vector by its gradient at a learning rate."""
        self._count += 1
        torch.ops.aten._fused_adam_(
            *self._state, lr=rate, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False
        )
