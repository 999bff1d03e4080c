"""The rivals: what else a BatchNorm's statistics can be at test time, each as published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ossicle.errors import ConfigError
from ossicle_unmix_tns.adapters.base import NormAdapter
from ossicle_unmix_tns.conversion import layers
from ossicle_unmix_tns.gate import TwoPasses
from ossicle_unmix_tns.norm import AdaptiveNorm
from ossicle_unmix_tns.rival_layers import AlphaNorm, BatchMomentsNorm, InstanceAwareNorm, RunningNorm, SourceNorm


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} is {value!r}", why="it is a share, from 0 to 1")


@dataclass(frozen=True)
class Source(NormAdapter):
    """No adaptation: training statistics, in train mode too. What every other adapter is compared with."""

    needs_batch_norm: ClassVar[bool] = False

    def maker(self) -> Callable[[_BatchNorm], AdaptiveNorm]:
        """Return what makes the layers."""
        return SourceNorm


@dataclass(frozen=True)
class TBN(NormAdapter):
    """Every batch normalised by its own statistics (Nado et al., arXiv 2006.10963). Best where batches hold all classes alike."""

    def maker(self) -> Callable[[_BatchNorm], AdaptiveNorm]:
        """Return what makes the layers."""
        return BatchMomentsNorm


@dataclass(frozen=True)
class AlphaBN(NormAdapter):
    """A blend of the batch's statistics with the source's (Schneider et al., NeurIPS 2020).

    Parameters
    ----------
    alpha
        The batch's share.
    """

    alpha: float = 0.1

    def __post_init__(self) -> None:
        _check_share("alpha", self.alpha)

    def maker(self) -> Callable[[_BatchNorm], AdaptiveNorm]:
        """Return what makes the layers."""
        return lambda bn: AlphaNorm(bn, alpha=self.alpha)


@dataclass(frozen=True)
class RBN(NormAdapter):
    """Statistics that follow the stream slowly (RoTTA, Yuan et al., CVPR 2023).

    Parameters
    ----------
    rate
        How far they move with a batch, whatever its size.
    """

    rate: float = 0.05

    def __post_init__(self) -> None:
        _check_share("rate", self.rate)

    def maker(self) -> Callable[[_BatchNorm], AdaptiveNorm]:
        """Return what makes the layers."""
        return lambda bn: RunningNorm(bn, rate=self.rate)


@dataclass(frozen=True)
class EMABN(NormAdapter):
    """Running statistics that go on running: a pass as in training, then one with what it left behind.

    Parameters
    ----------
    momentum
        How far they move with a batch; None: each BatchNorm's own.
    """

    momentum: float | None = None

    def __post_init__(self) -> None:
        _check_share("momentum", 0.0 if self.momentum is None else self.momentum)

    def maker(self) -> Callable[[_BatchNorm], AdaptiveNorm]:
        """Return what makes the layers."""
        return lambda bn: RunningNorm(bn, rate=self.momentum, unbiased=True)

    def adapt(self, model: Any) -> nn.Module:
        """Return a copy of a network that passes everything twice."""
        network = super().adapt(model)
        passes = TwoPasses()
        for layer in layers(network):
            assert isinstance(layer, RunningNorm)
            layer.passes = passes
        network.register_forward_pre_hook(passes, with_kwargs=True)
        return network


@dataclass(frozen=True)
class IABN(NormAdapter):
    """The source's statistics, corrected where an instance is far from them (NOTE, Gong et al., NeurIPS 2022).

    Meant for networks that were trained with it.

    Parameters
    ----------
    k
        How many standard errors count as chance.
    """

    k: float = 4.0

    def __post_init__(self) -> None:
        if not self.k >= 0:
            raise ConfigError(f"k is {self.k!r}", why="it counts standard errors")

    def maker(self) -> Callable[[_BatchNorm], AdaptiveNorm]:
        """Return what makes the layers."""
        return lambda bn: InstanceAwareNorm(bn, k=self.k)
