"""Columns brought to mean zero and standard deviation one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ossicle_outliers.thresholds import Floats


@dataclass(frozen=True)
class Standardizer:
    """The map (x - mean) / scale.

    Parameters
    ----------
    mean, scale
        (d,) float64.
    """

    mean: Floats
    scale: Floats

    @classmethod
    def of(cls, rows: Floats, offset: float = 0.0) -> Standardizer:
        """Learn from rows (n, d).

        A constant column has nothing to divide by and keeps its unit, so that a new row that differs there shows.
        `offset` is added to every standard deviation (unbiased), as published; then no column counts as constant.
        """
        # Divided first: sums and squares of numbers near the largest float64 would overflow.
        mean = (rows / len(rows)).sum(0)
        centred = rows - mean
        largest = np.abs(centred).max(0)
        unit = np.where(largest > 0, largest, 1.0)
        deviation = unit * np.sqrt(((centred / unit) ** 2).sum(0) / max(1, len(rows) - 1))
        if offset:
            return cls(mean, deviation + offset)
        rounding = 10 * np.finfo(np.float64).eps * np.abs(rows).max(0)
        return cls(mean, np.where(deviation > rounding, deviation, 1.0))

    def __call__(self, rows: Floats) -> Floats:
        """Return rows (n, d) standardised."""
        return (rows - self.mean) / self.scale

    def tensors(self) -> dict[str, Tensor]:
        """Return what a model folder keeps."""
        return {"mean": torch.from_numpy(self.mean), "scale": torch.from_numpy(self.scale)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Standardizer:
        """Return the map that `tensors` gave."""
        return cls(tensors["mean"].numpy(), tensors["scale"].numpy())
