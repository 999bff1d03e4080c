"""Where shortlists come from: compiled heaps, faiss, a fused kernel on CUDA, or plain tiles."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ossicle.errors import MissingPackageError
from ossicle.kernels import pick
from ossicle_outliers.errors import SettingError
from ossicle_outliers.neighbors.shortlist import by_heaps, by_tiles, compiler_installed
from ossicle_outliers.neighbors.space import Space

Engine = Literal["auto", "direct", "tiles", "compiled", "faiss", "approximate"]
Shortlist = Callable[[Tensor, "Tensor | None"], tuple[Tensor, Tensor]]
"""Mapped queries (q, d), and bounds (q,) or None, to values and rows (q, m)."""

SMALL = 4_000_000
"""Products of rows, queries and columns up to which direct differences cost less than anything else starts for."""
_LARGEST_FUSED = 64


def choose(engine: str, n: int, q: int, d: int, device: torch.device) -> str:
    """Return the engine that ``auto`` means here, or the one named.

    Raises
    ------
    SettingError
        If there is no engine of that name, or it does not run on the rows' device.
    MissingPackageError
        If its package is not installed.
    """
    if engine not in get_args(Engine):
        raise SettingError(f"there is no search engine {engine!r}", hint=f"use one of: {', '.join(get_args(Engine))}")
    if engine == "auto":
        if n * q * d <= SMALL:
            return "direct"
        if device.type == "cpu" and compiler_installed():
            return "compiled"
        return "faiss" if device.type == "cpu" and faiss_installed() else "tiles"
    if device.type != "cpu" and engine not in ("direct", "tiles"):
        raise SettingError(
            f"the search engine {engine!r} does not run on {device.type}", hint="use auto, tiles or direct there"
        )
    if engine in ("faiss", "approximate") and not faiss_installed():
        raise MissingPackageError(
            f"the search engine {engine!r} needs faiss", hint="pip install 'ossicle-outliers[faiss]', or use auto"
        )
    if engine == "compiled" and not compiler_installed():
        raise MissingPackageError("the search engine 'compiled' needs numba", hint="pip install numba, or use tiles")
    return engine


def faiss_installed() -> bool:
    """Return whether faiss is there."""
    return importlib.util.find_spec("faiss") is not None


def shortlist(engine: str, space: Space, m: int, probes: int | None) -> Shortlist:
    """Return what shortlists m rows of a space, for an engine that `choose` gave."""
    if engine == "compiled":
        return lambda queries, bound: by_heaps(queries, space.rows, space.norms, m, bound)
    if engine == "faiss":
        return _faiss(_flat(space), m)
    if engine == "approximate":
        return _faiss(_inverted_lists(space, probes), m)
    if space.rows.device.type == "cuda" and m <= _LARGEST_FUSED:
        dtype = str(space.rows.dtype).removeprefix("torch.")
        return _fused(pick("neighbor-shortlist", device="cuda", dtype=dtype, fallback=_no_kernel), space, m)
    return lambda queries, bound: by_tiles(queries, space.rows, space.norms, m)


def _no_kernel(queries: Tensor, base: Tensor, norms: Tensor, m: int) -> Tensor:
    return torch.stack([part.double() for part in by_tiles(queries, base, norms, m)])


def _fused(kernel: Callable[..., Any], space: Space, m: int) -> Shortlist:
    def find(queries: Tensor, bound: Tensor | None) -> tuple[Tensor, Tensor]:
        values, rows = kernel(queries, space.rows, space.norms, m)
        return values, rows.long()

    return find


def _flat(space: Space) -> Any:
    import faiss

    index = faiss.IndexFlatL2(space.rows.shape[1])
    index.add(space.rows.numpy())
    return index


def _inverted_lists(space: Space, probes: int | None) -> Any:
    import faiss

    n, d = space.rows.shape
    lists = max(1, min(int(4 * n**0.5), n // 40))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, lists, faiss.METRIC_L2)
    index.train(space.rows.numpy())
    index.add(space.rows.numpy())
    index.nprobe = min(lists, probes or max(8, lists // 32))
    return index


def _faiss(index: Any, m: int) -> Shortlist:
    def find(queries: Tensor, bound: Tensor | None) -> tuple[Tensor, Tensor]:
        squared, rows = index.search(queries.numpy(), m)
        return torch.from_numpy(squared) - queries.square().sum(1, keepdim=True), torch.from_numpy(rows)

    return find
