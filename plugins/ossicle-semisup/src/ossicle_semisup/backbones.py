"""The audio Wide-ResNet and its small kin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ossicle.errors import ConfigError


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, activated after the sum (He et al., "Deep residual learning", 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', M', T') of (B, C, M, T)."""
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.shortcut(x)
        return torch.relu_(y)


class AudioWideResNet(nn.Module):
    """Wide-ResNet on log-mels, with a stem that halves both axes: (B, 1, M, T) to logits (B, K).

    The audio variant of Cances, Labbé and Pellegrini (2022): post-activation blocks of 32, 64 and 128 channels.

    Parameters
    ----------
    classes
        K.
    width
        Channels are 16, 32 and 64 times this.
    blocks
        Residual blocks a stage; 4 with width 2 is the paper's network of depth 28.
    seed
        Of the initial weights; torch's global random numbers stay as they are.
    """

    def __init__(self, classes: int, *, width: int = 2, blocks: int = 4, seed: int = 0) -> None:
        if classes < 1 or width < 1 or blocks < 1:
            raise ConfigError(
                f"a network of {classes} classes, width {width}, {blocks} blocks", why="all are at least 1"
            )
        super().__init__()
        self.config: dict[str, int] = {"classes": classes, "width": width, "blocks": blocks}
        channels: Sequence[int] = [16 * width, 32 * width, 64 * width]
        # Layers draw weights as they are made, from the global generator: they are drawn again below.
        with torch.random.fork_rng(devices=[]):
            self.stem = nn.Sequential(
                nn.Conv2d(1, channels[0], 3, 1, 1, bias=False),
                nn.BatchNorm2d(channels[0]),
                # The maximum of what is positive is what is positive of the maximum, at a quarter of the work.
                nn.MaxPool2d(3, 2, 1),
                nn.ReLU(inplace=True),
            )
            stages, inputs = [], channels[0]
            for stage, outputs in enumerate(channels):
                for block in range(blocks):
                    stages.append(BasicBlock(inputs, outputs, 2 if stage and not block else 1))
                    inputs = outputs
            self.stages = nn.Sequential(*stages)
            self.classifier = nn.Linear(inputs, classes)
        self.n_features = inputs
        self._initialise(torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def _initialise(self, draw: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=draw)
        bound = self.n_features**-0.5
        self.classifier.weight.uniform_(-bound, bound, generator=draw)
        self.classifier.bias.uniform_(-bound, bound, generator=draw)

    def features(self, x: Tensor) -> Tensor:
        """Return pooled features (B, n_features) of log-mels (B, 1, M, T)."""
        return self.stages(self.stem(x)).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) of log-mels (B, 1, M, T)."""
        return self.classifier(self.features(x))


class NarrowAudioResNet(AudioWideResNet):
    """The same with width 1 and two blocks a stage, for CPUs: about 175,000 parameters."""

    def __init__(self, classes: int, *, seed: int = 0) -> None:
        super().__init__(classes, width=1, blocks=2, seed=seed)
        self.config = {"classes": classes}


class TinyAudioResNet(AudioWideResNet):
    """The same with width 1 and one block a stage, for tests and minutes on a CPU: about 78,000 parameters."""

    def __init__(self, classes: int, *, seed: int = 0) -> None:
        super().__init__(classes, width=1, blocks=1, seed=seed)
        self.config = {"classes": classes}
