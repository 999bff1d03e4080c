"""Measures against golden values, against pairs counted one by one, and against what has no answer."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossicle.errors import InputError
from ossicle_outliers import measures

GOLDEN = Path(__file__).parent / "golden" / "metrics.npz"


@pytest.mark.parametrize("case", range(4))
def test_golden_values(case):
    with np.load(GOLDEN) as golden:
        scores, labels = golden[f"s{case}"], golden[f"y{case}"]
        np.testing.assert_allclose(measures.roc_auc(scores, labels), golden[f"auc{case}"], rtol=1e-12)
        np.testing.assert_allclose(measures.roc_auc(scores, labels), golden[f"auc_mid{case}"], rtol=1e-12)
        np.testing.assert_allclose(measures.partial_auc(scores, labels), golden[f"pauc{case}"], rtol=1e-12)
        np.testing.assert_allclose(measures.average_precision(scores, labels), golden[f"ap{case}"], rtol=1e-12)
        threshold = measures.threshold_at(scores, 0.1)
        np.testing.assert_allclose(threshold, golden[f"thr{case}"], rtol=1e-12)
        np.testing.assert_array_equal(scores > threshold, golden[f"lab{case}"])


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_the_share_of_pairs_in_order(rows):
    outliers, normal = ([s for s, mark in rows if mark is wanted] for wanted in (True, False))
    if not outliers or not normal:
        return
    pairs = [(a > b) + 0.5 * (a == b) for a in outliers for b in normal]
    found = measures.roc_auc([s for s, _ in rows], [int(mark) for _, mark in rows])
    assert found == pytest.approx(np.mean(pairs))


def test_perfect_reversed_and_constant_scores():
    labels = [0, 0, 0, 1]
    assert measures.report([0, 1, 2, 3], labels) == {"auc": 1.0, "pauc": 1.0, "ap": 1.0}
    assert measures.roc_auc([3, 2, 1, 0], labels) == 0.0
    assert measures.roc_auc([7, 7, 7, 7], labels) == 0.5
    assert measures.partial_auc([7, 7, 7, 7], labels) == pytest.approx(0.5)
    assert measures.partial_auc([0, 1, 3, 2], labels, max_fpr=1.0) == pytest.approx(
        measures.roc_auc([0, 1, 3, 2], labels)
    )


def test_one_bad_machine_pulls_the_harmonic_mean_down():
    assert measures.harmonic_mean([0.5, 1.0]) == pytest.approx(2 / 3)
    assert measures.harmonic_mean([0.0, 1.0]) == 0.0
    for nothing in ([], [-1.0], [float("nan")]):
        with pytest.raises(InputError):
            measures.harmonic_mean(nothing)


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        ([1.0, 2.0], [0, 0], "all 2 rows are normal"),
        ([1.0, 2.0], [1, 1], "all 2 rows are outliers"),
        ([1.0, float("nan")], [0, 1], "row 1"),
        ([1.0, 2.0, 3.0], [0, 1], "shape"),
        ([1.0, 2.0], [0, 2], "0 .normal. or 1"),
    ],
)
def test_what_has_no_answer_is_refused(scores, labels, words):
    with pytest.raises(InputError) as caught:
        measures.roc_auc(scores, labels)
    assert re.search(words, str(caught.value))
