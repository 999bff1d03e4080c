"""The layer where no gradient is asked for: on CUDA in four launches, on a CPU in one call; state is written in place.

On CUDA nothing waits for the host and nothing is bound anew, so that it can be recorded as a graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

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


LARGEST = 1 << 20
"""Elements up to which one thread is as good as all of them."""


def forward(layer: UnMixTNS, x: Tensor) -> Tensor | None:
    """Return x normalised, and learn from it, by whatever is fastest here; None where plain torch is, or must be.

    Plain torch it must be for gradients, float64, compilers, and source statistics that are not known yet.
    """
    device = x.device.type
    if torch.compiler.is_compiling() or x.dim() == 2 or not x.numel() or not layer.tracked:
        return None
    if torch.is_grad_enabled() and (
        x.requires_grad or any(p is not None and p.requires_grad for p in (layer.weight, layer.bias))
    ):
        return None
    if x.dtype == torch.float64 or layer.means.dtype != torch.float32:
        return None
    if device == "cuda":
        steps = [_accelerated(f"unmix-{name}", x) for name in Steps._fields]
        return forward_by(layer, x, Steps(*steps)) if all(steps) else None  # type: ignore[arg-type]
    if device == "cpu" and (x.numel() <= LARGEST or torch.get_num_threads() == 1):
        return _by_numba(layer, x) if _accelerated("unmix-layer", x) else None
    return None


def _accelerated(op: str, x: Tensor) -> Callable[..., Tensor] | None:
    """Return the twin that `ossicle.kernels` chooses for an operation; None where it chooses plain torch, or knows no twin."""
    chosen = pick(op, device=x.device.type, dtype=str(x.dtype).removeprefix("torch."), fallback=_plain)
    return None if chosen is _plain else chosen


def _plain(*arguments: Any) -> Tensor:
    raise AssertionError("never called: it stands for the layer in plain torch")


_VIEWS: WeakKeyDictionary[UnMixTNS, tuple[list[int], tuple[Any, ...]]] = WeakKeyDictionary()
"""Arrays over each layer's memory, for as long as it stays where it is: making them anew takes as long as a small layer."""


def _by_numba(layer: UnMixTNS, x: Tensor) -> Tensor | None:
    from ossicle_unmix_tns import kernels_numba

    counts = None if layer.horizon is None else layer.counts
    tensors = (layer.means, layer.means_rest, layer.variances, counts, layer.weight, layer.bias)
    places = [0 if t is None else t.data_ptr() for t in tensors]
    cached = _VIEWS.get(layer)
    if cached is None or cached[0] != places:
        if any(t is not None and (t.dtype != torch.float32 or not t.is_contiguous()) for t in tensors):
            return None
        # The arrays keep the memory alive, so that no other tensor can come to lie there.
        cached = places, kernels_numba.views(*tensors, channels=layer.channels)
        _VIEWS[layer] = cached
    y = kernels_numba.run(
        x.flatten(2),
        _gate(layer, x),
        cached[1],
        not layer.frozen,
        layer._rate,
        1.0 if layer.horizon is None else layer.most,
        layer.temperature,
        layer.eps,
        layer.variance_form == "total",
    )
    return y.view(x.shape)


def _gate(layer: UnMixTNS, x: Tensor) -> Tensor | None:
    rows = None if layer.gate is None else layer.gate.rows
    return rows if rows is not None and len(rows) == len(x) else None


def forward_by(layer: UnMixTNS, x: Tensor, steps: Steps, *, relu: bool = False) -> Tensor:
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
    counts, most = (None, 1.0) if layer.horizon is None else (layer.counts, layer.most)
    steps.update(found, packed, _gate(layer, x), *state, counts, layer._pace, most, True)
    return y.unflatten(2, x.shape[2:])
