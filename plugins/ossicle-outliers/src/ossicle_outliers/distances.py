"""Detectors that need no network: how far a row moves under mean shift, and how far its neighbours are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.training.seeds import generator_for
from ossicle_outliers.base import Detector
from ossicle_outliers.errors import SettingError
from ossicle_outliers.neighbors.search import find
from ossicle_outliers.shift import check, shifted_clouds, shifted_queries
from ossicle_outliers.standardize import Standardizer
from ossicle_outliers.thresholds import Contamination, Floats

ReferenceSize = int | str
"""How many rows the others are compared with: a number, or ``all``."""


def reference_rows(n: int, size: ReferenceSize, seed: int, draw: int = 0) -> Tensor:
    """Return which of n rows make the reference sample, ascending; draws of one seed are independent.

    Raises
    ------
    SettingError
        If the size is neither ``all`` nor a number above zero.
    """
    if isinstance(size, str) and size == "all":
        return torch.arange(n)
    if isinstance(size, (str, bool)) or size < 1:
        raise SettingError(f"reference_size is {size!r}", why="it is a number of rows", hint="use 1 or more, or 'all'")
    if size >= n:
        return torch.arange(n)
    return torch.randperm(n, generator=generator_for(seed, "reference", draw))[:size].sort().values


class Shifter:
    """Rows shifted among the clouds of a reference sample.

    Parameters
    ----------
    clouds
        The reference rows (r, d), float64, then after each step but the last.
    neighbors
        k, the row itself among them.
    search
        Engine of `ossicle_outliers.neighbors.search`.
    """

    def __init__(self, clouds: list[Tensor], neighbors: int, search: str = "auto") -> None:
        self.clouds, self.neighbors, self.search = clouds, neighbors, search

    @classmethod
    def fit(
        cls, rows: Tensor, chosen: Tensor, neighbors: int, steps: int, search: str = "auto", *, away: int = 0
    ) -> tuple[Shifter, list[Tensor], Tensor]:
        """Make one of the chosen of rows (n, d), and return with it what `look` says of all rows.

        Chosen rows move with the sample, and none is its own neighbour; the others move among it, as new rows will.
        """
        base = rows[chosen]
        moved = shifted_clouds(base, neighbors, steps, engine=search)
        shifter = cls([base, *moved][:steps], neighbors, search)
        distances = base.new_zeros(len(base))
        if away:
            distances = find(base, base, away, own=True, engine=search)[0][:, -1].sqrt()
        if len(chosen) == len(rows):
            return shifter, moved, distances
        everything, far = shifter.look(rows, away)
        for all_rows, sample in zip(everything, moved, strict=True):
            all_rows[chosen] = sample
        far[chosen] = distances
        return shifter, everything, far

    def __call__(self, rows: Tensor) -> list[Tensor]:
        """Return new rows (q, d) after each step."""
        return self.look(rows)[0]

    def look(self, rows: Tensor, away: int = 0) -> tuple[list[Tensor], Tensor]:
        """Return new rows (q, d) after each step, and how far they are from so many-th of the sample, (q,); 0: nothing.

        One search serves both.
        """
        if not self.clouds:
            return [], rows.new_zeros(len(rows))
        k = self.neighbors
        squared, near, *_ = find(self.clouds[0], rows, max(k - 1, away), own=False, engine=self.search)
        moved = shifted_queries(self.clouds, rows, k, len(self.clouds), engine=self.search, near=near[:, : k - 1])
        return moved, squared[:, away - 1].sqrt() if away else rows.new_zeros(len(rows))


class MODDetector(Detector):
    """How far a row moves under mean shift: its distance to itself after some steps, over standardised columns.

    Yang, Rahardja and Fränti, "Mean-shift outlier detection and filtering" (2021), with every row counted among its own
    neighbours and all rows moved at once.

    Parameters
    ----------
    neighbors
        k, the row itself among them; None: 20, or all rows where there are fewer.
    shift_steps
        1 or more.
    reference_size
        Rows drawn as the sample that all are shifted among, or ``all``.
    contamination
        See `ossicle_outliers.thresholds.threshold_of`; can be set after fit.
    seed
        Of the sample.
    search
        Engine of `ossicle_outliers.neighbors.search`.
    """

    component = "mod"

    def __init__(
        self,
        *,
        neighbors: int | None = None,
        shift_steps: int = 3,
        reference_size: ReferenceSize = "all",
        contamination: Contamination = "auto",
        seed: int = 0,
        search: str = "auto",
    ) -> None:
        self.neighbors = neighbors
        self.shift_steps = shift_steps
        self.reference_size = reference_size
        self.contamination = contamination
        self.seed = seed
        self.search = search

    def _learn(self, rows: Floats) -> Any:
        if self.shift_steps < 1:
            raise SettingError(f"shift_steps is {self.shift_steps}", why="a row that is not shifted does not move")
        self.standardizer_ = Standardizer.of(rows)
        table = torch.from_numpy(self.standardizer_(rows))
        chosen = reference_rows(len(table), self.reference_size, self.seed)
        self.k_ = min(20, len(chosen)) if self.neighbors is None else self.neighbors
        self.shifter_, moved, _ = Shifter.fit(table, chosen, self.k_, self.shift_steps, self.search)
        return (table - moved[-1]).square().sum(1).sqrt()

    def _score(self, rows: Floats) -> Any:
        table = torch.from_numpy(self.standardizer_(rows))
        return (table - self.shifter_(table)[-1]).square().sum(1).sqrt()

    def _state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        clouds = {f"cloud.{at}": cloud for at, cloud in enumerate(self.shifter_.clouds)}
        return {"k": self.k_}, clouds | self.standardizer_.tensors()

    def _restore(self, values: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self.standardizer_ = Standardizer.from_tensors(tensors)
        self.k_ = int(values["k"])
        steps = sum(name.startswith("cloud.") for name in tensors)
        self.shifter_ = Shifter([tensors[f"cloud.{at}"] for at in range(steps)], self.k_, self.search)


class KNNDetector(Detector):
    """Distance to the k-th nearest row, over standardised columns; a fitted row is not its own neighbour.

    Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from large data sets" (SIGMOD 2000); with
    ``method="mean"`` the mean of the k distances, after Angiulli and Pizzuti (PKDD 2002).

    Parameters
    ----------
    neighbors
        k; None: 20, or all other rows where there are fewer.
    method
        ``largest`` or ``mean``.
    reference_size, contamination, seed, search
        See `MODDetector`.
    """

    component = "knn"

    def __init__(
        self,
        *,
        neighbors: int | None = None,
        method: str = "largest",
        reference_size: ReferenceSize = "all",
        contamination: Contamination = "auto",
        seed: int = 0,
        search: str = "auto",
    ) -> None:
        self.neighbors = neighbors
        self.method = method
        self.reference_size = reference_size
        self.contamination = contamination
        self.seed = seed
        self.search = search

    def _learn(self, rows: Floats) -> Any:
        if self.method not in ("largest", "mean"):
            raise SettingError(f"there is no method {self.method!r}", hint="use 'largest' or 'mean'")
        self.standardizer_ = Standardizer.of(rows)
        table = torch.from_numpy(self.standardizer_(rows))
        chosen = reference_rows(len(table), self.reference_size, self.seed)
        others = len(chosen) - 1
        if self.neighbors is not None:
            check(others, self.neighbors)
        self.k_ = min(20, others) if self.neighbors is None else self.neighbors
        self.base_ = table[chosen]
        squared = find(self.base_, self.base_, self.k_, own=True, engine=self.search)[0]
        if len(chosen) == len(table):
            return self._of(squared)
        scores = self._score(rows)
        scores[chosen.numpy()] = self._of(squared)
        return scores

    def _score(self, rows: Floats) -> Any:
        table = torch.from_numpy(self.standardizer_(rows))
        return self._of(find(self.base_, table, self.k_, own=False, engine=self.search)[0])

    def _of(self, squared: Tensor) -> Any:
        if not squared.shape[1]:
            return np.zeros(len(squared))
        distances = squared.sqrt()
        return (distances[:, -1] if self.method == "largest" else distances.mean(1)).numpy()

    def _state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"k": self.k_}, {"base": self.base_} | self.standardizer_.tensors()

    def _restore(self, values: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self.standardizer_ = Standardizer.from_tensors(tensors)
        self.k_, self.base_ = int(values["k"]), tensors["base"]
