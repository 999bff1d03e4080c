"""A small classifier for tests: what methods train and adapters adapt."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 4


class SmallClassifier(nn.Module):
    """A network as `ossicle.protocols.Backbone` describes it: (B, 1, M, T) to logits (B, K), BatchNorms of 4-D and 2-D input."""

    n_features = 12

    def __init__(self, classes: int = CLASSES, *, seed: int = 0) -> None:
        super().__init__()
        self.config = {"classes": classes, "seed": seed}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv1, self.norm1 = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
            self.conv2, self.norm2 = nn.Conv2d(6, 12, 3, stride=2), nn.BatchNorm2d(12)
            self.norm3, self.classifier = nn.BatchNorm1d(12), nn.Linear(12, classes)

    def features(self, x: Tensor) -> Tensor:
        """Return (B, 12)."""
        x = torch.relu(self.norm1(self.conv1(x)))
        return self.norm3(torch.relu(self.norm2(self.conv2(x))).mean(dim=(2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K)."""
        return self.classifier(self.features(x))


def make_network(seed: int = 0) -> SmallClassifier:
    """Return a network of `CLASSES` classes: what a semi-supervised method is given to build its own."""
    return SmallClassifier(CLASSES, seed=seed)
