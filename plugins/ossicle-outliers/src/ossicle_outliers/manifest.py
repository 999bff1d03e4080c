"""The manifest: every clip or row with its score, its rank, whether to keep it, and what made the score. Nothing is ever deleted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.atomic import write_bytes
from ossicle.errors import UsageError

SUFFIXES = (".csv", ".json")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Term:
    """What one column adds to a score: by its distance (`bias`) and by how sure the model was (`uncertainty`)."""

    column: str
    bias: float
    uncertainty: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.bias + self.uncertainty

    def __str__(self) -> str:
        return f"{self.column}: {self.total:.4g}"


@dataclass(frozen=True)
class Entry:
    """One clip (`row` None) or one row of a table.

    `rank` counts from 1, the most abnormal first; `keep` is False for what the threshold or share says to leave out; `terms` are
    the columns that add most, the largest first, empty where the detector tells none.
    """

    path: str
    score: float
    rank: int
    keep: bool
    terms: tuple[Term, ...] = ()
    row: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        terms = [{"column": t.column, "bias": t.bias, "uncertainty": t.uncertainty} for t in self.terms]
        where = {"path": self.path} | ({} if self.row is None else {"row": self.row})
        return {**where, "score": self.score, "rank": self.rank, "keep": self.keep, "terms": terms}


def ranks_of(scores: Floats) -> npt.NDArray[np.int64]:
    """Return ranks from 1 for the highest score; of equal scores the earlier one comes first."""
    order = np.argsort(-scores, kind="stable")
    ranks = np.empty(len(scores), np.int64)
    ranks[order] = np.arange(1, len(scores) + 1)
    return ranks


def keeping(
    scores: Floats, ranks: npt.NDArray[Any] | None, n: int, *, threshold: float, drop: float | None
) -> npt.NDArray[np.bool_]:
    """Return which to keep: those not above the threshold, or with `drop` all but that share of `n` with the highest ranks."""
    return scores <= threshold if drop is None or ranks is None else ranks > round(drop * n)


def strongest_terms(
    detector: Any, x: npt.NDArray[Any], columns: Sequence[str], count: int = 5
) -> list[tuple[Term, ...]]:
    """Return the columns that add most to each row's score, the largest first; empty where the detector tells none."""
    if not hasattr(detector, "score_parts"):
        return [()] * len(x)
    parts = detector.score_parts(x)
    return strongest(parts.bias, parts.uncertainty, columns, count)


def strongest(bias: Floats, uncertainty: Floats, columns: Sequence[str], count: int = 5) -> list[tuple[Term, ...]]:
    """Return the `count` largest sums of two parts (n, D) in each row as terms."""
    order = np.argsort(-(bias + uncertainty), axis=1, kind="stable")[:, :count]
    return [
        tuple(Term(columns[c], float(bias[row, c]), float(uncertainty[row, c])) for c in chosen)
        for row, chosen in enumerate(order.tolist())
    ]


def write_manifest(path: Path, entries: Sequence[Entry], about: Mapping[str, Any]) -> None:
    """Write a manifest as CSV (path, score, rank, keep, terms as one text) or as JSON with what is said of it.

    Raises
    ------
    UsageError
        If the suffix is another.
    """
    if path.suffix.lower() == ".json":
        document = {**about, "manifest": [entry.as_dict() for entry in entries]}
        write_bytes(path, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
        return
    if path.suffix.lower() != ".csv":
        raise UsageError(f"cannot write the manifest {path.name}", hint=f"use {' or '.join(SUFFIXES)}")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["path", "score", "rank", "keep", "terms"])
    for e in entries:
        table.writerow([e.path, repr(e.score), e.rank, int(e.keep), "; ".join(map(str, e.terms))])
    write_bytes(path, text.getvalue().encode())
