"""The methods of a recipe, as its TOML names them, fitted and measured."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.registry import default_registry
from ossicle_outliers.measures import report


def build(settings: Mapping[str, Any], seed: int) -> Any:
    """Return the detector of ``component = NAME`` and settings; it gets the seed where it takes one.

    ``component = "isolation-forest"`` is scikit-learn's, a yardstick that is no component of ours.
    """
    given = dict(settings)
    name = given.pop("component")
    if name == "isolation-forest":
        return _IsolationForest(seed=seed, **given)
    return default_registry().build("outlier-detector", name, **given, seed=seed)


def measured(
    facts: Mapping[str, Any], settings: Mapping[str, Any], x: npt.NDArray[Any], y: npt.NDArray[Any], seed: int
) -> dict[str, Any]:
    """Fit on the rows, labels unseen, and return the facts, auc, pauc and ap of the fitted rows' scores, and processor seconds."""
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = build(settings, seed).fit(x)
    seconds = time.process_time() - started
    return {**facts, **report(detector.decision_scores_, y), "cpu_s": round(seconds, 2)}


class _IsolationForest:
    def __init__(self, *, seed: int, **settings: Any) -> None:
        from sklearn.ensemble import IsolationForest

        self._forest = IsolationForest(random_state=seed, **settings)

    def fit(self, x: npt.NDArray[Any]) -> _IsolationForest:
        # Its scores are higher for normal rows.
        self.decision_scores_ = -self._forest.fit(x).score_samples(x)
        return self


def sample_rows(
    x: npt.NDArray[Any], y: npt.NDArray[Any], most: int, seed: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return at most so many rows, drawn evenly, in their order."""
    if len(x) <= most:
        return x, y
    chosen = np.sort(np.random.default_rng(seed).choice(len(x), most, replace=False))
    return x[chosen], y[chosen]
