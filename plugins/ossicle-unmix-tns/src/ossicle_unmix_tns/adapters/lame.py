"""LAME: labels corrected within a batch, the network left as it is."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ossicle.errors import ConfigError
from ossicle_unmix_tns.adapters.base import NormAdapter
from ossicle_unmix_tns.adapters.rivals import Source
from ossicle_unmix_tns.adapters.unmix import UnMixTNSAdapter
from ossicle_unmix_tns.conversion import copied
from ossicle_unmix_tns.laplacian import Affinity, affinities, correct


class LameNetwork(nn.Module):
    """A network whose probabilities are made to agree within each batch; gives their logarithms, (B, K).

    Parameters
    ----------
    network
        A classifier whose last layer's input are its features.
    head
        The path of that layer.
    """

    def __init__(self, network: nn.Module, head: str, affinity: Affinity, neighbours: int) -> None:
        super().__init__()
        self.network, self.head, self.affinity, self.neighbours = network, head, affinity, neighbours

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return log-probabilities (B, K) of (B, ...). Rows that are not finite are left out, and give NaN."""
        seen: list[tuple[Tensor, Tensor]] = []
        head = self.network.get_submodule(self.head)
        hook = head.register_forward_hook(lambda module, given, found: seen.append((given[0], found)))
        try:
            logits = self.network(x)
        finally:
            hook.remove()
        if len(seen) != 1 or seen[0][1] is not logits:
            raise ConfigError(
                f"what {self.head} gives is not what the network gives",
                why="LAME needs the features that logits are made of",
                hint="end the network with a linear layer, or name it `classifier` as ossicle.protocols.Backbone does",
            )
        logs = torch.log_softmax(logits.float(), dim=1)
        features = normalize(seen[0][0].float(), dim=1)
        sound = torch.isfinite(logs).all(dim=1) & torch.isfinite(features).all(dim=1)
        chosen = features[sound]
        corrected = (
            correct(logs[sound].exp(), affinities(chosen, self.affinity, self.neighbours)) if len(chosen) else chosen
        )
        out = torch.full_like(logs, torch.nan)
        if len(chosen):
            out[sound] = corrected.clamp_min(torch.finfo(out.dtype).tiny).log()
        return out


class LameAdapter:
    """LAME over an adapter of normalisation.

    Parameters
    ----------
    inner
        The adapter beneath.
    affinity
        ``knn``, ``rbf`` or ``linear``; see `ossicle_unmix_tns.laplacian.affinities`.
    neighbours
        How many rows are near.
    """

    changes_weights: ClassVar[bool] = False

    def __init__(self, inner: NormAdapter, affinity: Affinity, neighbours: int) -> None:
        if affinity not in ("knn", "rbf", "linear"):
            raise ConfigError(f"affinity is {affinity!r}", why="it is knn, rbf or linear")
        if isinstance(neighbours, bool) or not isinstance(neighbours, int) or neighbours < 1:
            raise ConfigError(f"neighbours is {neighbours!r}", why="it counts rows, one at least")
        self.inner, self.affinity, self.neighbours = inner, affinity, neighbours

    def __repr__(self) -> str:
        return f"{type(self).__name__}(affinity={self.affinity!r}, neighbours={self.neighbours}, inner={self.inner!r})"

    def adapt(self, model: Any) -> nn.Module:
        """Return a copy of a network that corrects itself within each batch; see `ossicle.protocols.Adapter`.

        Raises
        ------
        ConfigError
            If no linear layer could end it.
        """
        network = self.inner.adapt(model)
        return LameNetwork(network, _head(network), self.affinity, self.neighbours)

    def restore(self, model: LameNetwork) -> nn.Module:
        """Return a plain copy of what `adapt` gave: the network as it was before."""
        return self.inner.restore(copied(model.network))

    def reset(self, model: LameNetwork) -> None:
        """Put the state back to what it was right after `adapt`; LAME itself has none."""
        self.inner.reset(model.network)

    def freeze(self, model: LameNetwork, frozen: bool = True) -> None:
        """Stop the state beneath from changing, or let it go on."""
        self.inner.freeze(model.network, frozen)


def _head(network: nn.Module) -> str:
    if isinstance(getattr(network, "classifier", None), nn.Module):
        return "classifier"
    linear = [path for path, module in network.named_modules() if isinstance(module, nn.Linear) and path]
    if not linear:
        raise ConfigError(
            f"{type(network).__name__} has no linear layer",
            why="LAME needs the features that logits are made of, the input of a last linear layer",
            hint="use a network as ossicle.protocols.Backbone describes it, or another adapter",
        )
    return linear[-1]


class Lame(LameAdapter):
    """LAME (Boudiaf et al., CVPR 2022): the network as it is, labels corrected within each batch.

    Good where neighbours in a batch share labels; 30 to 98 % wrong where they do not.
    """

    def __init__(self, *, affinity: Affinity = "knn", neighbours: int = 5) -> None:
        super().__init__(Source(), affinity, neighbours)


class UnMixTNSLame(LameAdapter):
    """LAME's correction over UnMix-TNS; `settings` are `UnMixTNSAdapter`'s."""

    def __init__(self, *, affinity: Affinity = "knn", neighbours: int = 5, **settings: Any) -> None:
        super().__init__(UnMixTNSAdapter(**settings), affinity, neighbours)
