"""The layer on CUDA, where no gradient is asked for: four launches, nothing that waits for the host, state written in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ossicle.kernels import pick

if TYPE_CHECKING:
    from ossicle_unmix_tns.layer import UnMixTNS


class Steps(NamedTuple):
    """The four operations of `ossicle_unmix_tns.kernels`, accelerated; `update` takes a last argument: in place."""

    statistics: Callable[..., Tensor]
    moments: Callable[..., Tensor]
    normalize: Callable[..., Tensor]
    update: Callable[..., Any]


def steps_for(x: Tensor) -> Steps | None:
    """Return the accelerated operations, or None where `ossicle.kernels` chooses a reference for one of them."""
    kind, dtype = x.device.type, str(x.dtype).removeprefix("torch.")
    found = [pick(f"unmix-{name}", device=kind, dtype=dtype) for name in Steps._fields]
    return Steps(*found) if all(step.__name__ == "accelerated" for step in found) else None


def suits(layer: UnMixTNS, x: Tensor) -> bool:
    """Tell whether the fast path computes what is asked: CUDA, float32 state, source statistics known, no gradient, no compiler."""
    if x.device.type != "cuda" or torch.compiler.is_compiling() or x.dim() == 2 or not x.numel():
        return False
    asked = torch.is_grad_enabled() and (x.requires_grad or any(p.requires_grad for p in layer.parameters()))
    return layer.tracked and not asked and layer.means.dtype == torch.float32 and x.dtype != torch.float64


def forward(layer: UnMixTNS, x: Tensor, steps: Steps, *, relu: bool = False) -> Tensor:
    """Return x (B, C, ...) normalised, and learn from it.

    Parameters
    ----------
    relu
        Give the positive part, as a ReLU after the layer would.
    """
    flat = x.flatten(2)
    state = (layer.means, layer.means_rest, layer.variances)
    found = steps.statistics(flat)
    total = layer.variance_form == "total"
    packed = steps.moments(found, *state, layer.weight, layer.bias, layer.temperature, layer.eps, total)
    y = steps.normalize(flat, found, packed, relu)
    gate = None if layer.gate is None else layer.gate.rows
    gate = gate if gate is not None and len(gate) == len(x) else None
    counts, most = (None, 1.0) if layer.horizon is None else (layer.counts, layer.most)
    steps.update(found, packed, gate, *state, counts, layer._pace, most, True)
    return y.unflatten(2, x.shape[2:])
