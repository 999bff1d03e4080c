"""UnMix-TNS as an adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ossicle.errors import ConfigError
from ossicle_unmix_tns.adapters.base import NormAdapter
from ossicle_unmix_tns.components import Start
from ossicle_unmix_tns.layer import UnMixTNS
from ossicle_unmix_tns.mixture import Variance
from ossicle_unmix_tns.norm import AdaptiveNorm
from ossicle_unmix_tns.presets import Preset, preset, published_rate


@dataclass(frozen=True, repr=False)
class UnMixTNSAdapter(NormAdapter):
    """UnMix-TNS in the place of every BatchNorm (Tomar et al., ICLR 2024).

    None means the preset's value. What a setting does is said in `ossicle_unmix_tns.layer.UnMixTNS`.

    Parameters
    ----------
    preset
        ``paper``: as published, to the digit. ``audio``: made good for small networks and streams of hundreds of clips.
    components, alpha, temperature, variance, start, prior
        See `UnMixTNS`.
    batch_size, max_batch_size
        With a constant rate (preset ``paper``): λ = 1 - (1 - m)^(batch_size / max_batch_size), m each BatchNorm's momentum. A horizon needs
        neither.
    seed
        Of the initial noise. Layers draw in the order of ``named_modules`` from one CPU generator, as the published code does from torch's.
    horizon
        Clips after which a component has forgotten two thirds.
    horizon_seconds, window_seconds
        The same in seconds of a stream whose windows follow each other every `window_seconds`.
    rate
        λ itself, instead of a horizon or of batch sizes.

    Raises
    ------
    ConfigError
        If a setting makes no sense.
    """

    preset: str = "audio"
    components: int | None = None
    alpha: float | None = None
    batch_size: int = 64
    max_batch_size: int = 64
    seed: int = 0
    horizon: float | None = None
    horizon_seconds: float | None = None
    window_seconds: float = 1.0
    prior: float | None = None
    rate: float | None = None
    temperature: float | None = None
    variance: Variance | None = None
    start: Start | None = None

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("max_batch_size", self.max_batch_size)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} is {value!r}", why="a batch has at least one clip")
        if not self.window_seconds > 0:
            raise ConfigError(f"window_seconds is {self.window_seconds!r}", why="a window lasts a while")
        if sum(value is not None for value in (self.horizon, self.horizon_seconds, self.rate)) > 1:
            raise ConfigError(
                "more than one of horizon, horizon_seconds and rate", why="each says how fast components move"
            )
        # A layer of one channel finds whatever is wrong with the settings, now and not when a network is at hand.
        self.maker()(torch.nn.BatchNorm1d(1))

    def __repr__(self) -> str:
        given = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name == "preset" or getattr(self, f.name) != f.default
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    @property
    def settings(self) -> Preset:
        """The preset with what was given."""
        horizon = self.horizon if self.horizon_seconds is None else self.horizon_seconds / self.window_seconds
        given = preset(self.preset).with_given(
            components=self.components,
            alpha=self.alpha,
            horizon=horizon,
            prior=self.prior,
            temperature=self.temperature,
            variance=self.variance,
            start=self.start,
        )
        if self.rate is not None:
            return Preset(**{**vars(given), "horizon": None, "prior": self.prior})
        if given.prior is not None and self.prior is None and given.horizon is not None:
            return given.with_given(prior=min(given.prior, given.horizon))
        return given

    @property
    def gated(self) -> bool:
        """Whether clips that are constant are not learnt from."""
        return self.settings.gated

    def maker(self) -> Callable[[_BatchNorm], AdaptiveNorm]:
        """Return what makes the layers."""
        generator = torch.Generator().manual_seed(self.seed)
        settings = self.settings

        def make(bn: _BatchNorm) -> UnMixTNS:
            layer = UnMixTNS(bn, generator=generator, **settings.layer_settings())
            if settings.horizon is None:
                rate = published_rate(layer.momentum, self.batch_size, self.max_batch_size)
                layer.rate = rate if self.rate is None else self.rate
            return layer

        return make
