"""A transposed convolution as a few matrix products, whose result lies channels last as the convolutions after it want.

With a kernel of m * rate taps, each output sample sees m input frames, and the samples of one frame differ in their taps
alone: m products of (frames, C) by (C, rate * C') give all of them (the polyphase form; Crochiere and Rabiner, "Multirate
Digital Signal Processing", 1983, chapter 3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from ossicle_istftnet.blocks import SLOPE


def usable(up: nn.ConvTranspose1d) -> bool:
    """Return whether the kernel is whole frames long and as much is cut at either end."""
    kernel, rate = up.kernel_size[0], up.stride[0]
    plain = up.dilation[0] == 1 and up.groups == 1 and up.output_padding[0] == 0
    return plain and kernel % rate == 0 and 2 * int(up.padding[0]) == kernel - rate


class PolyphaseUpsampling:
    """leaky_relu, then a transposed convolution: (B, C, t) to (B, C', t * rate), a view of rows (B, t * rate, C').

    Parameters
    ----------
    up
        Its weights are copied.
    dtype
        Computed in; None is that of the weights.
    activated
        The inputs have been through the leaky ReLU already.
    """

    def __init__(self, up: nn.ConvTranspose1d, *, dtype: torch.dtype | None = None, activated: bool = False) -> None:
        weight = up.weight.detach().to(dtype or up.weight.dtype)
        self._slope = 1.0 if activated else SLOPE
        inputs, self._outputs, size = weight.shape
        self._rate, self._padding = up.stride[0], int(up.padding[0])
        taps = weight.reshape(inputs, self._outputs, size // self._rate, self._rate)
        self._weights = list(taps.permute(2, 0, 3, 1).reshape(taps.shape[2], inputs, -1).contiguous())
        assert up.bias is not None
        self._bias = up.bias.detach().to(weight.dtype).repeat(self._rate)

    def __call__(self, x: Tensor) -> Tensor:
        """Return samples (B, C', t * rate)."""
        batch, channels, frames = x.shape
        reach = len(self._weights) - 1
        rows = pad(x.transpose(1, 2), (0, 0, reach, reach)).reshape(-1, channels)
        if self._slope != 1.0:
            rows = leaky_relu(rows, self._slope)
        out = rows.new_empty(len(rows), self._rate * self._outputs)
        # All items of the batch at once: the rows between two of them are computed and left out below.
        count = max(len(rows) - reach, 0)
        torch.addmm(self._bias, rows[reach : reach + count], self._weights[0], out=out[:count])
        for back, weight in enumerate(self._weights[1:], start=1):
            out[:count].addmm_(rows[reach - back : reach - back + count], weight)
        samples = out.view(batch, (frames + 2 * reach) * self._rate, self._outputs)
        return samples[:, self._padding : self._padding + frames * self._rate].transpose(1, 2)
