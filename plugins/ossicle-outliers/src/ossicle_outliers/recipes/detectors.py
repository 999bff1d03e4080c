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

HEARD = 4
"""Clips of a pool that a report plays."""
_KEPT = 200


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
    """Fit on the rows, labels unseen, and return the facts, auc, pauc and ap of the fitted rows' scores, and processor seconds.

    ``scores`` are some of them by group, for the report; ``highest`` the rows that lead, the first of them first.
    """
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = build(settings, seed).fit(x)
    seconds = time.process_time() - started
    scores = detector.decision_scores_
    return {
        **facts,
        **report(scores, y),
        "cpu_s": round(seconds, 2),
        "scores": spread_of(scores, y),
        "highest": np.argsort(-scores, kind="stable")[:HEARD].tolist(),
    }


def spread_of(scores: npt.NDArray[Any], y: npt.NDArray[Any]) -> dict[str, list[float]]:
    """Return at most 200 scores of what belongs and of the outliers (y = 1): at even places of the sorted ones, both ends among them."""
    groups = {"belongs": np.sort(scores[y == 0]), "outliers": np.sort(scores[y == 1])}
    places = {
        name: np.linspace(0, len(own) - 1, min(len(own), _KEPT)).round().astype(int) for name, own in groups.items()
    }
    return {name: [float(f"{score:.5g}") for score in own[places[name]]] for name, own in groups.items()}


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
