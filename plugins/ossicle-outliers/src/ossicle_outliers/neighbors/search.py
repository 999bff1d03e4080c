"""The search: a shortlist in float32, ranked in float64 by differences, and proof that nothing nearer was left out.

Where the proof fails (ties, cancellation), the query is searched again: in float64 products, then by direct differences.
So every exact engine gives the same rows, in the order (distance, row).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.training.seeds import generator_for
from ossicle_outliers.errors import SettingError, TableError
from ossicle_outliers.neighbors import direct
from ossicle_outliers.neighbors.engines import choose, shortlist
from ossicle_outliers.neighbors.ranking import exact_squares, rank
from ossicle_outliers.neighbors.space import Space

_SPARE = 8
"""Candidates beyond k in a shortlist: float32 may order near ones wrongly."""
_BLOCK = 4096
_RECALL_QUERIES = 200


@dataclass(frozen=True)
class Neighbors:
    """What a search found.

    Parameters
    ----------
    distances
        (q, k) Euclidean, float64, ascending.
    indices
        (q, k) rows of the base, equal distances in the order of rows; without queries each row's first is itself.
    engine
        What found them.
    recall
        Share of the true neighbours found, measured on a sample of the queries; None: the search was exact.
    """

    distances: Any
    indices: Any
    engine: str
    recall: float | None = None


def search(
    base: Any, queries: Any = None, k: int = 1, *, engine: str = "auto", probes: int | None = None, guess: Any = None
) -> Neighbors:
    """Find the k nearest rows of a base.

    Parameters
    ----------
    base
        (n, d) rows: an array or a tensor; what comes out is of the same sort.
    queries
        (q, d) rows; None: the base's own rows, each of which counts itself as its first neighbour.
    k
        How many, 1 to n.
    engine
        ``auto``, ``direct``, ``tiles``, ``compiled``, ``faiss``: all exact, with the same result; ``approximate``: faiss'
        inverted lists, which pay above some 100,000 rows, and whose `recall` is measured.
    probes
        Of ``approximate``: lists looked into; None: a 32nd of them.
    guess
        (q, k - 1) rows that are probably near, without the query's own: they save time and change nothing.

    Raises
    ------
    SettingError
        If k is not within 1 and n; it names both.
    TableError
        If the rows are no table of finite numbers, or differ in width.
    """
    rows = as_rows(base)
    own = queries is None
    asked = rows if own else as_rows(queries).to(rows.device)
    if asked.shape[1] != rows.shape[1]:
        raise TableError(f"queries have {asked.shape[1]} columns", why=f"the base has {rows.shape[1]}")
    if not 1 <= k <= len(rows):
        raise SettingError(
            f"k is {k}, and n is {len(rows)}", why="k neighbours are chosen among n rows", hint="use 1 to n"
        )
    found = find(rows, asked, k - own, own=own, engine=engine, probes=probes, guess=guess)
    squared, indices = found[0], found[1]
    if own:
        squared = torch.cat([squared.new_zeros(len(squared), 1), squared], 1)
        indices = torch.cat([torch.arange(len(rows), device=rows.device)[:, None], indices], 1)
    distances = squared.sqrt()
    if isinstance(base, Tensor):
        return Neighbors(distances, indices, *found[2:])
    return Neighbors(distances.numpy(), indices.numpy(), *found[2:])


def as_rows(x: Any) -> Tensor:
    """Return a table as (n, d) float64: tensors stay on their device, all else comes to the CPU."""
    if isinstance(x, Tensor):
        rows = x.detach().to(torch.float64) if x.device.type in ("cpu", "cuda") else x.detach().cpu().double()
    else:
        rows = torch.from_numpy(np.array(x, dtype=np.float64, order="C", ndmin=2))
    if rows.dim() != 2:
        raise TableError(f"rows have shape {tuple(rows.shape)}", why="a table has rows and columns: (n, d)")
    if not bool(torch.isfinite(rows).all()):
        row, column = (~torch.isfinite(rows)).nonzero()[0].tolist()
        raise TableError(f"row {row}, column {column} is {float(rows[row, column])}", why="every number must be finite")
    return rows.contiguous()


def find(
    base: Tensor,
    queries: Tensor,
    k: int,
    *,
    own: bool,
    engine: str = "auto",
    probes: int | None = None,
    guess: Tensor | None = None,
) -> tuple[Tensor, Tensor, str, float | None]:
    """Return squared distances and rows (q, k), the engine, and the recall if it was approximate; see `search`.

    `own` says that the queries are the base's own rows, none of which is its own neighbour here.
    """
    n, q = len(base), len(queries)
    engine = choose(engine, n, q, max(1, base.shape[1]), base.device)
    numbers = torch.arange(q, device=base.device) if own else None
    wanted = k + own + _SPARE
    if engine == "direct" or k == 0 or (wanted >= n and engine != "approximate"):
        return *direct.nearest(base, queries, k, numbers), "direct", None
    wanted = min(wanted, n)
    space = Space.of(base)
    list_near = shortlist(engine, space, wanted, probes)
    compiled = engine in ("compiled", "faiss", "approximate")
    squared = torch.empty(q, k, dtype=torch.float64, device=base.device)
    rows = torch.empty(q, k, dtype=torch.int64, device=base.device)
    unsure = []
    for start in range(0, q, _BLOCK):
        block = slice(start, start + _BLOCK)
        mapped, norms = space.map(queries[block])
        bound = None
        if guess is not None and engine == "compiled":
            bound = _bound(space, queries[block], norms, guess[block])
        values, candidates = list_near(mapped, bound)
        exact = _exact(base, queries[block], candidates, numbers[block] if numbers is not None else None, compiled)
        squared[block], rows[block] = rank(exact, candidates, k)
        if engine != "approximate":
            sure = space.certain(norms, squared[block][:, -1], values.amax(1))
            unsure.append((~sure).nonzero()[:, 0] + start)
    if engine == "approximate":
        return squared, rows, engine, _recall(base, queries, squared, numbers)
    doubtful = torch.cat(unsure) if unsure else torch.zeros(0, dtype=torch.int64)
    if len(doubtful):
        squared[doubtful], rows[doubtful] = _again(base, queries[doubtful], k, doubtful if own else None, wanted)
    return squared, rows, engine, None


def _exact(base: Tensor, queries: Tensor, candidates: Tensor, own: Tensor | None, compiled: bool) -> Tensor:
    exact = exact_squares(base, queries, candidates.clamp(min=0), compiled=compiled)
    exact[candidates < 0] = torch.inf
    if own is not None:
        exact[candidates == own[:, None]] = torch.inf
    return exact


def _bound(space: Space, queries: Tensor, norms: Tensor, guess: Tensor) -> Tensor:
    """Return values that all rows as near as the guess's farthest stay below, so that heaps start full."""
    reach = exact_squares(space.base, queries, guess.contiguous(), compiled=True).amax(1).sqrt() / space.scale
    slack = 4 * (space.rows.shape[1] + 8) * torch.finfo(space.rows.dtype).eps * (2 * norms.sqrt() + reach).square()
    return (reach.square() + slack - norms).to(space.rows.dtype)


