"""The generator's layers in fused form: channels last, bias and skip and activation in one pass after each convolution.

Told how many frames are real, it computes them as if the padding after them were not there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from ossicle_istftnet.blocks import SLOPE, ResBlock1
from ossicle_istftnet.generator import FINAL_SLOPE, Generator
from ossicle_istftnet.upsampling import PolyphaseUpsampling, usable

Epilogue = Callable[..., Tensor]
"""`ossicle_istftnet.cuda.epilogue.epilogue`, plain or fused."""


def fits(generator: Generator) -> bool:
    """Return whether every up-sampling has the form that this body computes."""
    return all(usable(up) for up in generator.ups)  # type: ignore[arg-type]


class FusedBody:
    """What `Generator.channels` computes, (B, M, T) to (B, output_channels, F).

    Parameters
    ----------
    generator
        In float32, on the device; its weights are copied.
    dtype
        Of the body; the last convolution stays in float32, because an exponential comes after it.
    epilogue
        Computes what stands between two convolutions.
    """

    def __init__(self, generator: Generator, dtype: torch.dtype, epilogue: Epilogue) -> None:
        self._epilogue, self._dtype = epilogue, dtype
        self._has_istft = generator.config.has_istft
        self._pre = _Convolution(generator.conv_pre, dtype)
        self._ups = [PolyphaseUpsampling(up, dtype=dtype, activated=True) for up in generator.ups]  # type: ignore[arg-type]
        self._rates = generator.config.upsample_rates
        self._stages = [[_pairs(b, dtype) for b in generator.blocks(i)] for i in range(len(generator.ups))]
        self._post = _Convolution(generator.conv_post, torch.float32)

    def frames_out(self, frames: int) -> int:
        """Return how many of the channels' frames belong to so many mel frames."""
        for rate in self._rates:
            frames *= rate
        return frames + 1 if self._has_istft else frames

    @torch.no_grad()
    def __call__(self, mel: Tensor, frames: Tensor | None = None) -> Tensor:
        """Return channels of mels.

        Parameters
        ----------
        mel
            (B, M, T); zero from `frames` on.
        frames
            How many frames are real, one int32 on the device, the same for the whole batch; None: all. Of the result,
            the first `frames_out` of them are what the real frames alone would give.
        """
        (active,) = self._epilogue(self._pre(mel.to(self._dtype)), self._pre.bias, slope=SLOPE, frames=frames)
        rate = 1
        for index, (up, blocks) in enumerate(zip(self._ups, self._stages, strict=True)):
            rate *= self._rates[index]
            source, ready = self._epilogue(up(active), slope=SLOPE, keep=True, frames=frames, rate=rate)
            slope = FINAL_SLOPE if index + 1 == len(self._ups) else SLOPE
            total: Tensor | None = None
            for number, pairs in enumerate(blocks):
                last = number + 1 == len(blocks)
                factor = 1 / len(blocks) if last else 1.0
                total = self._block(pairs, source, ready, total, factor, slope if last else 1.0, frames, rate)
            assert total is not None
            active = total
        active = active.float()
        if self._has_istft:
            active = torch.cat([active[:, :, 1:2], active], dim=2)
        return self._post(active) + self._post.bias[:, None]

    def _block(
        self,
        pairs: list[tuple[_Convolution, _Convolution | None]],
        held: Tensor,
        ready: Tensor,
        total: Tensor | None,
        factor: float,
        slope: float,
        frames: Tensor | None,
        rate: int,
    ) -> Tensor:
        for step, (first, second) in enumerate(pairs):
            y, bias = first(ready), first.bias
            if second is not None:
                (between,) = self._epilogue(y, bias, slope=SLOPE, frames=frames, rate=rate)
                y, bias = second(between), second.bias
            if step + 1 < len(pairs):
                held, ready = self._epilogue(y, bias, held, slope=SLOPE, keep=True, frames=frames, rate=rate)
        (out,) = self._epilogue(y, bias, held, total, factor, slope, frames=frames, rate=rate)
        return out


class _Convolution:
    """A convolution (B, C, t) without its bias, channels last."""

    def __init__(self, conv: nn.Conv1d, dtype: torch.dtype) -> None:
        assert conv.bias is not None
        weight = conv.weight.detach().to(dtype)[:, :, None]
        self._weight = weight.contiguous(memory_format=torch.channels_last)
        self._padding, self._dilation = (0, int(conv.padding[0])), (1, int(conv.dilation[0]))
        self.bias = conv.bias.detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        # (B, t, C) rows are a channels-last image of one line.
        image = x[:, :, None].contiguous(memory_format=torch.channels_last)
        return conv2d(image, self._weight, padding=self._padding, dilation=self._dilation)[:, :, 0]


def _pairs(block: nn.Module, dtype: torch.dtype) -> list[tuple[_Convolution, _Convolution | None]]:
    def made(conv: nn.Module) -> _Convolution:
        assert isinstance(conv, nn.Conv1d)
        return _Convolution(conv, dtype)

    if isinstance(block, ResBlock1):
        return [(made(a), made(b)) for a, b in zip(block.convs1, block.convs2, strict=True)]
    return [(made(conv), None) for conv in block.convs]  # type: ignore[union-attr]
