"""A call recorded as a CUDA graph: hundreds of small launches replayed as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Replay = Callable[[], "Tensor"]
Record = Callable[[Callable[[], "Tensor"]], Replay]
"""Turn a call that reads fixed inputs into one that repeats it and returns the same output tensor.

On a CPU, ``lambda call: call`` is one: what surrounds a graph can be tested without a GPU.
"""


def record_cuda_graph(call: Callable[[], Tensor]) -> Replay:
    """Record a call as a CUDA graph, after three calls aside that let libraries choose and allocate.

    Whatever the call changes has changed three times by then; recording itself computes nothing.
    """
    import torch

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = call()

    def replay() -> Tensor:
        graph.replay()
        return out

    return replay