def _again(base: Tensor, queries: Tensor, k: int, own: Tensor | None, wanted: int) -> tuple[Tensor, Tensor]:
    """Search doubtful queries by products in float64, and what even those leave in doubt (ties) by differences."""
    space = Space.of(base, torch.float64)
    squared = torch.empty(len(queries), k, dtype=torch.float64, device=base.device)
    rows = torch.empty(len(queries), k, dtype=torch.int64, device=base.device)
    list_near = shortlist("compiled" if base.device.type == "cpu" and _compiled() else "tiles", space, wanted, None)
    for start in range(0, len(queries), _BLOCK):
        block = slice(start, start + _BLOCK)
        mapped, norms = space.map(queries[block])
        values, candidates = list_near(mapped, None)
        mine = own[block] if own is not None else None
        exact = _exact(base, queries[block], candidates, mine, compiled=_compiled())
        squared[block], rows[block] = rank(exact, candidates, k)
        tied = (~space.certain(norms, squared[block][:, -1], values.amax(1))).nonzero()[:, 0]
        if len(tied):
            left = queries[block][tied]
            squared[tied + start], rows[tied + start] = direct.nearest(
                base, left, k, None if mine is None else mine[tied]
            )
    return squared, rows


def _compiled() -> bool:
    from ossicle_outliers.neighbors.shortlist import compiler_installed

    return compiler_installed()


def _recall(base: Tensor, queries: Tensor, squared: Tensor, own: Tensor | None) -> float:
    """Return the share of found neighbours that are no farther than the true k-th, on queries drawn by a fixed seed."""
    draw = torch.randperm(len(queries), generator=generator_for(0, "recall"))[:_RECALL_QUERIES]
    true, _ = direct.nearest(base, queries[draw], squared.shape[1], None if own is None else own[draw])
    if not true.numel():
        return 1.0
    return float((squared[draw] <= true[:, -1:]).double().mean())
