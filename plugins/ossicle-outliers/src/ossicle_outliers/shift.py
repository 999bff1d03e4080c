"""Mean shift: every row moves to the mean of its k nearest rows, itself among them, again and again.

"MSS-PAE: Saving Autoencoder-based Outlier Detection from Unexpected Reconstruction" (arXiv 2304.00709; Pattern
Recognition 163, 2025), after Yang, Rahardja and Fränti, "Mean-shift outlier detection and filtering" (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ossicle_outliers.errors import SettingError, TableError
from ossicle_outliers.neighbors.search import as_rows, find

_BLOCK_NUMBERS = 4_000_000


def mean_shift(X: Any, k: int, steps: int = 3, *, queries: Any = None, engine: str = "auto") -> list[Any]:
    """Shift rows, or new rows among them.

    Parameters
    ----------
    X
        (n, d) rows: an array or a tensor.
    k
        Neighbours to average, 1 to n: a row is the first of its own. All rows move at once, and neighbours are searched
        anew among the moved rows; equal distances are ordered by row.
    steps
        How often, 0 or more.
    queries
        (q, d) new rows. In each step a new row moves to the mean of itself and its k - 1 nearest among X as that step
        finds it; new rows do not see each other.
    engine
        Of `ossicle_outliers.neighbors.search`.

    Returns
    -------
    list
        X, or the queries, after step 1, 2, ..., of the sort, dtype and device that went in (float64 if it was whole
        numbers).

    Raises
    ------
    SettingError
        If k is not within 1 and n, or steps is below zero.
    TableError
        If the rows are no table of finite numbers, or differ in width.
    """
    base = as_rows(X)
    clouds = shifted_clouds(base, k, steps if queries is None else steps - 1, engine=engine)
    if queries is None:
        return [_like(X, cloud) for cloud in clouds]
    moved = shifted_queries([base, *clouds], as_rows(queries).to(base.device), k, steps, engine=engine)
    return [_like(queries, rows) for rows in moved]


def shifted_clouds(base: Tensor, k: int, steps: int, *, engine: str = "auto") -> list[Tensor]:
    """Return base (n, d), float64, after each of `steps` steps; see `mean_shift`."""
    check(len(base), k)
    clouds: list[Tensor] = []
    near = None
    for _ in range(steps):
        others = near
        near = find(base, base, k - 1, own=True, engine=engine, guess=others if k > 1 else None)[1]
        base = _means(base, base, near)
        clouds.append(base)
    return clouds


def shifted_queries(
    clouds: Sequence[Tensor], queries: Tensor, k: int, steps: int, *, engine: str = "auto", near: Tensor | None = None
) -> list[Tensor]:
    """Return queries (q, d), float64, after each step among clouds: the rows themselves, then after each step.

    `near` are the k - 1 nearest of the first cloud, (q, k - 1), where they are known.
    """
    if not steps:
        return []
    check(len(clouds[0]), k)
    if queries.shape[1] != clouds[0].shape[1]:
        raise TableError(f"queries have {queries.shape[1]} columns", why=f"the rows have {clouds[0].shape[1]}")
    moved = []
    for cloud in clouds[:steps]:
        if near is None:
            near = find(cloud, queries, k - 1, own=False, engine=engine)[1]
        queries, near = _means(queries, cloud, near), None
        moved.append(queries)
    return moved


def check(n: int, k: int) -> None:
    """Raise `SettingError` unless k neighbours can be chosen among n rows."""
    if not 1 <= k <= n:
        raise SettingError(
            f"k is {k}, and n is {n}",
            why="a row moves to the mean of k of n rows, itself among them",
            hint="use 1 to n",
        )


def _means(rows: Tensor, cloud: Tensor, near: Tensor) -> Tensor:
    k = near.shape[1] + 1
    if k == 1:
        return rows.clone()
    out = torch.empty_like(rows)
    block = max(1, _BLOCK_NUMBERS // (k * max(1, rows.shape[1])))
    for at in range(0, len(rows), block):
        part = slice(at, at + block)
        out[part] = (rows[part] + cloud[near[part]].sum(1)) / k
    return out


def _like(given: Any, rows: Tensor) -> Any:
    if isinstance(given, Tensor):
        return rows.to(given.device, given.dtype if given.is_floating_point() else torch.float64)
    array = rows.numpy()
    dtype = getattr(given, "dtype", None)
    return array.astype(dtype) if dtype is not None and getattr(dtype, "kind", "") == "f" else array
