"""Going on with full phase where a run with sine phase has come to: its state, with the last convolution widened.

The angle of (1, x) is close to sin(x) for small x: the sine channels stay, and cosine channels start at one. Starting from
the folded weights instead would lose the length of every direction that weight norm holds, and with it the step size that
training has settled on.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_BIAS = "conv_post.bias"
_LENGTH = "conv_post.parametrizations.weight.original0"
_DIRECTION = "conv_post.parametrizations.weight.original1"
_START = 1e-3
"""Length of the cosine channels' weights at the start: not zero, so that they learn."""


def widen_state(state: dict[str, Any], *, seed: int) -> dict[str, Any]:
    """Return the training state of a full-phase generator that sounds nearly like this sine-phase one."""
    generator = state["generator"]
    bins = len(generator[_BIAS]) // 2
    direction = torch.randn(generator[_DIRECTION][:bins].shape, generator=torch.Generator().manual_seed(seed))
    direction *= generator[_DIRECTION][bins:].norm() / direction.norm()
    cosine = {
        _BIAS: torch.ones(bins),
        _LENGTH: torch.full((bins, 1, 1), _START),
        _DIRECTION: direction,
    }
    names = list(generator)
    optimizer = state["generator_optimizer"]
    moments = {
        index: {
            key: _between(value, torch.zeros_like(cosine[names[index]]))
            if names[index] in cosine and value.dim()
            else value
            for key, value in entry.items()
        }
        for index, entry in optimizer["state"].items()
    }
    return {
        **state,
        "generator": _widen(generator, cosine),
        "average": _widen(state["average"], cosine),
        "generator_optimizer": {**optimizer, "state": moments},
    }


def _widen(weights: dict[str, Tensor], cosine: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: _between(value, cosine[name]) if name in cosine else value for name, value in weights.items()}


def _between(halves: Tensor, middle: Tensor) -> Tensor:
    magnitude, sine = halves.chunk(2)
    return torch.cat([magnitude, middle, sine])
