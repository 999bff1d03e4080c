"""From scores to a verdict: where the threshold lies, and how sure a verdict is."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ossicle_outliers.errors import SettingError

Contamination = float | Literal["auto"] | None
Floats = npt.NDArray[np.float64]

AUTO_DEVIATIONS = 3.0
"""Upper robust standard deviations above the median at which ``auto`` puts the threshold."""
_UPPER_SIGMA = 0.5 * (1 + math.erf(1 / math.sqrt(2)))


def check_contamination(contamination: Contamination) -> None:
    """Raise `SettingError` unless this is a share in (0, 0.5], 0, None or ``auto``."""
    if contamination is None or (isinstance(contamination, str) and contamination == "auto"):
        return
    number = isinstance(contamination, (int, float, np.integer, np.floating)) and not isinstance(contamination, bool)
    if not (number and 0 <= contamination <= 0.5):
        raise SettingError(
            f"contamination is {contamination!r}",
            why="it is the share of outliers among the fitted rows",
            hint="use a number in (0, 0.5], 0 or None for none, or 'auto'",
        )


def threshold_of(scores: Floats, contamination: Contamination) -> float:
    """Return the score above which a row is an outlier.

    Parameters
    ----------
    scores
        (n,) of the fitted rows.
    contamination
        A share c in (0, 0.5]: the percentile 100 (1 - c). 0 or None: the largest score. ``auto``: the median plus three
        times the distance from there to the 84.13th percentile, a standard deviation that outliers hardly move; it
        assumes nothing about their share, and of Gaussian scores it takes 0.13 %.
    """
    check_contamination(contamination)
    if isinstance(contamination, str):
        middle, upper = np.percentile(scores, [50.0, 100 * _UPPER_SIGMA])
        return float(middle + AUTO_DEVIATIONS * (upper - middle))
    if not contamination:
        return float(scores.max())
    return float(np.percentile(scores, 100.0 * (1.0 - contamination)))


def probabilities(scores: Floats, fitted: Floats, method: str) -> Floats:
    """Return (n, 2) probabilities of belonging and of not, of scores (n,) beside those of the fitted rows.

    `method` is ``linear``, from the fitted smallest score to the largest, or ``unify``: the error function of the
    standardised score where that is positive, after Kriegel et al., "Interpreting and unifying outlier scores" (2011).

    Raises
    ------
    SettingError
        If there is no such method.
    """
    if method == "linear":
        span = float(fitted.max() - fitted.min())
        outlying = np.clip((scores - fitted.min()) / (span if span > 0 else 1.0), 0.0, 1.0)
    elif method == "unify":
        spread = float(fitted.std())
        standardised = (scores - fitted.mean()) / ((spread if spread > 0 else 1.0) * math.sqrt(2))
        outlying = np.clip(_erf(standardised), 0.0, 1.0)
    else:
        raise SettingError(f"there is no method {method!r} of probabilities", hint="use 'linear' or 'unify'")
    return np.stack([1.0 - outlying, outlying], axis=1)


def _erf(x: Any) -> Floats:
    import torch

    return torch.erf(torch.from_numpy(np.ascontiguousarray(x))).numpy()
