"""Ranks over data sets, against a worked example and against scipy."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from scipy import stats

from ossicle.errors import ConfigError
from ossicle_outliers.recipes.ranks import critical_difference_svg, groups, rank_methods


def test_ranks_are_means_over_sets_with_ties_shared():
    ranking = rank_methods("abc", [[0.9, 0.8, 0.7], [0.5, 0.5, 0.1]])
    assert ranking.ranks == (1.25, 1.75, 3.0)


def test_friedmans_p_is_that_of_its_f_statistic():
    values = np.random.default_rng(3).standard_normal((9, 4)) + np.array([0.0, 0.3, 0.6, 0.9])
    chi = stats.friedmanchisquare(*values.T).statistic
    expected = stats.f.sf(8 * chi / (9 * 3 - chi), 3, 3 * 8)
    assert rank_methods("abcd", values).p == pytest.approx(expected)


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_takes_nemenyis_values(methods, q):
    # q at 0.05 from table 5 of Demšar (2006).
    values = np.random.default_rng(0).standard_normal((14, methods))
    expected = q * math.sqrt(methods * (methods + 1) / (6 * 14))
    assert rank_methods(list(range(methods)), values).critical == pytest.approx(expected, abs=2e-3)


def test_bars_join_what_no_test_tells_apart():
    ranking = rank_methods("abc", [[3, 2, 1]] * 20)
    assert ranking.ranks == (1.0, 2.0, 3.0) and ranking.p < 1e-9
    assert groups(ranking) == []
    noise = rank_methods("abcd", np.random.default_rng(0).standard_normal((5, 4)))
    (bar,) = groups(noise)
    assert bar == (min(noise.ranks), max(noise.ranks)) and noise.p > 0.05


@pytest.mark.parametrize("methods", [2, 3, 7])
def test_the_figure_names_every_method(methods):
    names = [f"method {m} <&>" for m in range(methods)]
    values = np.random.default_rng(0).standard_normal((6, methods))
    svg = critical_difference_svg(rank_methods(names, values), "title <&>")
    texts = [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]
    assert all(any(name in text for text in texts) for name in names)


def test_one_set_or_one_method_cannot_be_ranked():
    for wrong in ([[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0, 3.0]] * 2):
        with pytest.raises(ConfigError):
            rank_methods(["a", "b"], wrong)
    assert math.isfinite(rank_methods(["a", "b"], [[1, 1], [1, 1]]).critical)
