"""Tests and intervals: published examples, cases worked by hand, and values computed another way."""

import math

import numpy as np
import pytest
from scipy import special, stats

from ossicle.errors import ConfigError
from ossicle.runs.statistics import cluster_bootstrap, corrected_resampled_t, five_by_two_f, holm, mcnemar, paired_t


def answers(first_only, second_only, both=5, neither=3):
    """Return right and wrong answers of two classifiers with these counts."""
    first = [True] * first_only + [False] * second_only + [True] * both + [False] * neither
    second = [False] * first_only + [True] * second_only + [True] * both + [False] * neither
    return np.array(first), np.array(second)


# --- McNemar


@pytest.mark.parametrize(
    ("b", "c", "exact", "mid"),
    [
        (1, 7, 0.0703, 0.0391),  # Bentur et al. (2009), airway hyper-responsiveness
        (6, 16, 0.0525, 0.0347),  # Cavo et al. (2012), response to consolidation therapy
        (25, 2, 5.6e-6, 3.0e-6),  # Ezra et al. (2010), floppy eyelids
    ],
)
def test_mcnemar_gives_the_published_values_of_fagerlands_examples(b, c, exact, mid):
    found = mcnemar(*answers(b, c))
    assert (found.first_only, found.second_only) == (b, c)
    assert found.p_exact == pytest.approx(exact, rel=0.01) and found.p_mid == pytest.approx(mid, rel=0.02)


@pytest.mark.parametrize(("b", "c"), [(0, 1), (1, 0), (3, 3), (0, 9), (12, 30), (400, 431)])
def test_mcnemar_is_the_binomial_test_and_its_mid_p_counts_the_point_by_half(b, c):
    found = mcnemar(*answers(b, c))
    assert found.p_exact == pytest.approx(stats.binomtest(b, b + c).pvalue, rel=1e-9)
    # By enumeration: what is further from the middle, and half of what is as far.
    far = np.abs(np.arange(b + c + 1) - (b + c) / 2)
    mass = stats.binom.pmf(np.arange(b + c + 1), b + c, 0.5)
    wanted = mass[far > far[b]].sum() + 0.5 * mass[far == far[b]].sum()
    assert found.p_mid == pytest.approx(wanted, rel=1e-9)


def test_mcnemar_is_the_same_from_either_side_and_needs_a_difference():
    one, two = answers(4, 11)
    assert mcnemar(one, two).p_mid == mcnemar(two, one).p_mid
    assert mcnemar(one, one).p_exact == mcnemar(one, one).p_mid == 1.0


def test_mcnemar_takes_thousands_of_clips():
    found = mcnemar(*answers(3000, 3300))
    assert found.p_exact == pytest.approx(stats.binomtest(3000, 6300).pvalue, rel=1e-6)


def test_mcnemar_needs_answers_to_the_same_clips():
    with pytest.raises(ConfigError, match="same clips"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))


# --- the cluster bootstrap


