"""Which form of an operation runs on a tensor's device, and where Triton's can run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor

from ossicle import kernels

C = TypeVar("C", bound=Callable)


def chosen(op: str, x: Tensor, reference: C) -> C:
    """Return what computes an operation on tensors like x: a kernel, or the reference."""
    dtype = str(x.dtype).removeprefix("torch.")
    return kernels.pick(op, device=x.device.type, dtype=dtype, fallback=reference)  # type: ignore[return-value]


def on_cuda(device: str, dtype: str, *known: str) -> bool:
    """Return whether a Triton kernel for these dtypes runs there."""
    return device == "cuda" and dtype in known and importlib.util.find_spec("triton") is not None
