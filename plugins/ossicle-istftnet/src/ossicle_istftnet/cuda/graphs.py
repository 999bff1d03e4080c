"""One recorded graph a length: mels are padded to a bucket's length, and the body computes as if they were not.

A graph replays hundreds of small launches as one, which is what a short mel's time goes into on a GPU.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

import torch
from torch import Tensor

from ossicle.cuda_graphs import Record, Replay, record_cuda_graph
from ossicle_istftnet.cuda.body import FusedBody

_SMALLEST = 16


class Head(Protocol):
    """Channels (B, C, F) to samples (B, N)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return samples."""
        ...


def bucket(frames: int) -> int:
    """Return the length that a mel is padded to: four steps an octave, so that at most a fifth is padding above 16."""
    if frames <= _SMALLEST:
        return _SMALLEST
    step = 1 << max((frames - 1).bit_length() - 3, 0)
    return -(-frames // step) * step


class BucketedGenerator:
    """Mels (B, M, T) to samples (B, N), the body by a recorded graph of the next bucket, the head on the true length.

    Parameters
    ----------
    body, head
        What they compute, eagerly.
    record
        Makes a graph; tests on a CPU give one that merely calls.
    longest
        Frames above which the body runs eagerly: the launches no longer count there, and buckets cost memory.
    held
        Graphs kept; the one unused for longest goes first.
    """

    def __init__(
        self, body: FusedBody, head: Head, *, record: Record = record_cuda_graph, longest: int = 512, held: int = 16
    ) -> None:
        self._body, self._head, self._record = body, head, record
        self._longest, self._held = longest, held
        self._graphs: OrderedDict[tuple[int, ...], tuple[Tensor, Tensor, Replay]] = OrderedDict()

    @torch.no_grad()
    def __call__(self, mel: Tensor) -> Tensor:
        """Return samples."""
        batch, mels, frames = mel.shape
        if frames > self._longest or batch == 0 or frames == 0:
            return self._head(self._body(mel))
        inputs, count, replay = self._graph(mel, (batch, mels, bucket(frames)))
        inputs[:, :, :frames].copy_(mel)
        inputs[:, :, frames:].zero_()
        count.fill_(frames)
        return self._head(replay()[:, :, : self._body.frames_out(frames)])

    def _graph(self, mel: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Replay]:
        if shape not in self._graphs:
            while len(self._graphs) >= self._held:
                self._graphs.popitem(last=False)
            inputs = torch.zeros(shape, device=mel.device, dtype=torch.float32)
            count = torch.full((1,), shape[2], device=mel.device, dtype=torch.int32)
            self._graphs[shape] = inputs, count, self._record(lambda: self._body(inputs, count))
        self._graphs.move_to_end(shape)
        return self._graphs[shape]
