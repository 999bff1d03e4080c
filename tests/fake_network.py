"""A backbone for tests of classification: no training needed, it hears whether a sound is low or high."""

import torch
from torch import nn


class LowOrHigh(nn.Module):
    """Compares the lower half of the mels with the upper one: two features, two logits."""

    n_features = 2

    def __init__(self, classes: int = 2, *, seed: int = 0):
        super().__init__()
        self.config = {"classes": classes}
        self.classifier = nn.Linear(2, classes)
        with torch.no_grad():
            self.classifier.weight.copy_(torch.eye(classes, 2))
            self.classifier.bias.zero_()

    def features(self, x):
        half = x.shape[2] // 2
        return torch.stack([x[:, 0, :half].mean(dim=(1, 2)), x[:, 0, half:].mean(dim=(1, 2))], dim=1)

    def forward(self, x):
        return self.classifier(self.features(x))
