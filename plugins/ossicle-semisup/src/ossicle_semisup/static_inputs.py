"""Named tensors at fixed places of a device, filled anew by one copy."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

_ALIGNED = 16


class StaticInputs:
    """What a recorded graph reads: all of a step's inputs in one piece of memory.

    Parameters
    ----------
    like
        CPU tensors by name, whose shapes and dtypes stay.
    device
        Where they shall lie.
    """

    def __init__(self, like: Mapping[str, Tensor], device: torch.device) -> None:
        sizes = {name: -(-x.numel() * x.element_size() // _ALIGNED) * _ALIGNED for name, x in like.items()}
        on_cuda = device.type == "cuda"
        self._host = torch.zeros(sum(sizes.values()), dtype=torch.uint8, pin_memory=on_cuda)
        self._there = torch.zeros(len(self._host), dtype=torch.uint8, device=device)
        self._places = _places(self._host, like, sizes)
        self.tensors = _places(self._there, like, sizes)
        self._copied = torch.cuda.Event() if on_cuda else None

    def fill(self, given: Mapping[str, Tensor]) -> None:
        """Take the values of the next step."""
        if self._copied is not None:
            # The last copy may still read the host's side.
            self._copied.synchronize()
        for name, place in self._places.items():
            place.copy_(given[name])
        self._there.copy_(self._host, non_blocking=True)
        if self._copied is not None:
            self._copied.record()


def _places(memory: Tensor, like: Mapping[str, Tensor], sizes: Mapping[str, int]) -> dict[str, Tensor]:
    places, begin = {}, 0
    for name, x in like.items():
        end = begin + math.prod(x.shape) * x.element_size()
        places[name] = memory[begin:end].view(x.dtype).view(x.shape)
        begin += sizes[name]
    return places
