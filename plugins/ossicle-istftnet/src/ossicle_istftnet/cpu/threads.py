"""Threads of the compiled kernels: as many as torch's, with one thread for each matrix product inside them."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch

_LOCK = threading.Lock()


def compiler_installed() -> bool:
    """Return whether the kernels can be compiled: librosa brings all three."""
    return all(importlib.util.find_spec(name) is not None for name in ("numba", "scipy", "threadpoolctl"))


@contextmanager
def kernel_threads() -> Iterator[None]:
    """Run compiled kernels inside, one caller at a time: the number of threads belongs to the process."""
    import numba

    with _LOCK:
        threads = torch.get_num_threads()
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        try:
            with _controller().limit(limits=1, user_api="blas"):
                yield
        finally:
            # Starting its threads, numba sets the number of the OpenMP library that it shares with torch.
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def _controller() -> Any:
    # Looking the libraries up takes milliseconds: once is enough.
    import scipy.linalg  # noqa: F401  (brings the matrix product that the kernels call)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
