"""The two parts that the default has and the paper has not: soft tails of columns, and the neighbours' distance in the score."""

import copy

import numpy as np
import pytest
import torch

import ossicle
from ossicle.errors import ConfigError
from ossicle_outliers import load
from ossicle_outliers.distances import Shifter
from ossicle_outliers.standardize import SoftTails


def rows_of(n=300, d=4):
    return np.random.default_rng(0).normal(size=(n, d))


def test_tails_are_linear_to_their_start_and_logarithmic_beyond():
    x = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])  # median 2, quartiles 1 and 3
    tails = SoftTails.of(x, beyond=3.0)
    found = tails(np.array([[2.0], [4.0], [8.0], [-4.0], [2.0 + 2 * (3 + np.e - 1)]]))[:, 0]
    np.testing.assert_allclose(found, [0.0, 1.0, 3.0, -3.0, 4.0])


def test_tails_keep_the_order_and_tell_unequal_values_apart():
    far = np.array([[1e3], [1e3 + 1e-6], [1e6], [1e12]])
    found = SoftTails.of(rows_of(d=1), beyond=10.0)(far)[:, 0]
    assert (np.diff(found) > 0).all() and found[-1] < 50


def test_a_column_whose_quartiles_are_equal_stays():
    x = np.zeros((100, 2))
    x[:5, 0], x[:, 1] = 7.0, 3.0
    np.testing.assert_array_equal(SoftTails.of(x, beyond=10.0)(x), x)


def test_numbers_near_the_largest_stay_finite():
    x = np.array([[1.0, -1.0, 0.5, -0.5, 1e-300]]).T * 1.7e308
    assert np.isfinite(SoftTails.of(x, beyond=10.0)(x)).all()


def test_one_wild_value_does_not_hide_the_others():
    x = rows_of(400)
    x[0, 0], x[1] = 1e9, 6.0  # row 1 is out in every column, by as much as anybody can see
    found = ossicle.build("outlier-detector", "autoencoder").fit(x).decision_scores_
    assert set(np.argsort(found)[-2:]) == {0, 1}


def test_the_neighbours_part_is_the_knn_detectors_distance():
    x = rows_of()
    near = ossicle.build(
        "outlier-detector", "autoencoder", tail_from=0.0, reference_size="all", distance_weight=1, neighbor_share=1
    )
    knn = ossicle.build("outlier-detector", "knn", neighbors=10)
    for scores in (
        (near.fit(x).decision_scores_, knn.fit(x).decision_scores_),
        (near.decision_function(2 * x), knn.decision_function(2 * x)),
    ):
        middle, upper = np.percentile(knn.decision_scores_, [50.0, 84.13])
        np.testing.assert_allclose(scores[0], (scores[1] - middle) / (upper - middle), atol=1e-9)


def test_one_search_says_where_rows_move_and_how_far_the_neighbours_are():
    x = torch.from_numpy(rows_of(80))
    shifter, moved, away = Shifter.fit(x, torch.arange(0, 80, 2), 5, 2, away=7)
    alone, plain, nothing = Shifter.fit(x, torch.arange(0, 80, 2), 5, 2)
    assert all(torch.equal(a, b) for a, b in zip(moved, plain, strict=True)) and not nothing.any()
    new = torch.from_numpy(3 * rows_of(9))
    shifts, far = shifter.look(new, 7)
    assert all(torch.equal(a, b) for a, b in zip(shifts, alone(new), strict=True))
    for rows, found, own in ((new, far, 0), (x[::2], away[::2], 1)):
        torch.testing.assert_close(found, torch.cdist(rows, x[::2]).sort(1).values[:, 6 + own])


def test_shares_of_the_score_add_up():
    x = rows_of()

    def scores(**given):
        return ossicle.build("outlier-detector", "autoencoder", **given).fit(x).decision_scores_

    network = scores(distance_weight=0)
    shift, near = (scores(distance_weight=1, neighbor_share=share) for share in (0, 1))
    middle, upper = np.percentile(network, [50.0, 84.13])
    mixed = 0.25 * (network - middle) / (upper - middle) + 0.75 * (0.5 * shift + 0.5 * near)
    np.testing.assert_allclose(scores(), mixed, atol=1e-9)


def test_without_a_shift_there_are_no_distances():
    x = rows_of()
    alone = ossicle.build("outlier-detector", "autoencoder", shift_steps=0).fit(x)
    bare = ossicle.build("outlier-detector", "autoencoder", shift_steps=0, distance_weight=0).fit(x)
    np.testing.assert_array_equal(alone.decision_scores_, bare.decision_scores_)


def test_a_saved_default_scores_new_rows_as_before(tmp_path):
    detector = ossicle.build("outlier-detector", "autoencoder").fit(rows_of())
    detector.save(tmp_path / "model")
    new = 3 * rows_of(20)
    np.testing.assert_array_equal(load(tmp_path / "model").decision_function(new), detector.decision_function(new))


def test_a_model_saved_before_there_were_tails_and_neighbours_scores_as_it_did():
    x = rows_of()
    detector = ossicle.build("outlier-detector", "autoencoder", tail_from=0.0, neighbor_share=0.0).fit(x)
    values, tensors = detector._state()
    of_then = {name: value for name, value in values.items() if name not in ("near_k", "tail_from")}
    of_then |= {"weights": values["weights"][:3], "units": values["units"][:2]}
    restored = copy.deepcopy(detector)
    restored._restore(of_then, tensors)
    np.testing.assert_array_equal(restored.decision_function(x), detector.decision_function(x))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_handful_of_rows_has_scores(rows):
    assert np.isfinite(ossicle.build("outlier-detector", "autoencoder").fit(rows_of(rows)).decision_scores_).all()


@pytest.mark.parametrize("wrong", [{"neighbor_share": 1.5}, {"tail_from": -1.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ossicle.build("outlier-detector", "autoencoder", **wrong).fit(rows_of())
