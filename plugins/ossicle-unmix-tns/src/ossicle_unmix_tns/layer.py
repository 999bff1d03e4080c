"""UnMix-TNS: normalisation by a mixture of components that follow the stream, each instance by its own share of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ossicle.errors import ConfigError
from ossicle_unmix_tns import fast
from ossicle_unmix_tns.components import Start, draw_noise, spread
from ossicle_unmix_tns.mixture import Variance, add_exactly, assign, collapse, forget, pull
from ossicle_unmix_tns.norm import AdaptiveNorm
from ossicle_unmix_tns.statistics import Statistics, check_shape, measure, working_dtype


class UnMixTNS(AdaptiveNorm):
    """Un-Mixing Test-Time Normalization Statistics, for (B, C, L) and (B, C, H, W); the source statistics for (B, C).

    Tomar, Vray, Thiran and Bozorgtabar (ICLR 2024, arXiv 2401.08328). K components of means and variances start around a
    BatchNorm's statistics. An instance is compared with each by the cosine of means, mixed with each by its softmax share, and
    normalised by the moments of all K mixtures together; then every component moves towards the instances in proportion to their shares.
    So neither the order of labels nor the size of a batch decides what is normalised by. Gradients flow into the input through its
    statistics, and into the affine parameters; none flow into shares or components.

    An instance whose statistics are not finite is normalised but not learnt from. Each rank of a distributed run adapts by itself.

    Parameters
    ----------
    bn
        The BatchNorm it stands for; `from_batch_norm` copies it first.
    components
        K. More components hold more kinds of sound apart, and move more slowly at a given rate; 16 as published, 128 for mixed domains.
    alpha
        Share of the source variance that lies between components, in [0, 1]; 0.5 as published. Less keeps them nearer to the source.
    rate
        λ of a call: components move by λ times the batch's mean of p (m - M), whatever its size. None: the BatchNorm's momentum,
        which is the published λ for a batch as large as the largest.
    horizon
        Instances after which a component has forgotten two thirds, if all are used alike; instead of a rate. Then it does not matter how
        a stream is cut into batches.
    prior
        With a horizon: how many instances the source counts as at the start, at most the horizon, which is the default. Fewer:
        the first instances move components faster.
    temperature
        Of the softmax over cosines; 0.07 as published. Higher: components share instances more evenly.
    variance
        ``paper`` or ``total``; see `ossicle_unmix_tns.mixture.collapse`.
    start
        ``gaussian`` or ``matched``; see `ossicle_unmix_tns.components.draw_noise`.
    generator
        Of the initial noise; None: a new one with seed 0.

    Raises
    ------
    ConfigError
        If a setting makes no sense, or `bn` cannot be replaced.
    """

    means: Tensor
    means_rest: Tensor
    variances: Tensor
    counts: Tensor
    _initial_means: Tensor
    _initial_variances: Tensor
    _noise: Tensor

    def __init__(
        self,
        bn: _BatchNorm,
        *,
        components: int = 16,
        alpha: float = 0.5,
        rate: float | None = None,
        horizon: float | None = None,
        prior: float | None = None,
        temperature: float = 0.07,
        variance: Variance = "paper",
        start: Start = "gaussian",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(bn)
        check_settings(components, alpha, rate, horizon, prior, temperature, variance)
        self.temperature, self.variance_form = temperature, variance
        self.horizon, self.prior = horizon, horizon if prior is None else prior
        self.alpha = 0.0 if components == 1 else alpha
        noise = draw_noise(components, self.channels, start, generator)
        means, variances = spread(self.source_mean, self.source_variance, noise.to(self.source_mean.device), alpha)
        self.register_buffer("means", means)
        self.register_buffer("variances", variances)
        self.register_buffer("means_rest", torch.zeros_like(means))
        self.register_buffer("_initial_means", means.clone(), persistent=False)
        self.register_buffer("_initial_variances", variances.clone(), persistent=False)
        if not self.tracked:
            self.register_buffer("_noise", noise.to(means.device), persistent=False)
        if horizon is not None:
            self.register_buffer("counts", self._first_counts())
        self._rate = float(self.momentum if rate is None else rate)
        self._pace[1] = self._rate

    @property
    def rate(self) -> float | None:
        """λ of a call, the specification's; None where a horizon rules. Can be set, and then rules itself."""
        return self._rate if self.horizon is None else None

    @rate.setter
    def rate(self, value: float) -> None:
        check_settings(len(self.means), self.alpha, float(value), None, None, self.temperature, self.variance_form)
        self._rate, self.horizon = float(value), None
        self._pace[1] = self._rate

    def initial_state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield components as first drawn."""
        if self.tracked:
            yield from (("means", self._initial_means), ("variances", self._initial_variances))
        else:
            yield from zip(
                ("means", "variances"),
                spread(self.source_mean, self.source_variance, self._noise, self.alpha),
                strict=True,
            )
        yield "means_rest", torch.zeros_like(self.means)
        if self.horizon is not None:
            yield "counts", self._first_counts()

    def _normalise(self, x: Tensor) -> Tensor:
        y = fast.forward(self, x)
        return super()._normalise(x) if y is None else y

    def _moments(self, statistics: Statistics, keep: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        if len(shape) == 2:
            return self._source(statistics)
        dtype = statistics.centre.dtype
        means, spreads = self.means.to(dtype), self.variances.to(dtype)
        origin = means.mean(dim=0)
        apart = (means - origin) + self.means_rest.to(dtype)
        share = assign(statistics.centre + statistics.rest, means, self.temperature)
        moments = collapse(statistics, origin, share, apart, spreads, self.variance_form)
        self._learn(*pull(statistics, origin, share, keep, apart, spreads), keep)
        return moments

    @torch.no_grad()
    def _learn(self, towards: Tensor, wider: Tensor, weight: Tensor, keep: Tensor) -> None:
        if self.horizon is None:
            step = self._pace[1] / keep.sum().clamp_min(1)
        else:
            step, growth = forget(self.counts[:, None], weight, self.most)
            self.counts.add_(self._active * growth[:, 0])
        step = step * self._active
        means, rest = add_exactly(self.means, self.means_rest, step * towards)
        self.means.copy_(means)
        self.means_rest.copy_(rest)
        self.variances.add_(step * wider)

    @property
    def most(self) -> float:
        """How many instances a component counts for at most, where a horizon rules."""
        assert self.horizon is not None
        return self.horizon / len(self.means)

    @torch.no_grad()
    def assignments(self, x: Tensor) -> Tensor:
        """Return each component's share of each instance, (B, K), for (B, C, ...), without learning: how components are used."""
        check_shape(x, self.channels)
        dtype = working_dtype(x, self.means)
        _, statistics = measure(x[:, :, None] if x.dim() == 2 else x, dtype)
        return assign(statistics.centre + statistics.rest, self.means.to(dtype), self.temperature).to(dtype)

    def _first_counts(self) -> Tensor:
        assert self.prior is not None
        return torch.full(
            (len(self.means),), self.prior / len(self.means), dtype=self.means.dtype, device=self.means.device
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        self._pace[1] = self._rate  # float64 gets all its digits
        return self

    def extra_repr(self) -> str:
        """Return what is shown between the brackets."""
        pace = f"rate={self._rate:.4g}" if self.horizon is None else f"horizon={self.horizon:g}, prior={self.prior:g}"
        return f"{super().extra_repr()}, components={len(self.means)}, alpha={self.alpha:g}, {pace}, temperature={self.temperature:g}"


def check_settings(
    components: int,
    alpha: float,
    rate: float | None,
    horizon: float | None,
    prior: float | None,
    temperature: float,
    variance: str,
) -> None:
    """Raise ConfigError where a setting of `UnMixTNS` is out of its range, or two contradict each other."""

    def ask(good: bool, what: str, why: str) -> None:
        if not good:
            raise ConfigError(what, why=why)

    whole = isinstance(components, int) and not isinstance(components, bool)
    ask(whole and components >= 1, f"{components!r} components", "there is at least one, a whole number")
    ask(0 <= alpha <= 1, f"alpha is {alpha!r}", "it is a share of the variance, from 0 to 1")
    ask(
        rate is None or 0 <= rate <= 1, f"rate is {rate!r}", "components move by a share of their distance, from 0 to 1"
    )
    ask(horizon is None or horizon > 0, f"horizon is {horizon!r}", "it counts instances")
    ask(rate is None or horizon is None, "both a rate and a horizon", "each says how fast components move")
    ask(
        prior is None or (horizon is not None and 0 < prior <= horizon),
        f"prior is {prior!r}",
        "it counts instances, is above 0 and at most the horizon, and means nothing without one",
    )
    ask(temperature > 0, f"temperature is {temperature!r}", "it divides similarities, so it is above 0")
    ask(variance in ("paper", "total"), f"variance is {variance!r}", "it is paper or total")
