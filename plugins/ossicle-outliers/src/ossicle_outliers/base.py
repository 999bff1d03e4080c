"""What every detector here has in common: PyOD's names, scikit-learn's manners, and the checks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from ossicle.errors import UsageError
from ossicle_outliers.errors import TableError
from ossicle_outliers.thresholds import Contamination, Floats, check_contamination, probabilities, threshold_of

BATCH_ROWS = 8192
"""Rows scored at once: memory stays the same however many there are."""


class NotFitted(UsageError, NotFittedError):
    """A detector is asked for what only a fitted one has."""


class Detector(BaseEstimator):
    """A detector of rows that do not belong; higher scores are more abnormal.

    A subclass implements `_learn`, which gives the scores of the fitted rows, `_score`, and the two halves of the model
    folder, `_state` and `_restore`.
    """

    component: ClassVar[str]
    """The registered name, which its model folder carries."""
    fewest_rows: ClassVar[int] = 1

    contamination: Contamination
    decision_scores_: Floats
    n_features_in_: int

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from rows (n, d): an array, nested list, data frame or tensor of finite numbers; y is not looked at.

        Raises
        ------
        TableError
            If the rows are no table of finite numbers; the first bad one is named by row and column.
        SettingError
            If a setting is out of its range.
        """
        check_contamination(self.contamination)
        rows = self._rows(X, fitting=True)
        self.decision_scores_ = np.ascontiguousarray(self._learn(rows), dtype=np.float64)
        return self

    def decision_function(self, X: Any) -> Floats:
        """Return scores (n,) of rows (n, d), each by itself; memory stays the same for any n."""
        self._check_fitted()
        parts = [np.asarray(self._score(rows)) for rows in self._batches(X)]
        return np.concatenate(parts).astype(np.float64, copy=False)

    @property
    def threshold_(self) -> float:
        """The score above which a row is an outlier; it follows `contamination`."""
        self._check_fitted()
        return threshold_of(self.decision_scores_, self.contamination)

    @property
    def labels_(self) -> Any:
        """(n,) 1 for fitted rows above the threshold, else 0."""
        return (self.decision_scores_ > self.threshold_).astype(np.int64)

    def predict(self, X: Any) -> Any:
        """Return 1 for rows above the threshold, else 0, (n,)."""
        return (self.decision_function(X) > self.threshold_).astype(np.int64)

    def fit_predict(self, X: Any, y: Any = None) -> Any:
        """Fit, and return the labels of the fitted rows."""
        return self.fit(X).labels_

    def predict_proba(self, X: Any, method: str = "linear") -> Floats:
        """Return probabilities (n, 2) of belonging and of not: ``linear`` in the score, or ``unify`` (Kriegel et al.)."""
        return probabilities(self.decision_function(X), self.decision_scores_, method)

    def save(self, folder: str | Path) -> None:
        """Write the fitted detector into a folder: TOML and safetensors, nothing that runs."""
        from ossicle_outliers.folder import save

        self._check_fitted()
        save(self, Path(folder))

    def _learn(self, rows: Floats) -> Any:
        raise NotImplementedError

    def _score(self, rows: Floats) -> Any:
        raise NotImplementedError

    def _state(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Return plain values and tensors that `_restore` makes a fitted detector of."""
        raise NotImplementedError

    def _restore(self, values: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        raise NotImplementedError

    def _check_fitted(self) -> None:
        if "decision_scores_" not in vars(self):
            raise NotFitted(
                f"this {type(self).__name__} is not fitted yet", why="it has seen no rows", hint="call fit(X) first"
            )

    def _batches(self, x: Any) -> Iterator[Floats]:
        """Yield checked rows (n, d), a few at a time; arrays and tensors are turned into float64 piece by piece too."""
        if isinstance(x, (np.ndarray, torch.Tensor)) and x.ndim == 2 and len(x) > BATCH_ROWS:
            for at in range(0, len(x), BATCH_ROWS):
                yield self._rows(x[at : at + BATCH_ROWS], first=at)
            return
        rows = self._rows(x)
        for at in range(0, len(rows), BATCH_ROWS):
            yield rows[at : at + BATCH_ROWS]

    def _rows(self, x: Any, *, fitting: bool = False, first: int = 0) -> Floats:
        if isinstance(x, torch.Tensor):
            x = x.detach().cpu().numpy()
        try:
            rows = validate_data(
                self,
                x,
                reset=fitting,
                dtype=np.float64,
                order="C",
                ensure_all_finite=False,
                ensure_min_samples=self.fewest_rows if fitting else 1,
            )
        except ValueError as error:
            raise TableError(str(error), why="a detector takes rows and columns of numbers: (n, d)") from error
        _check_finite(rows, x, first)
        return rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "outlier_detector"
        return tags


def _check_finite(rows: Floats, given: Any, first: int) -> None:
    bad = ~np.isfinite(rows)
    if not bad.any():
        return
    row, column = (int(at) for at in np.argwhere(bad)[0])
    columns = getattr(given, "columns", None)
    name = f"column {column}" if columns is None else f"column {column} ({columns[column]!r})"
    value = "NaN" if np.isnan(rows[row, column]) else "infinity"
    raise TableError(
        f"row {first + row}, {name} is {value}",
        why=f"every number must be finite; {int(bad.sum())} of {rows.size} are not",
        hint="remove such rows, or fill what is missing",
    )
