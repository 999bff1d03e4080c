"""Mean and variance of an instance, per channel, exact where the mean is a thousand times the deviation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ossicle.errors import InputError


class Statistics(NamedTuple):
    """Means and biased variances over all positions of each instance and channel, each (B, C).

    A mean is the sum of two numbers: near 1000, float32 has no digits left for the deviation that matters.

    Parameters
    ----------
    centre
        The mean as far as one number holds it; no gradient flows through it.
    rest
        What is left of the mean after `centre`.
    variance
        Biased: divided by the number of positions.
    """

    centre: Tensor
    rest: Tensor
    variance: Tensor

    def above(self, origin: Tensor) -> Tensor:
        """Return the means less an origin (C,): exact if the origin is near."""
        return (self.centre - origin) + self.rest

    def usable(self) -> Tensor:
        """Return for each instance, (B,), whether all its statistics are finite numbers."""
        return torch.isfinite(self.rest).all(dim=1) & torch.isfinite(self.variance).all(dim=1)


def working_dtype(x: Tensor, state: Tensor) -> torch.dtype:
    """Return the dtype that statistics are computed in: the wider of input and state, float32 at least."""
    return torch.promote_types(torch.promote_types(x.dtype, state.dtype), torch.float32)


def check_shape(x: Tensor, channels: int) -> None:
    """Raise InputError unless x is (B, C) or (B, C, ...) of real numbers."""
    if x.dim() < 2 or x.shape[1] != channels:
        raise InputError(
            f"input of shape {tuple(x.shape)}",
            why=f"this layer normalises (B, {channels}), (B, {channels}, L) and (B, {channels}, H, W)",
            hint="give instances first and channels second",
        )
    if not x.is_floating_point():
        raise InputError(
            f"input of dtype {x.dtype}", why="statistics are of real numbers", hint="convert it to float32"
        )


def measure(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Statistics]:
    """Return x less its centre, of x's shape, and the statistics of every instance and channel.

    Parameters
    ----------
    x
        (B, C, ...), at least one dimension after the channels.
    dtype
        Of the results; see `working_dtype`.
    """
    over = tuple(range(2, x.dim()))
    x = x.to(dtype)
    centre = x.mean(dim=over, keepdim=True).detach()
    deviation = x - centre
    rest = deviation.mean(dim=over)
    # The variance about the centre, less the centre's own error: no difference of large numbers.
    if torch.compiler.is_compiling() or deviation.requires_grad:
        square = deviation.square().mean(dim=over)  # a compiler fuses it, and a gradient needs it
    else:
        square = torch.linalg.vector_norm(deviation, dim=over).square() / max(x.shape[2:].numel(), 1)
    return deviation, Statistics(centre.flatten(1), rest, square - rest.square())


def pool(statistics: Statistics, keep: Tensor, origin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean less an origin (C,), biased variance (C,) and number of the instances that count, as if they were one.

    Their variance is the mean of their variances and the variance of their means: the law of total variance.

    Parameters
    ----------
    keep
        Which instances count, (B,). Where none does, all is zero.
    origin
        (C,), near the means.
    """
    rows = keep[:, None]
    count = keep.sum()
    above = torch.where(rows, statistics.above(origin), 0)
    middle = above.sum(dim=0) / count.clamp_min(1)
    within = torch.where(rows, statistics.variance + (above - middle).square(), 0)
    return middle, within.sum(dim=0) / count.clamp_min(1), count


def apply_affine(deviation: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return ``deviation * scale + shift`` with (B, C) numbers, in the deviation's own memory where no gradient needs it."""
    rest = (1,) * (deviation.dim() - 2)
    scale, shift = scale.expand(deviation.shape[:2]).unflatten(1, (-1, *rest)), shift.unflatten(1, (-1, *rest))
    if torch.compiler.is_compiling() or (torch.is_grad_enabled() and (deviation.requires_grad or scale.requires_grad)):
        return deviation * scale + shift
    return torch.addcmul(shift, deviation, scale, out=deviation)
