"""The rivals' layers: what else a BatchNorm's statistics can be at test time.

Rows that are constant or not finite do not count. Where a batch has one value a channel, it has no variance: the source's moments serve.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ossicle_unmix_tns.gate import TwoPasses
from ossicle_unmix_tns.norm import AdaptiveNorm
from ossicle_unmix_tns.statistics import Statistics, pool


class SourceNorm(AdaptiveNorm):
    """Training statistics, as a BatchNorm in eval mode; the batch's for one that tracks none."""

    needs_source = False

    def _moments(self, statistics: Statistics, keep: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        return (
            self._source(statistics)
            if self.tracked
            else _to_centres(self, statistics, *_batch(self, statistics, keep, shape)[:2])
        )


class BatchMomentsNorm(AdaptiveNorm):
    """The batch's own statistics, biased variance."""

    needs_source = False

    def _moments(self, statistics: Statistics, keep: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        above, variance, _ = _batch(self, statistics, keep, shape)
        return _to_centres(self, statistics, above, variance)


class AlphaNorm(AdaptiveNorm):
    """A share of the batch's statistics and the rest of the source's; unbiased variance."""

    def __init__(self, bn: _BatchNorm, *, alpha: float = 0.1) -> None:
        super().__init__(bn)
        self.alpha = alpha

    def _moments(self, statistics: Statistics, keep: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        above, variance, unbias = _batch(self, statistics, keep, shape)
        mixed = torch.lerp(self.source_variance.to(variance), variance * unbias, self.alpha)
        return _to_centres(self, statistics, self.alpha * above, mixed)


class RunningNorm(AdaptiveNorm):
    """Statistics that follow the batches' from the source's on: running = (1 - a) running + a batch.

    Parameters
    ----------
    rate
        a; None: the BatchNorm's momentum.
    unbiased
        Whether it follows the unbiased variance, as a BatchNorm in training does, or the biased one.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, bn: _BatchNorm, *, rate: float | None = 0.05, unbiased: bool = False) -> None:
        super().__init__(bn)
        self.rate, self.unbiased = self.momentum if rate is None else rate, unbiased
        self.passes: TwoPasses | None = None
        self.register_buffer("running_mean", self.source_mean.clone())
        self.register_buffer("running_variance", self.source_variance.clone())

    def initial_state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the source's statistics."""
        yield from (("running_mean", self.source_mean), ("running_variance", self.source_variance))

    def _moments(self, statistics: Statistics, keep: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        mean, variance = self.running_mean.to(statistics.centre), self.running_variance.to(statistics.centre)
        collecting = self.passes is not None and self.passes.collecting
        if self.passes is None or collecting:
            above, found, unbias = _batch(self, statistics, keep, shape)
            rate = self.rate * self._active * (keep.any() & _enough(keep, shape))
            mean = mean + rate * (above + self.source_mean - mean)
            variance = variance + rate * (found * (unbias if self.unbiased else 1) - variance)
            with torch.no_grad():
                self.running_mean.copy_(mean)
                self.running_variance.copy_(variance)
            if collecting:
                return _to_centres(self, statistics, above, found)
        return mean - statistics.centre, variance


class InstanceAwareNorm(AdaptiveNorm):
    """The source's statistics, moved towards the instance's by what exceeds chance: k standard errors.

    μ + ψ(m - μ; k sqrt(s / L)) and max(0, σ² + ψ(v - σ²; k s sqrt(2 / (L - 1)))) with soft shrinkage ψ, unbiased v over L positions, and
    s = σ² + ε.
    """

    def __init__(self, bn: _BatchNorm, *, k: float = 4.0) -> None:
        super().__init__(bn)
        self.k = k

    def _moments(self, statistics: Statistics, keep: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        positions = shape[2:].numel()
        if len(shape) == 2 or positions == 1:
            return self._source(statistics)
        mean, variance = self.source_mean.to(statistics.centre), self.source_variance.to(statistics.centre)
        unbiased = statistics.variance * (positions / max(positions - 1, 1))
        error = variance + self.eps
        moved = _shrink(statistics.above(mean), self.k * (error / max(positions, 1)).sqrt())
        wider = _shrink(unbiased - variance, self.k * error * (2 / max(positions - 1, 1)) ** 0.5)
        return (mean - statistics.centre) + moved, (variance + wider).clamp_min(0)


def _shrink(x: Tensor, by: Tensor) -> Tensor:
    return x.sign() * (x.abs() - by).clamp_min(0)


def _enough(keep: Tensor, shape: torch.Size) -> Tensor:
    return keep.sum() * shape[2:].numel() > 1


def _batch(
    layer: AdaptiveNorm, statistics: Statistics, keep: Tensor, shape: torch.Size
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the batch's mean less the source's, its biased variance, and what makes that unbiased; the source's if too small."""
    above, variance, count = pool(statistics, keep, layer.source_mean.to(statistics.centre))
    values, enough = count * shape[2:].numel(), _enough(keep, shape)
    unbias = torch.where(enough, values / (values - 1).clamp_min(1), 1)
    return torch.where(enough, above, 0), torch.where(enough, variance, layer.source_variance.to(variance)), unbias


def _to_centres(layer: AdaptiveNorm, statistics: Statistics, above: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    return above - (statistics.centre - layer.source_mean), variance
