"""Training of an autoencoder on all rows, outliers among them, without labels."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ossicle.training.seeds import generator_for
from ossicle_outliers.direct_step import DirectStep, VectorAdam
from ossicle_outliers.networks import Autoencoder
from ossicle_outliers.scores import bias_parts, variance_of


@dataclass(frozen=True)
class Training:
    """How long and in what portions a network is trained.

    Parameters
    ----------
    epochs
        Passes over the rows.
    steps
        Updates at most, whatever the epochs; None: no limit.
    batch_size
        Rows of an update; None: all. Batches are as equal as they can be, so that no row is left out.
    learning_rate
        Of Adam.
    halve_every
        Epochs after which the rate is halved, again and again.
    held_out
        Share of the rows that is not trained on and tells when to stop; 0: none, and training goes on to its end.
    patience
        Looks at the held-out rows without a better loss after which training stops.
    looks
        How many times the held-out rows are looked at in a whole training.
    """

    epochs: int = 1000
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float = 1e-3
    halve_every: int = 1000
    held_out: float = 0.0
    patience: int = 10
    looks: int = 100


@dataclass
class History:
    """What happened: mean losses by epoch, held-out losses by look, and the step whose weights were kept."""

    loss: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    kept_step: int = 0
    steps: int = 0


def loss_of(network: Autoencoder, rows: Tensor, variance_floor: float) -> Tensor:
    """Return the training loss: mean over rows of the summed squared error, or of APRE with both weights one."""
    mean, raw = network(rows)
    variance = variance_of(raw, variance_floor)
    loss = bias_parts(rows, mean, variance).sum()
    if variance is not None:
        loss = loss + variance.log().sum()
    return loss / len(rows)


def train(
    network: Autoencoder,
    rows: Tensor,
    training: Training,
    *,
    seed: int = 0,
    variance_floor: float = 1e-5,
    watch: Callable[[int, Autoencoder], None] | None = None,
    direct: bool = True,
) -> History:
    """Train a network on rows (n, d) in place; what is drawn depends on the seed alone.

    `watch` is called after every epoch with its number, from 1 on, and the network. Without `direct`, or where a network is made
    of more than linear layers and ReLU, gradients come from autograd: they are the same.
    """
    draw = generator_for(seed, "batches")
    trained, kept = _held_out(rows, training.held_out, draw)
    history = History()
    size = min(training.batch_size or len(trained), len(trained))
    batches = max(1, round(len(trained) / size))
    total = min(training.epochs * batches, training.steps or training.epochs * batches)
    look_every = max(1, total // training.looks)
    step = DirectStep(network, variance_floor) if direct and DirectStep.takes(network) else None
    adam = VectorAdam(step.vector) if step else None
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate, fused=True)
    best, best_state, left = math.inf, None, training.patience
    network.train()
    for epoch in range(1, training.epochs + 1):
        rate = training.learning_rate * 0.5 ** ((epoch - 1) // training.halve_every)
        for group in optimizer.param_groups:
            group["lr"] = rate
        order = torch.randperm(len(trained), generator=draw).to(rows.device) if batches > 1 else None
        for chosen in order.tensor_split(batches) if order is not None else [slice(None)]:
            if step and adam:
                loss = step(trained[chosen])
                adam.step(rate)
            else:
                loss = loss_of(network, trained[chosen], variance_floor)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            history.steps += 1
            if kept is not None and history.steps % look_every == 0:
                found = _look(network, kept, variance_floor)
                history.held_out.append(found)
                if found < best:
                    best, best_state, left = found, copy.deepcopy(network.state_dict()), training.patience
                    history.kept_step = history.steps
                else:
                    left -= 1
            if left <= 0 or history.steps >= total:
                break
        history.loss.append(float(loss.detach()))
        if watch is not None:
            watch(epoch, network)
        if left <= 0 or history.steps >= total:
            break
    if step:
        step.leave()
    if best_state is not None:
        network.load_state_dict(best_state)
    else:
        history.kept_step = history.steps
    network.eval()
    return history


def _held_out(rows: Tensor, share: float, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
    count = int(share * len(rows))
    if count == 0 or len(rows) - count < 2:
        return rows, None
    order = torch.randperm(len(rows), generator=draw).to(rows.device)
    return rows[order[count:]], rows[order[:count]]


@torch.no_grad()
def _look(network: Autoencoder, rows: Tensor, variance_floor: float) -> float:
    network.eval()
    loss = float(loss_of(network, rows, variance_floor))
    network.train()
    return loss
