"""Columns brought to mean zero and standard deviation one, and before that, where it is asked for, their tails to logarithms."""

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


@dataclass(frozen=True)
class SoftTails:
    """Columns in interquartile ranges from their medians, which grow by the logarithm alone beyond some.

    One value far out would else decide the standard deviation, and with it what all other rows of the column are worth. A column
    whose quartiles are equal stays as it is.

    Parameters
    ----------
    middle, width
        Medians and interquartile ranges, (d,) float64.
    beyond
        Ranges from the median up to which a column is left linear, above 0.
    """

    middle: Floats
    width: Floats
    beyond: float

    @classmethod
    def of(cls, rows: Floats, beyond: float) -> SoftTails:
        """Learn from rows (n, d)."""
        low, middle, high = np.percentile(rows, [25.0, 50.0, 75.0], axis=0)
        # Halves first: the difference of numbers near the largest float64 would overflow.
        return cls(middle, 2.0 * (high / 2 - low / 2).clip(max=np.finfo(np.float64).max / 4), beyond)

    def __call__(self, rows: Floats) -> Floats:
        """Return rows (n, d) with soft tails."""
        soft = self.width > 0
        with np.errstate(over="ignore"):
            grown: Floats = (rows - np.where(soft, self.middle, 0.0)) / np.where(soft, self.width, 1.0)
        size = np.abs(grown)
        # Few values lie there, and logarithms are dear.
        out = (size > self.beyond) & soft
        grown[out] = np.sign(grown[out]) * (self.beyond + np.log1p(size[out].clip(max=1e300) - self.beyond))
        return grown

    def tensors(self) -> dict[str, Tensor]:
        """Return what a model folder keeps."""
        return {"tails.middle": torch.from_numpy(self.middle), "tails.width": torch.from_numpy(self.width)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], beyond: float) -> SoftTails:
        """Return the map that `tensors` gave."""
        return cls(tensors["tails.middle"].numpy(), tensors["tails.width"].numpy(), beyond)
