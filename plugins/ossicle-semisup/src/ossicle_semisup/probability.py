"""What the methods do with class probabilities, (B, K) tensors whose rows sum to one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax


def sharpen(p: Tensor, temperature: float) -> Tensor:
    """Return probabilities raised to 1 / temperature and scaled to sum to one again.

    Source: Berthelot et al., "MixMatch" (2019), equation 7. Below 1 rows grow surer; 1 leaves them.
    """
    # In logarithms: small probabilities to a high power would vanish together.
    return torch.softmax(torch.log(p.clamp(min=torch.finfo(p.dtype).tiny)) / temperature, dim=-1)


def align(p: Tensor, p_model: Tensor, p_data: Tensor, *, epsilon: float = 1e-6) -> Tensor:
    """Return guesses p (B, K) weighed by how much rarer the model predicts each class, (K,), than the data have it, (K,).

    Source: Berthelot et al., "ReMixMatch" (2020), section 3.1; epsilon as in the authors' code.
    """
    weighed = p * (p_data + epsilon) / (p_model + epsilon)
    return weighed / weighed.sum(dim=-1, keepdim=True)


def js_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of each row in nats, (B,): 0 where equal, at most ln 2.

    Source: Qiao et al., "Deep Co-Training" (2018), equation 3.
    """
    return _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2


def _entropy(p: Tensor) -> Tensor:
    return -(p * torch.log(p.clamp(min=1e-8))).sum(dim=-1)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of each row in nats, (B,), for target probabilities (B, K)."""
    return -(target * log_softmax(logits, dim=-1)).sum(dim=-1)


def brier(logits: Tensor, target: Tensor) -> Tensor:
    """Return each row's squared distance from the target probabilities, mean over the classes, (B,)."""
    return (torch.softmax(logits, dim=-1) - target).square().mean(dim=-1)
