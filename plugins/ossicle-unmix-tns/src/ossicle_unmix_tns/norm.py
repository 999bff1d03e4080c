"""What every layer that replaces a BatchNorm has in common: affine, source statistics, state that resets and freezes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrize import is_parametrized

from ossicle.errors import ConfigError
from ossicle_unmix_tns.gate import Gate
from ossicle_unmix_tns.statistics import Statistics, apply_affine, check_shape, measure, pool, working_dtype

DEFAULT_MOMENTUM = 0.1
"""Taken where a BatchNorm has none (``momentum=None``, a plain average over all batches): PyTorch's default."""

_FORWARDS = {kind.forward for kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)}


class AdaptiveNorm(nn.Module):
    """A layer in a BatchNorm's place: same affine parameters, same source statistics, (B, C) and (B, C, ...) alike.

    It computes the same in train and eval mode. Statistics are in float32 or wider, whatever the network is converted to; what comes out
    has the dtype of what goes in.

    Parameters
    ----------
    bn
        The BatchNorm it stands for. Its parameters are taken over, not copied; `from_batch_norm` copies. Without running statistics
        (``track_running_stats=False``) the first batch's are the source's.
    """

    needs_source: ClassVar[bool] = True
    """Whether source statistics matter: where a BatchNorm has none, the first batch's are taken."""

    source_mean: Tensor
    source_variance: Tensor
    source_seen: Tensor
    _pace: Tensor

    def __init__(self, bn: _BatchNorm) -> None:
        super().__init__()
        if not isinstance(bn, _BatchNorm) or type(bn).forward not in _FORWARDS:
            raise ConfigError(
                f"{type(bn).__name__} cannot be replaced",
                why="it is no BatchNorm, or one that does more than normalise, which would be lost",
                hint="use torch's BatchNorm and a separate module for the rest",
            )
        if is_parametrized(bn):
            raise ConfigError(
                f"{type(bn).__name__} is parametrized",
                why="its weights are computed anew in every call",
                hint="torch.nn.utils.parametrize.remove_parametrizations makes them plain",
            )
        self.gate: Gate | None = None
        self.frozen = False
        self.eps, self.channels = bn.eps, bn.num_features
        self.momentum = DEFAULT_MOMENTUM if bn.momentum is None else bn.momentum
        self.weight, self.bias = bn.weight, bn.bias
        self.tracked = bn.running_mean is not None and bn.running_var is not None
        place = bn.weight if bn.weight is not None else bn.running_mean
        wide = None if place is None else torch.promote_types(place.dtype, torch.float32)
        like: dict[str, Any] = {"dtype": wide, "device": None if place is None else place.device}
        mean = bn.running_mean if self.tracked else torch.zeros(bn.num_features)
        variance = bn.running_var if self.tracked else torch.ones(bn.num_features)
        assert mean is not None and variance is not None
        self.register_buffer("source_mean", mean.detach().to(**like, copy=True))
        self.register_buffer("source_variance", variance.detach().to(**like, copy=True))
        if not self.tracked:
            self.register_buffer("source_seen", torch.zeros((), dtype=torch.bool, device=like["device"]))
        # On the device, so that recorded CUDA graphs follow: 1 or, frozen, 0; and a rate, where there is one.
        self.register_buffer("_pace", torch.ones(2, **like), persistent=False)
        shell = _own_tables(copy.copy(bn))
        shell._parameters = dict.fromkeys(bn._parameters)
        shell._buffers = {n: b if n == "num_batches_tracked" else None for n, b in bn._buffers.items()}
        self._origin = (shell,)  # in a tuple, so that it is no submodule
        self.train(bn.training)

    @classmethod
    def from_batch_norm(cls, bn: _BatchNorm, **settings: Any) -> Any:
        """Return a layer that stands for a BatchNorm, which stays as it is."""
        return cls(copy.deepcopy(bn), **settings)

    def to_batch_norm(self) -> _BatchNorm:
        """Return the BatchNorm again: this layer's affine parameters, the source's statistics."""
        bn = _own_tables(copy.copy(self._origin[0]))
        bn._parameters = {"weight": self.weight, "bias": self.bias}
        narrow = self.source_mean.dtype if self.weight is None else self.weight.dtype
        if self.tracked:
            bn._buffers["running_mean"] = self.source_mean.to(narrow, copy=True)
            bn._buffers["running_var"] = self.source_variance.to(narrow, copy=True)
        count = bn._buffers.get("num_batches_tracked")
        bn._buffers["num_batches_tracked"] = None if count is None else count.to(self.source_mean.device, copy=True)
        bn.training = self.training
        return bn

    # --- state

    def initial_state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the state's buffers by name, as they are before anything was heard. For untracked layers: before the first batch."""
        yield from ()

    @torch.no_grad()
    def reset(self) -> None:
        """Put the state back to what it was before anything was heard, in place."""
        if not self.tracked:
            self.source_mean.zero_()
            self.source_variance.fill_(1)
            self.source_seen.fill_(False)
        for name, value in self.initial_state():
            getattr(self, name).copy_(value)

    @torch.no_grad()
    def freeze(self, frozen: bool = True) -> None:
        """Stop the state from changing, or let it go on. A number on the device: recorded CUDA graphs follow it."""
        self._pace[0] = 0.0 if frozen else 1.0
        self.frozen = frozen

    @property
    def _active(self) -> Tensor:
        return self._pace[0]

    @torch.no_grad()
    def _meet(self, statistics: Statistics, keep: Tensor) -> None:
        """Take the first batch's statistics for the source's, where there are none."""
        above, variance, count = pool(statistics, keep, self.source_mean)
        first = ~self.source_seen & (count > 0)
        self.source_mean.add_(torch.where(first, above, 0))
        self.source_variance.copy_(torch.where(first, variance, self.source_variance))
        for name, value in self.initial_state():
            state = getattr(self, name)
            state.copy_(torch.where(first, value, state))
        self.source_seen.logical_or_(first)

    # --- arithmetic

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised, of its shape and dtype, and learn from it.

        Raises
        ------
        InputError
            If x is not (B, C) or (B, C, ...).
        """
        check_shape(x, self.channels)
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):
                return self._normalise(x)
        return self._normalise(x)

    def _normalise(self, x: Tensor) -> Tensor:
        deviation, statistics = measure(x if x.dim() > 2 else x[:, :, None], working_dtype(x, self.source_mean))
        keep = statistics.usable()
        if self.gate is not None:
            keep = self.gate.open_for(keep)
        if self.needs_source and not self.tracked:
            self._meet(statistics, keep)
        scale, shift = self._affine(*self._moments(statistics, keep, x.shape))
        return apply_affine(deviation, scale, shift).view(x.shape).to(x.dtype)

    def _moments(self, statistics: Statistics, keep: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Return what to normalise each instance by, and learn: a mean, less the instance's centre, and a variance, (B, C) both.

        Parameters
        ----------
        keep
            The instances worth learning from, (B,).
        shape
            Of the input: (B, C) has no statistics of an instance's own.
        """
        raise NotImplementedError

    def _affine(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Return (scale, shift) such that ``x * scale + shift`` normalises by the moments given and applies the affine."""
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale
        return scale, shift if self.bias is None else shift + self.bias

    def _source(self, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """Return the source's moments, for `_moments` to return."""
        return self.source_mean - statistics.centre, self.source_variance

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        # bfloat16 has no digits for steps of a thousandth: state stays in float32 where a network is made narrow.
        wide = {name: value for name, value in self._buffers.items() if value is not None and value.is_floating_point()}
        super()._apply(fn, recurse)
        for name, value in wide.items():
            moved = self._buffers[name]
            if moved is not None and moved.dtype in (torch.float16, torch.bfloat16):
                self._buffers[name] = value.to(moved.device)
        return self

    def extra_repr(self) -> str:
        """Return what is shown between the brackets."""
        return f"{self.channels}, eps={self.eps}"


def _own_tables(module: _BatchNorm) -> _BatchNorm:
    """Give a shallow copy of a module its own dictionaries of parameters, buffers and hooks, and return it."""
    for name, value in vars(module).items():
        if isinstance(value, dict):
            module.__dict__[name] = copy.copy(value)
    return module
