"""A generator that takes mels piece by piece and gives the samples of one run over everything.

Every layer keeps the inputs that later outputs still need, so nothing is computed twice and samples appear as soon as they
are determined: `receptive_field` frames after their own. Sources: none; this is bookkeeping over the published layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv_transpose1d, leaky_relu

from ossicle.errors import MelError
from ossicle_istftnet.blocks import SLOPE, ResBlock1
from ossicle_istftnet.generator import FINAL_SLOPE, Generator
from ossicle_istftnet.head import check_frames

Convolve = Callable[[Tensor], Tensor]
"""A convolution without padding: (B, C, n) to (B, C', n - reach)."""


def plain_convolve(conv: nn.Conv1d) -> Convolve:
    """Return a layer's convolution without its padding, in plain torch."""
    return lambda x: conv1d(x, conv.weight, conv.bias, dilation=conv.dilation)


class Layer(Protocol):
    """Takes (B, C, n) pieces and returns what is determined so far; `last` says that nothing follows."""

    def __call__(self, x: Tensor, *, last: bool) -> Tensor:
        """Return the next outputs, possibly none."""
        ...


class Convolution:
    """A convolution with zero padding at the true ends only."""

    def __init__(self, conv: nn.Conv1d, convolve: Convolve) -> None:
        self._convolve = convolve
        self._out_channels = conv.out_channels
        self._padding = int(conv.padding[0])
        self._reach = (conv.kernel_size[0] - 1) * conv.dilation[0]
        self._kept: Tensor | None = None

    def __call__(self, x: Tensor, *, last: bool) -> Tensor:
        """Return the outputs that all inputs are known for."""
        kept = x.new_zeros(*x.shape[:2], self._padding) if self._kept is None else self._kept
        parts = [kept, x, x.new_zeros(*x.shape[:2], self._padding)] if last else [kept, x]
        whole = torch.cat(parts, dim=2)
        ready = whole.shape[2] - self._reach
        if ready <= 0:
            self._kept = whole
            return x.new_zeros(x.shape[0], self._out_channels, 0)
        # A copy: a view would keep the whole piece alive.
        self._kept = whole[:, :, ready:].clone()
        return self._convolve(whole)


class TransposedConvolution:
    """An up-sampling convolution: what later inputs add to is held back."""

    def __init__(self, conv: nn.ConvTranspose1d) -> None:
        self._conv = conv
        self._rate, self._kernel = conv.stride[0], conv.kernel_size[0]
        self._to_trim = int(conv.padding[0])
        self._tail: Tensor | None = None

    def __call__(self, x: Tensor, *, last: bool) -> Tensor:
        """Return the outputs that no later input adds to."""
        conv, held = self._conv, self._kernel - self._rate
        tail = x.new_zeros(x.shape[0], conv.out_channels, held) if self._tail is None else self._tail
        if x.shape[2]:
            full = conv_transpose1d(x, conv.weight, None, stride=self._rate)
            full[:, :, :held] += tail
        else:
            full = tail
        ready = x.shape[2] * self._rate
        self._tail = full[:, :, ready:].clone()
        out = full[:, :, : full.shape[2] - int(conv.padding[0])] if last else full[:, :, :ready]
        if conv.bias is not None:
            out = out + conv.bias[:, None]
        trimmed = min(self._to_trim, out.shape[2])
        self._to_trim -= trimmed
        return out[:, :, trimmed:]


class Queue:
    """Holds what one path has given until the other has caught up."""

    def __init__(self) -> None:
        self._held: Tensor | None = None

    def push(self, x: Tensor) -> int:
        """Take more in and return how much is held."""
        self._held = x if self._held is None else torch.cat([self._held, x], dim=2)
        return self._held.shape[2]

    def pop(self, count: int) -> Tensor:
        """Return the oldest `count`."""
        assert self._held is not None
        out, self._held = self._held[:, :, :count], self._held[:, :, count:]
        return out


class Residual:
    """x + body(x), where the body lags behind."""

    def __init__(self, *body: Layer) -> None:
        self._body = body
        self._skip = Queue()

    def __call__(self, x: Tensor, *, last: bool) -> Tensor:
        """Return the sums that the body has come to."""
        self._skip.push(x)
        for layer in self._body:
            x = layer(leaky_relu(x, SLOPE), last=last)
        return self._skip.pop(x.shape[2]) + x


class Mean:
    """The mean of parallel blocks that lag differently."""

    def __init__(self, blocks: list[Layer]) -> None:
        self._blocks = blocks
        self._queues = [Queue() for _ in blocks]

    def __call__(self, x: Tensor, *, last: bool) -> Tensor:
        """Return the means that every block has come to."""
        ready = min(queue.push(block(x, last=last)) for block, queue in zip(self._blocks, self._queues, strict=True))
        total = self._queues[0].pop(ready)
        for queue in self._queues[1:]:
            total = total + queue.pop(ready)
        return total / len(self._blocks)


class Chain:
    """Layers one after the other."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._layers = list(layers)

    def __call__(self, x: Tensor, *, last: bool) -> Tensor:
        """Return what the last layer gives."""
        for layer in self._layers:
            x = layer(x, last=last)
        return x


class Pointwise:
    """A function of each value by itself."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function

    def __call__(self, x: Tensor, *, last: bool) -> Tensor:
        """Return the function of each value."""
        return self._function(x)


class ReflectLeft:
    """Puts the second frame before the first, as soon as there are two."""

    def __init__(self) -> None:
        self._waiting: Tensor | None = None
        self._done = False

    def __call__(self, x: Tensor, *, last: bool) -> Tensor:
        """Return the frames, the second one first, once there are two."""
        if self._done:
            return x
        x = x if self._waiting is None else torch.cat([self._waiting, x], dim=2)
        if x.shape[2] < 2:
            if last:
                check_frames(x.shape[2], x.shape[2])
            self._waiting = x
            return x[:, :, :0]
        self._done = True
        return torch.cat([x[:, :, 1:2], x], dim=2)


class InverseSTFT:
    """Windowed frames added up; the envelope counts the frames that exist, so both ends are exact."""

    def __init__(self, frames: Callable[[Tensor], Tensor], n_fft: int, hop: int) -> None:
        self._frames, self._n_fft, self._hop = frames, n_fft, hop
        self._tail: Tensor | None = None
        self._envelope = torch.zeros(0)
        self._to_trim = n_fft // 2

    def __call__(self, x: Tensor, *, last: bool) -> Tensor:
        """Return the samples (B, 1, n) that no later frame adds to."""
        n_fft, hop = self._n_fft, self._hop
        held, ready = n_fft - hop, x.shape[2] * hop
        if self._tail is None:
            self._tail = x.new_zeros(x.shape[0], held)
            self._envelope = x.new_zeros(held)
        total = torch.cat([self._tail, x.new_zeros(x.shape[0], ready)], dim=1)
        envelope = torch.cat([self._envelope, x.new_zeros(ready)])
        if ready:
            window = torch.hann_window(n_fft, device=x.device, dtype=x.dtype).square()
            total += _overlap_add(self._frames(x), hop)
            envelope += _overlap_add(window[None, :, None].expand(1, -1, x.shape[2]), hop)[0]
        self._tail, self._envelope = total[:, ready:], envelope[ready:]
        # After the last frame half a window of samples is still inside the centre-trimmed output.
        end = ready + held - n_fft // 2 if last else ready
        start = min(self._to_trim, end)
        self._to_trim -= start
        return (total[:, start:end] / envelope[start:end])[:, None]


def _overlap_add(frames: Tensor, hop: int) -> Tensor:
    n_fft, count = frames.shape[1:]
    length = (count - 1) * hop + n_fft
    return nn.functional.fold(frames, (1, length), (1, n_fft), stride=(1, hop))[:, 0, 0]


class GeneratorStream:
    """One pass of a generator over a stream: `push` pieces, then `finish`.

    Parameters
    ----------
    generator
        Its layers are shared, not copied.
    convolve
        How convolutions are computed.
    """

    def __init__(self, generator: Generator, *, convolve: Callable[[nn.Conv1d], Convolve] = plain_convolve) -> None:
        self._convolve = convolve
        config = generator.config
        body, end = generator.conv_pre.weight.dtype, generator.conv_post.weight.dtype
        layers: list[Layer] = [Pointwise(lambda x: x.to(body)), self._convolution(generator.conv_pre)]
        for stage, up in enumerate(generator.ups):
            layers.append(Pointwise(lambda x: leaky_relu(x, SLOPE)))
            layers.append(TransposedConvolution(up))  # type: ignore[arg-type]
            layers.append(Mean([self._block(block) for block in generator.blocks(stage)]))
        layers.append(Pointwise(lambda x: leaky_relu(x, FINAL_SLOPE).to(end)))
        post = self._convolution(generator.conv_post)
        if config.istft_n_fft is not None and config.istft_hop is not None:
            layers += [ReflectLeft(), post, InverseSTFT(generator.head.frames, config.istft_n_fft, config.istft_hop)]  # type: ignore[arg-type]
        else:
            layers += [post, Pointwise(lambda x: generator.head(x)[:, None])]
        self._chain = Chain(layers)
        self._seen: Tensor | None = None

    def _convolution(self, conv: nn.Module) -> Convolution:
        assert isinstance(conv, nn.Conv1d)
        return Convolution(conv, self._convolve(conv))

    def _block(self, block: nn.Module) -> Layer:
        if isinstance(block, ResBlock1):
            pairs = zip(block.convs1, block.convs2, strict=True)
            return Chain(Residual(self._convolution(a), self._convolution(b)) for a, b in pairs)
        return Chain(Residual(self._convolution(conv)) for conv in block.convs)  # type: ignore[union-attr]

    @torch.no_grad()
    def push(self, mel: Tensor) -> Tensor:
        """Return the samples (B, n), n from 0 up, that are determined after another piece (B, M, t)."""
        self._seen = mel[:, :, :0]
        return self._chain(mel, last=False)[:, 0]

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Return the samples (B, n) that waited for what might follow.

        Raises
        ------
        MelError
            If nothing was pushed, or fewer frames than the generator can speak.
        """
        if self._seen is None:
            raise MelError("the stream of mels is empty", why="there must be at least one frame")
        return self._chain(self._seen, last=True)[:, 0]
