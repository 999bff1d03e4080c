"""How well scores rank outliers above the rest: ROC areas, average precision, means over machines.

Every function takes scores (n,), higher = more abnormal, and labels (n,), 1 = outlier, 0 = normal. Labels are for reporting: nothing
that fits or scores may see them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ossicle.errors import InputError

Floats = npt.NDArray[np.float64]


def roc_auc(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the chance that an outlier scores above a normal row, equal scores counted half, in [0, 1].

    Source: Hanley and McNeil, "The meaning and use of the area under a ROC curve" (1982): the Mann-Whitney statistic.

    Raises
    ------
    InputError
        If there is no outlier or no normal row, or a value is not finite.
    """
    values, outlier = _checked(scores, labels)
    positives, negatives = int(outlier.sum()), int((~outlier).sum())
    return float((_mid_ranks(values)[outlier].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def partial_auc(scores: npt.ArrayLike, labels: npt.ArrayLike, *, max_fpr: float = 0.1) -> float:
    """Return the area under the ROC curve up to a false-positive rate, standardised: 0.5 is chance, 1 is perfect.

    With A the raw area and f the rate, (1 + (A - f^2 / 2) / (f - f^2 / 2)) / 2. Source: McClish, "Analyzing a portion of the ROC
    curve" (1989). DCASE's Task 2 reports it with f = 0.1.

    Raises
    ------
    InputError
        As `roc_auc`, or if `max_fpr` is not in (0, 1].
    """
    if not 0 < max_fpr <= 1:
        raise InputError(f"max_fpr is {max_fpr}", why="it must lie above 0 and not above 1")
    values, outlier = _checked(scores, labels)
    false_rate, true_rate = _roc_curve(values, outlier)
    end = int(np.searchsorted(false_rate, max_fpr, side="right"))
    x = np.append(false_rate[:end], max_fpr)
    y = np.append(true_rate[:end], np.interp(max_fpr, false_rate, true_rate))
    area = float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())
    least = max_fpr**2 / 2
    return (1 + (area - least) / (max_fpr - least)) / 2


def average_precision(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the precision at every distinct score, weighted by the recall gained there, in (0, 1].

    Raises
    ------
    InputError
        As `roc_auc`.
    """
    values, outlier = _checked(scores, labels)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(outlier[order])
    # Rows of one score are found together: only the last of them is a place to stop.
    stops = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    gained = np.diff(hits[stops], prepend=0) / hits[-1]
    return float((gained * hits[stops] / (stops + 1)).sum())


def harmonic_mean(values: Sequence[float]) -> float:
    """Return the harmonic mean, which one bad machine pulls down as a mean would not; 0 where a value is 0.

    Raises
    ------
    InputError
        If there is no value, or a negative one.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not numbers.size or not np.isfinite(numbers).all() or (numbers < 0).any():
        raise InputError(f"no harmonic mean of {numbers.size} values", why="it needs one at least, none negative")
    return 0.0 if (numbers == 0).any() else float(numbers.size / (1 / numbers).sum())


def threshold_at(scores: npt.ArrayLike, contamination: float) -> float:
    """Return the score that a share of rows lies above: the linear quantile at 1 - `contamination`."""
    return float(np.quantile(np.asarray(scores, dtype=np.float64), 1 - contamination))


def report(scores: npt.ArrayLike, labels: npt.ArrayLike) -> dict[str, float]:
    """Return ``auc``, ``pauc`` (up to a false-positive rate of 0.1, standardised) and ``ap``."""
    return {
        "auc": roc_auc(scores, labels),
        "pauc": partial_auc(scores, labels),
        "ap": average_precision(scores, labels),
    }


def _checked(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
    values, marks = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != marks.shape:
        raise InputError(f"scores of shape {values.shape} and labels of shape {marks.shape}", why="both must be (n,)")
    if not np.isfinite(values).all():
        raise InputError("a score is not a number", why=f"the first is in row {int((~np.isfinite(values)).argmax())}")
    if not np.isin(marks, (0, 1)).all():
        raise InputError("labels must be 0 (normal) or 1 (outlier)", why=f"found {np.unique(marks)[:5].tolist()}")
    outlier = marks.astype(bool)
    if outlier.all() or not outlier.any():
        raise InputError(
            f"all {len(outlier)} rows are {'outliers' if outlier.any() else 'normal'}",
            why="a ranking can only be measured where both are there",
        )
    return values, outlier


def _mid_ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _roc_curve(values: Floats, outlier: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    order = np.argsort(-values, kind="stable")
    stops = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    hits = np.cumsum(outlier[order])[stops]
    misses = stops + 1 - hits
    return np.append(0, misses / misses[-1]), np.append(0, hits / hits[-1])
