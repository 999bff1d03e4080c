"""A plain supervised BatchNorm classifier, the one that adapters then have to keep right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.registry import default_registry
from ossicle.training.seeds import generator_for


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a classifier is trained: AdamW, one cycle of the learning rate, clips shifted in time and nothing else.

    Parameters
    ----------
    epochs
        Passes over the training windows.
    batch
        Windows a step.
    learning_rate, weight_decay
        The highest rate, and the decoupled decay.
    shift
        Largest shift in frames, either way; what leaves at one end comes in at the other.
    """

    epochs: int = 24
    batch: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 5e-4
    shift: int = 4


def train(
    backbone: dict[str, Any],
    x: Tensor,
    y: Tensor,
    config: TrainingConfig,
    *,
    classes: int,
    seed: int,
    say: Callable[[str], None] = lambda text: None,
) -> nn.Module:
    """Return a classifier in evaluation mode.

    Parameters
    ----------
    backbone
        ``name`` of a ``backbone`` component, and its settings.
    x, y
        Standardised log-mels (W, 1, M, T) and labels (W,).
    seed
        Of the weights and of the order.
    """
    settings = dict(backbone)
    network = default_registry().build("backbone", settings.pop("name"), classes=classes, seed=seed, **settings)
    network.train()
    steps = config.epochs * -(-len(x) // config.batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps)
    for epoch in range(config.epochs):
        draw = generator_for(seed, "epoch", epoch)
        total = 0.0
        for rows in torch.randperm(len(x), generator=draw).split(config.batch):
            by = int(torch.randint(-config.shift, config.shift + 1, (), generator=draw))
            loss = nn.functional.cross_entropy(network(x[rows].roll(by, dims=-1)), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            rate.step()
            total += float(loss.detach()) * len(rows)
        say(f"seed {seed}, epoch {epoch + 1}/{config.epochs}: loss {total / len(x):.4f}")
    return network.eval().requires_grad_(False)
