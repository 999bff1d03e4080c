"""What the methods share: their networks, guesses that leave no trace, one forward pass for many batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.errors import ConfigError
from ossicle.protocols import StepOutput, View
from ossicle_semisup.ramps import Progress

MakeNetwork = Callable[[int], Any]
"""Builds a backbone from a seed."""


Factor = float | Tensor
"""A number that changes from step to step; a scalar on the device where the step is a recorded graph."""


class Method(nn.Module):
    """A semi-supervised method with one student; subclasses say which views they need and what the loss is.

    A step is in three parts, so that a graph can record the last: what is drawn (`draws`) and what depends on the step
    (`factors`) are made on the CPU; `compute` neither draws nor asks the device for a value.

    Parameters
    ----------
    make_network
        Builds a backbone from a seed.
    classes
        K.
    seed
        Of the student's weights.
    """

    views: Sequence[View]

    def __init__(self, make_network: MakeNetwork, *, classes: int, seed: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.across: Callable[[Tensor], Tensor] = _alone
        """Mean over the processes that train as one; the trainer sets it."""
        self.student = make_network(seed)

    def loss(self, batch: Mapping[str, Tensor], *, draw: torch.Generator, progress: Progress) -> StepOutput:
        """Return the loss of one step; see `ossicle.protocols.SSLMethod`."""
        rows = {name: len(part) for name, part in batch.items()}
        device = next(iter(batch.values())).device
        drawn = {name: part.to(device) for name, part in self.draws(rows, draw).items()}
        return self.compute(batch, drawn, self.factors(progress))

    def draws(self, rows: Mapping[str, int], draw: torch.Generator) -> dict[str, Tensor]:
        """Return the random numbers of a step whose batches have so many rows, by name, on the CPU."""
        return {}

    def factors(self, progress: Progress) -> dict[str, float]:
        """Return the numbers that change from step to step, by name."""
        return {}

    def compute(
        self, batch: Mapping[str, Tensor], drawn: Mapping[str, Tensor], factors: Mapping[str, Factor]
    ) -> StepOutput:
        """Return the loss of one step, of what `draws` and `factors` gave, on the device."""
        raise NotImplementedError

    def trainable(self) -> list[nn.Parameter]:
        """Return the parameters that the optimizer moves."""
        return [p for p in self.parameters() if p.requires_grad]

    def after_step(self, step: int) -> None:
        """Let teachers follow, after the optimizer's step number `step`."""
        self.follow(self.pace(step))

    def pace(self, step: int) -> float:
        """Return how much of the way to the student a teacher goes after a step, in [0, 1]."""
        return 0.0

    def follow(self, pace: Factor) -> None:
        """Move teachers so much of the way to the student; there are none here."""

    def evaluated(self) -> dict[str, nn.Module]:
        """Return the networks worth evaluating, the one to report first."""
        return {"net": self.student}

    def __repr__(self) -> str:
        views = ", ".join(view.name for view in self.views)
        return f"{type(self).__name__}({self.classes} classes; {views})"


def _alone(value: Tensor) -> Tensor:
    return value


@contextmanager
def without_trace(*networks: nn.Module) -> Iterator[None]:
    """Compute inside without gradients, batch statistics as in training, running statistics untouched."""
    norms = [m for n in networks for m in n.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        with torch.no_grad():
            yield
    finally:
        for norm, tracked in zip(norms, kept, strict=True):
            norm.track_running_stats = tracked


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode inside."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def logits_of(network: nn.Module, views: Sequence[Tensor]) -> Tensor:
    """Return logits (V, U, K) of V views of U clips, by one forward pass that leaves no trace."""
    with without_trace(network):
        return network(torch.cat(list(views))).float().unflatten(0, (len(views), len(views[0])))


def together(call: Callable[[Tensor], Tensor], *batches: Tensor, separate: bool = False) -> list[Tensor]:
    """Return a network's outputs for several batches, by one pass over all rows or one for each."""
    if separate:
        return [call(batch).float() for batch in batches]
    return list(call(torch.cat(batches)).float().split([len(batch) for batch in batches]))


def as_metric(factor: Factor, like: Tensor) -> Tensor:
    """Return a factor as a scalar beside the other metrics."""
    return factor if isinstance(factor, Tensor) else like.new_full((), factor)


def require(condition: bool, what: str) -> None:
    """Raise `ConfigError` where a setting is out of its range."""
    if not condition:
        raise ConfigError(what)
