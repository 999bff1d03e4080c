"""Checks of the kind `outlier-detector`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.errors import OssicleError
from ossicle.testing.subject import ConformanceCheck, Subject

_ROWS, _COLUMNS, _STRANGE = 120, 4, 6


def make_table(rows: int = _ROWS, *, seed: int = 0) -> np.ndarray:
    """Return rows (n, 4) of two clusters; the last six of the default table belong to neither."""
    draw = np.random.default_rng(seed)
    table = draw.normal(size=(rows, _COLUMNS)) + 3.0 * draw.integers(0, 2, size=(rows, 1))
    if rows == _ROWS:
        table[-_STRANGE:] = draw.normal(size=(_STRANGE, _COLUMNS)) * 3.0 + np.array([12.0, -12.0, 12.0, -12.0])
    return table


def exercise_detector(detector: Any) -> list[Tensor]:
    """Fit a copy, and score the fitted rows and others."""
    fitted = copy.deepcopy(detector).fit(make_table())
    found = (fitted.decision_scores_, fitted.decision_function(make_table(20, seed=1)))
    return [torch.from_numpy(np.ascontiguousarray(scores)) for scores in found]


def _fitted(subject: Subject, table: Any = None) -> Any:
    return subject.factory().fit(make_table() if table is None else table)


def _gives_what_a_fit_gives(subject: Subject) -> None:
    detector = subject.factory()
    assert detector.fit(make_table()) is detector, "fit() does not return the detector"
    scores, labels = np.asarray(detector.decision_scores_), np.asarray(detector.labels_)
    assert scores.shape == (_ROWS,) and scores.dtype == np.float64, f"scores are {scores.shape} of {scores.dtype}"
    assert np.isfinite(scores).all(), "some scores are not finite"
    assert labels.shape == (_ROWS,) and set(labels.tolist()) <= {0, 1}, "labels are not 0 and 1"
    assert (labels == (scores > detector.threshold_)).all(), "labels are not the scores above the threshold"
    assert detector.n_features_in_ == _COLUMNS, f"n_features_in_ is {detector.n_features_in_}"


def _higher_is_stranger(subject: Subject) -> None:
    scores = _fitted(subject).decision_scores_
    above = (scores[-_STRANGE:, None] > scores[None, :-_STRANGE]).mean()
    assert above > 0.9, f"rows far from all others outrank only {above:.0%} of them"


def _rows_do_not_see_each_other(subject: Subject) -> None:
    detector, rows = _fitted(subject), make_table(9, seed=2)
    alone = np.concatenate([detector.decision_function(row[None]) for row in rows])
    difference = float(np.abs(detector.decision_function(rows) - alone).max())
    assert difference <= 1e-6 * max(1.0, float(np.abs(alone).max())), f"one by one they differ by {difference:.2e}"


def _row_order_does_not_matter(subject: Subject) -> None:
    detector, rows = _fitted(subject), make_table(30, seed=5)
    order = np.random.default_rng(6).permutation(len(rows))
    scores, turned = detector.decision_function(rows), detector.decision_function(rows[order])
    difference = float(np.abs(scores[order] - turned).max())
    assert difference <= 1e-6 * max(1.0, float(np.abs(scores).max())), (
        f"in another order they differ by {difference:.2e}"
    )


def _unequal_rows_score_unequally(subject: Subject) -> None:
    scores = _fitted(subject).decision_scores_
    assert len(np.unique(scores)) > _ROWS // 2, f"{_ROWS} different rows have {len(np.unique(scores))} scores"


def _a_second_fit_is_equal(subject: Subject) -> None:
    detector = _fitted(subject)
    first = detector.decision_scores_.copy()
    torch.rand(1), np.random.default_rng().random()
    assert np.array_equal(first, detector.fit(make_table()).decision_scores_), "the same object fits differently"


def _contamination_acts_at_once(subject: Subject) -> None:
    detector = _fitted(subject)
    kept = detector.decision_scores_.copy()
    for share, least, most in ((0.1, 11, 13), (0.25, 28, 31), (0, 0, 0), (None, 0, 0)):
        detector.contamination = share
        count = int(np.asarray(detector.labels_).sum())
        assert least <= count <= most, f"contamination {share} gives {count} outliers of {_ROWS}"
        assert int(np.asarray(detector.predict(make_table())).shape[0]) == _ROWS, "predict() loses rows"
    detector.contamination = "auto"
    assert np.isfinite(detector.threshold_), "the threshold of 'auto' is not finite"
    assert np.array_equal(kept, detector.decision_scores_), "the scores changed with it"


def _probabilities_sum_to_one(subject: Subject) -> None:
    found = np.asarray(_fitted(subject).predict_proba(make_table(20, seed=3)))
    assert found.shape == (20, 2), f"probabilities are {found.shape}"
    assert np.allclose(found.sum(1), 1.0) and (found >= 0).all(), "they are no probabilities"


def _settings_go_in_and_out(subject: Subject) -> None:
    detector = subject.factory()
    settings = detector.get_params()
    assert "contamination" in settings, "contamination is no setting"
    again = type(detector)(**settings)
    assert again.get_params() == settings, "settings change on the way"
    assert detector.set_params(contamination=0.2) is detector, "set_params() does not return the detector"
    assert detector.get_params()["contamination"] == 0.2, "set_params() sets nothing"


def _takes_tensors_and_lists(subject: Subject) -> None:
    table = make_table()
    wanted = _fitted(subject).decision_scores_
    for given in (torch.from_numpy(table), table.tolist(), np.asfortranarray(table)):
        found = _fitted(subject, given).decision_scores_
        assert np.allclose(found, wanted, rtol=1e-6), f"a {type(given).__name__} gives other scores"


def _leaves_its_input_alone(subject: Subject) -> None:
    table = make_table()
    kept = table.copy()
    _fitted(subject, table).decision_function(table)
    assert np.array_equal(table, kept), "the rows were changed"


def _takes_what_is_awkward(subject: Subject) -> None:
    table = make_table(12, seed=4)
    constant = table.copy()
    constant[:, 1] = 7.0
    awkward = {
        "a constant column": constant,
        "duplicates": np.repeat(table[:4], 5, axis=0),
        "one column": table[:, :1],
        "numbers of 1e6": table * 1e6,
        "numbers of 1e-6": table * 1e-6,
        "an offset of 1e4": table + 1e4,
    }
    for what, rows in awkward.items():
        scores = _fitted(subject, rows).decision_scores_
        assert np.isfinite(scores).all(), f"{what} gives scores that are not finite"


def _refuses_what_it_cannot_take(subject: Subject) -> None:
    detector, table = _fitted(subject), make_table()
    spoiled = table.copy()
    spoiled[5, 2] = np.nan
    _must_refuse(lambda: subject.factory().decision_function(table), "scoring before a fit")
    _must_refuse(lambda: detector.decision_function(table[:, 1:]), "rows of another width")
    _must_refuse(lambda: subject.factory().fit(table[:0]), "no rows")
    _must_refuse(lambda: subject.factory().fit(table[0]), "a single axis")
    for call in (lambda: subject.factory().fit(spoiled), lambda: detector.decision_function(spoiled)):
        message = _must_refuse(call, "NaN")
        assert "5" in message and "2" in message, "NaN in row 5, column 2 is not named"


def _must_refuse(call: Callable[[], Any], what: str) -> str:
    try:
        call()
    except OssicleError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(f"{what} gave {type(error).__name__}, not an OssicleError") from error
    raise AssertionError(f"{what} was accepted")


CHECKS = [
    ConformanceCheck(
        "gives what a fit gives", _gives_what_a_fit_gives, "set decision_scores_, threshold_, labels_, n_features_in_"
    ),
    ConformanceCheck("higher is stranger", _higher_is_stranger, "turn the sign of the scores"),
    ConformanceCheck("rows do not see each other", _rows_do_not_see_each_other, "score each row by itself"),
    ConformanceCheck("row order does not matter", _row_order_does_not_matter, "return scores in the order of the rows"),
    ConformanceCheck("unequal rows score unequally", _unequal_rows_score_unequally, "see that scores do not collapse"),
    ConformanceCheck("a second fit is equal", _a_second_fit_is_equal, "seed in fit(), not in the constructor"),
    ConformanceCheck(
        "contamination acts at once", _contamination_acts_at_once, "derive threshold and labels from it when asked"
    ),
    ConformanceCheck("probabilities sum to one", _probabilities_sum_to_one, "return (n, 2)"),
    ConformanceCheck("settings go in and out", _settings_go_in_and_out, "keep settings as they were given"),
    ConformanceCheck("takes tensors and lists", _takes_tensors_and_lists, "turn what comes in into one array"),
    ConformanceCheck("leaves its input alone", _leaves_its_input_alone, "write into a copy"),
    ConformanceCheck(
        "takes what is awkward", _takes_what_is_awkward, "mind spreads of zero, ties and sums that cancel"
    ),
    ConformanceCheck(
        "refuses what it cannot take",
        _refuses_what_it_cannot_take,
        "raise ossicle.errors.InputError, row and column named",
    ),
]
"""What every outlier detector must do."""
