"""Which clips a step sees: a function of seed and step alone, so that a resumed run goes on with the same."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ossicle.errors import ConfigError
from ossicle.training.seeds import generator_for


class Sampler:
    """Passes over a set in ever new order, cut into batches; a batch larger than the set holds clips more than once.

    Parameters
    ----------
    indices
        The set, (n,) int64.
    batch
        Clips a step.
    seed, name
        Samplers of different names draw independently.
    """

    def __init__(self, indices: Tensor, batch: int, *, seed: int, name: str) -> None:
        if len(indices) == 0 or batch < 1:
            raise ConfigError(f"batches of {batch} {name} clips from {len(indices)}", why="both must be at least 1")
        self._indices, self._batch = indices, batch
        self._order = lru_cache(maxsize=4)(
            lambda epoch: torch.randperm(len(indices), generator=generator_for(seed, "order", name, epoch))
        )

    def batch(self, step: int) -> Tensor:
        """Return a step's clips, (batch,)."""
        at = torch.arange(step * self._batch, (step + 1) * self._batch)
        epochs, places = at // len(self._indices), at % len(self._indices)
        chosen = [self._order(epoch)[place] for epoch, place in zip(epochs.tolist(), places.tolist(), strict=True)]
        return self._indices[torch.stack(chosen)]
