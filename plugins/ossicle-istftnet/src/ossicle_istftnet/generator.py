"""The generator of HiFi-GAN and iSTFTNet, with the parameter names of the public checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from ossicle_istftnet.blocks import SLOPE, ResBlock1, ResBlock2
from ossicle_istftnet.config import GeneratorConfig
from ossicle_istftnet.head import FullPhaseHead, SineHead, TanhHead, check_frames

Stage = Callable[[Tensor], Tensor]
"""Part of a stage, however it is computed: its up-sampling, or the mean of its residual blocks; (B, C, t) to (B, C', t')."""

FINAL_SLOPE = 0.01
"""The last leaky ReLU has PyTorch's default slope in every published checkpoint, unlike the others."""


class Generator(nn.Module):
    """Mel spectrogram to samples.

    Sources: Kong, Kim and Bae, "HiFi-GAN" (2020); Kaneko et al., "iSTFTNet" (2022), figure 1.
    Weights start as PyTorch's convolutions do: the published code's own initialisation is undone by its weight norm.

    Parameters
    ----------
    config
        The layers.
    generator
        Source of the initial weights; None is one of seed 0, for networks whose weights a checkpoint brings.
        torch's global random numbers stay as they are.
    """

    def __init__(self, config: GeneratorConfig, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        channels = config.upsample_initial_channel
        # Layers draw weights as they are made, from the global generator: they are drawn again below.
        with torch.random.fork_rng(devices=[]):
            self.conv_pre = nn.Conv1d(config.n_mels, channels, 7, padding=3)
            self.ups = nn.ModuleList()
            self.resblocks = nn.ModuleList()
            block = ResBlock1 if config.resblock == "1" else ResBlock2
            for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
                self.ups.append(nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2))
                channels //= 2
                for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                    self.resblocks.append(block(channels, size, dilations))
            self.conv_post = nn.Conv1d(channels, config.output_channels, 7, padding=3)
        self.head = self._make_head()
        if not self.conv_pre.weight.is_meta:
            self._initialise(generator or torch.Generator().manual_seed(0))

    def _make_head(self) -> nn.Module:
        n_fft, hop = self.config.istft_n_fft, self.config.istft_hop
        if n_fft is None or hop is None:
            return TanhHead()
        return FullPhaseHead(n_fft, hop) if self.config.phase == "full" else SineHead(n_fft, hop)

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        for module in self._convolutions():
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
            if module.bias is not None:
                fan_in = module.weight[0].numel()
                module.bias.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)

    def channels(
        self, mel: Tensor, *, stages: Sequence[Stage] | None = None, ups: Sequence[Stage] | None = None
    ) -> Tensor:
        """Return what the head takes, (B, output_channels, F), of mels (B, M, T).

        Each layer runs in its own weights' dtype: a narrow body may end in a wide last convolution. `ups` compute the
        activated up-samplings, `stages` the residual blocks after each of them, in another way.
        """
        x = self.conv_pre(mel.to(self.conv_pre.weight.dtype))
        for index in range(len(self.ups)):
            x = self.upsampled(index, x) if ups is None else ups[index](x)
            x = self.mean_of_blocks(index, x) if stages is None else stages[index](x)
        x = leaky_relu(x, FINAL_SLOPE)
        if self.config.has_istft:
            check_frames(mel.shape[2], x.shape[2])
            # One more frame at the left gives the centre-trimmed inverse STFT exactly T * hop_length samples.
            x = pad(x, (1, 0), mode="reflect")
        return self.conv_post(x.to(self.conv_post.weight.dtype))

    def blocks(self, stage: int) -> nn.ModuleList:
        """Return the parallel residual blocks after an up-sampling."""
        count = len(self.config.resblock_kernel_sizes)
        return self.resblocks[stage * count : (stage + 1) * count]

    def upsampled(self, stage: int, x: Tensor) -> Tensor:
        """Return a stage's activated up-sampling, (B, C', t * rate) of (B, C, t)."""
        return self.ups[stage](leaky_relu(x, SLOPE))

    def mean_of_blocks(self, stage: int, x: Tensor) -> Tensor:
        """Return the mean of a stage's residual blocks, (B, C, t) of (B, C, t)."""
        first, *others = self.blocks(stage)
        total = first(x)
        for block in others:
            total = total + block(x)
        return total / (1 + len(others))

    def forward(self, mel: Tensor) -> Tensor:
        """Return samples (B, N) of natural-log mels (B, M, T); N = T * hop_length where every kernel - rate is even."""
        return self.head(self.channels(mel))

    def add_weight_norm(self) -> Generator:
        """Train with weights as direction and length, per output channel (input channel where transposed)."""
        for module in self._convolutions():
            weight_norm(module)
        return self

    def fold_weight_norm(self) -> Generator:
        """Put the normalized weights in place of their two factors."""
        for module in self._convolutions():
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight")
        return self

    def _convolutions(self) -> list[nn.Conv1d | nn.ConvTranspose1d]:
        return [m for m in self.modules() if isinstance(m, (nn.Conv1d, nn.ConvTranspose1d))]