def test_clusters_of_one_give_the_usual_bootstrap_interval():
    values = np.random.default_rng(1).random(300) < 0.2
    mean, low, high = cluster_bootstrap(values, [str(i) for i in range(300)], draws=4000)
    other = stats.bootstrap(
        (values.astype(float),), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert mean == pytest.approx(values.mean())
    assert low == pytest.approx(other.low, abs=0.006) and high == pytest.approx(other.high, abs=0.006)


def test_clips_that_fail_together_widen_the_interval_as_they_should():
    rng = np.random.default_rng(0)
    recordings = rng.random(100) < 0.3
    values, names = np.repeat(recordings, 5), np.repeat([f"tape{i}" for i in range(100)], 5).tolist()
    _, low, high = cluster_bootstrap(values, names)
    _, low_alone, high_alone = cluster_bootstrap(values, [""] * 500)
    # 5 equal clips carry one clip's information: the interval is sqrt(5) times as wide.
    assert (high - low) / (high_alone - low_alone) == pytest.approx(math.sqrt(5), rel=0.1)


def test_intervals_of_the_mean_cover_it_as_often_as_they_say():
    covered = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        rates = rng.beta(2, 6, 60)
        values = rng.random((60, 4)) < rates[:, None]
        _, low, high = cluster_bootstrap(values.ravel(), np.repeat(np.arange(60).astype(str), 4).tolist(), draws=400)
        covered += low <= 0.25 <= high
    assert 0.89 <= covered / 200 <= 0.98


def test_recordings_of_different_length_count_by_their_clips():
    mean, low, high = cluster_bootstrap([1, 1, 1, 0], ["a", "a", "a", "b"])
    assert (mean, low, high) == (0.75, 0.0, 1.0)


def test_the_bootstrap_is_the_same_every_time_and_takes_many_recordings():
    values = np.arange(5000) % 10 == 0
    names = [str(i) for i in range(5000)]
    first, second = (cluster_bootstrap(values, names) for _ in range(2))
    assert first == second
    sd = math.sqrt(0.1 * 0.9 / 5000)
    assert first[1] == pytest.approx(0.1 - 1.96 * sd, abs=0.001) and first[2] == pytest.approx(
        0.1 + 1.96 * sd, abs=0.001
    )


def test_a_single_recording_tells_nothing_of_others():
    assert cluster_bootstrap([0, 1], ["a", "a"]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("values", "names"), [([], []), ([1.0], ["a", "b"]), ([[1.0]], ["a"])])
def test_the_bootstrap_needs_a_value_and_a_cluster_for_each_clip(values, names):
    with pytest.raises(ConfigError, match="one value and one cluster"):
        cluster_bootstrap(values, names)


# --- t tests


def test_the_paired_t_test_on_students_sleep_data():
    # Cushny and Peebles (1905), as in Student (1908): hours of sleep gained, second drug minus first.
    found = paired_t([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    assert (
        found.degrees == 9
        and found.t == pytest.approx(4.0621, abs=1e-4)
        and found.p == pytest.approx(0.002833, abs=1e-6)
    )


def test_the_paired_t_test_is_scipys():
    d = np.random.default_rng(3).normal(0.3, 1, 12)
    wanted = stats.ttest_1samp(d, 0)
    found = paired_t(d)
    assert (found.t, found.p) == pytest.approx((wanted.statistic, wanted.pvalue))


def test_the_corrected_t_test_by_hand():
    # Mean 2, variance 1 * (1/3 + 1/2): t = 2 / sqrt(5/6). With two degrees of freedom p has a closed form.
    found = corrected_resampled_t([1.0, 2.0, 3.0], n_train=2, n_test=1)
    t = 2 / math.sqrt(5 / 6)
    assert found.t == pytest.approx(t) and found.p == pytest.approx(1 - t / math.sqrt(2 + t * t))


def test_the_correction_makes_the_test_more_careful_and_fades_with_much_training_data():
    d = [0.02, 0.03, 0.01, 0.04, 0.02]
    assert corrected_resampled_t(d, n_train=4, n_test=1).p > paired_t(d).p
    assert corrected_resampled_t(d, n_train=10**9, n_test=1).p == pytest.approx(paired_t(d).p, rel=1e-4)


def test_overlapping_training_sets_fool_the_plain_test_and_not_the_corrected_one():
    # Differences over folds share most of their training data: here they share half of their variance.
    rng = np.random.default_rng(5)
    plain = corrected = 0
    for _ in range(400):
        d = rng.normal(size=10) + rng.normal() * 1.0
        plain += paired_t(d).p < 0.05
        corrected += corrected_resampled_t(d, n_train=1, n_test=1).p < 0.05
    assert plain / 400 > 0.3 and corrected / 400 < 0.09


def test_differences_without_spread():
    assert paired_t([0.0, 0.0]).p == 1.0 and paired_t([0.0, 0.0]).t == 0.0
    assert paired_t([0.1, 0.1]).p == 0.0 and paired_t([-0.1, -0.1]).t == -math.inf


@pytest.mark.parametrize("d", [[], [1.0], [[1.0, 2.0]]])
def test_t_tests_need_two_differences(d):
    with pytest.raises(ConfigError, match="two differences"):
        paired_t(d)
    with pytest.raises(ConfigError, match="two differences"):
        corrected_resampled_t(d, n_train=4, n_test=1)
    with pytest.raises(ConfigError, match="both sets"):
        corrected_resampled_t([1.0, 2.0], n_train=0, n_test=1)


# --- 5x2cv


def test_the_combined_f_test_by_hand():
    # Each row has squares 0.01 + 0.09 and variance 2 * 0.1^2: F = 0.5 / (2 * 0.1).
    found = five_by_two_f([[0.1, 0.3]] * 5)
    assert found.f == pytest.approx(2.5)
    # The F distribution through the incomplete beta function.
    assert found.p == pytest.approx(special.betainc(2.5, 5.0, 5 / (5 + 10 * 2.5)))


def test_the_combined_f_test_keeps_below_its_level_and_sees_what_is_plain():
    rng = np.random.default_rng(7)
    false_alarms = sum(five_by_two_f(rng.normal(size=(5, 2))).p < 0.05 for _ in range(1000))
    assert 0.01 < false_alarms / 1000 < 0.06
    assert sum(five_by_two_f(rng.normal(3, 1, size=(5, 2))).p < 0.05 for _ in range(100)) > 80


def test_the_combined_f_test_at_its_edges():
    assert five_by_two_f(np.zeros((5, 2))).p == 1.0
    assert five_by_two_f(np.full((5, 2), 0.1)).p == 0.0
    with pytest.raises(ConfigError, match=r"\(5, 2\)"):
        five_by_two_f(np.zeros((2, 5)))


# --- Holm


def test_holm_in_the_order_given():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])


def test_holm_by_its_definition():
    p = np.random.default_rng(8).random(9).round(2).tolist()
    ordered = sorted(p)
    wanted = [max(min(1.0, (len(p) - k) * ordered[k]) for k in range(ordered.index(x) + 1)) for x in p]
    assert holm(p) == pytest.approx(wanted)


def test_holm_of_none_one_and_large_ones():
    assert holm([]) == [] and holm([0.2]) == [0.2] and holm([0.9, 0.8]) == [1.0, 1.0]
