"""Whether one classifier is better than another: tests and intervals on paired results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ossicle.errors import ConfigError

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class McNemar:
    """McNemar's test on paired right and wrong answers.

    Parameters
    ----------
    first_only, second_only
        Clips that the first alone, and the second alone, got right.
    p_exact, p_mid
        Two-sided: the exact conditional test, which is conservative, and its mid-p variant, which is not.
    """

    first_only: int
    second_only: int
    p_exact: float
    p_mid: float


def mcnemar(first_right: Booleans, second_right: Booleans) -> McNemar:
    """Return McNemar's test for two classifiers on the same clips, (n,) each: whether each answer was right.

    Sources: McNemar (1947); Fagerland, Lydersen and Laake, "The McNemar test for binary matched-pairs data" (2013).
    """
    first_right, second_right = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if first_right.shape != second_right.shape or first_right.ndim != 1:
        raise ConfigError("McNemar's test needs both classifiers' answers to the same clips")
    b, c = int((first_right & ~second_right).sum()), int((~first_right & second_right).sum())
    n, fewer = b + c, min(b, c)
    if n == 0:
        return McNemar(b, c, 1.0, 1.0)
    ways = below = 1
    for k in range(fewer):
        ways = ways * (n - k) // (k + 1)
        below += ways
    tail, point = below / 2**n, ways / 2**n
    # Where both are equal the two tails overlap in the point itself, which then counts by half.
    return McNemar(b, c, min(1.0, 2 * tail), 1 - point / 2 if b == c else 2 * tail - point)


def cluster_bootstrap(
    values: npt.ArrayLike, clusters: Sequence[str], *, seed: int = 0, draws: int = 2000, level: float = 0.95
) -> tuple[float, float, float]:
    """Return the mean of values (n,) and its percentile interval, whole clusters drawn with replacement.

    Clips cut from one recording succeed and fail together: drawing clips one by one would give intervals that are too
    narrow. An empty cluster name is a cluster of its own.

    Source: Field and Welsh, "Bootstrapping clustered data" (2007), the randomised cluster bootstrap.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) != len(clusters) or not len(numbers):
        raise ConfigError("a bootstrap needs one value and one cluster for each of at least one clip")
    names = [name or f"\0{at}" for at, name in enumerate(clusters)]
    _, index = np.unique(names, return_inverse=True)
    sums, counts = np.bincount(index, numbers), np.bincount(index)
    draw = np.random.default_rng(seed)
    # A few draws at once: all of them would take gigabytes on ten thousand recordings.
    at_once = max(1, 2**22 // len(sums))
    parts = [draw.integers(0, len(sums), (min(at_once, draws - at), len(sums))) for at in range(0, draws, at_once)]
    means = np.concatenate([sums[part].sum(axis=1) / counts[part].sum(axis=1) for part in parts])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(numbers.mean()), float(low), float(high)


@dataclass(frozen=True)
class TTest:
    """A t statistic with its degrees of freedom and two-sided p."""

    t: float
    degrees: int
    p: float


def corrected_resampled_t(differences: npt.ArrayLike, *, n_train: int, n_test: int) -> TTest:
    """Return the t test of differences (J,) over J resampled splits, corrected for the overlap of their training sets.

    The variance is s^2 (1 / J + n_test / n_train). Source: Nadeau and Bengio, "Inference for the generalization error" (2003),
    equation 9.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1 or len(d) < 2 or n_train < 1 or n_test < 1:
        raise ConfigError("a resampled t test needs two differences at least, and the sizes of both sets")
    variance = float(d.var(ddof=1)) * (1 / len(d) + n_test / n_train)
    return _t(float(d.mean()), variance, len(d) - 1)


@dataclass(frozen=True)
class FTest:
    """An F statistic with (10, 5) degrees of freedom and its p."""

    f: float
    p: float


def five_by_two_f(differences: npt.ArrayLike) -> FTest:
    """Return the combined F test of differences (5, 2): five halvings, both halves tested in turn.

    Source: Alpaydin, "Combined 5 x 2 cv F test" (1999), equation 7.
    """
    from scipy import stats

    d = np.asarray(differences, dtype=np.float64)
    if d.shape != (5, 2):
        raise ConfigError(f"the 5x2cv test needs differences of shape (5, 2), not {d.shape}")
    variances = ((d - d.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    if not variances.sum():
        return FTest(math.inf if d.any() else 0.0, 0.0 if d.any() else 1.0)
    f = float((d**2).sum() / (2 * variances.sum()))
    return FTest(f, float(stats.f.sf(f, 10, 5)))


def paired_t(differences: npt.ArrayLike) -> TTest:
    """Return Student's paired t test of differences (n,), such as over seeds that share data and order."""
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1 or len(d) < 2:
        raise ConfigError("a paired t test needs two differences at least")
    return _t(float(d.mean()), float(d.var(ddof=1)) / len(d), len(d) - 1)


def _t(mean: float, variance: float, degrees: int) -> TTest:
    from scipy import stats

    if variance == 0:
        return TTest(math.inf * np.sign(mean) if mean else 0.0, degrees, 0.0 if mean else 1.0)
    t = mean / math.sqrt(variance)
    return TTest(t, degrees, float(2 * stats.t.sf(abs(t), degrees)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for so many tests at once, in the order given.

    Source: Holm, "A simple sequentially rejective multiple test procedure" (1979).
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = highest
    return adjusted
