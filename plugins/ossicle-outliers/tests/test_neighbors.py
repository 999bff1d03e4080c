"""Every exact engine gives the same rows in the order (distance, row), whatever the offset, scale or ties."""

import numpy as np
import pytest
import torch

from ossicle.errors import MissingPackageError
from ossicle_outliers import mean_shift
from ossicle_outliers.errors import SettingError, TableError
from ossicle_outliers.neighbors import search
from ossicle_outliers.neighbors.space import Space

ENGINES = ["direct", "tiles", "compiled", "faiss"]


def engine_or_skip(engine):
    if engine in ("faiss", "approximate"):
        pytest.importorskip("faiss")
    return engine


def cloud(n=300, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def by_sorting(base, queries, k, own):
    """Return the k nearest rows by plain sorting of direct differences."""
    squared = ((queries[:, None] - base[None]) ** 2).sum(-1)
    if own:
        squared[np.arange(len(base)), np.arange(len(base))] = -1
    return np.argsort(squared, axis=1, kind="stable")[:, :k]


AWKWARD = {
    "as it is": lambda x: x,
    "an offset of 1e4 and a spread of 0.1": lambda x: 1e4 + 0.1 * x,
    "numbers of 1e150": lambda x: 1e150 * x,
    "numbers of 1e-150": lambda x: 1e-150 * x,
    "columns of very different scales": lambda x: x * 10.0 ** np.arange(-4, 6, 2),
    "one row far away": lambda x: np.concatenate([x[:-1], x[-1:] * 1e6]),
    "two groups far apart": lambda x: x + 1e5 * (np.arange(len(x)) % 2)[:, None],
    "whole numbers, so that most distances are tied": lambda x: np.round(x),
    "every row four times": lambda x: np.repeat(x[: len(x) // 4], 4, axis=0),
    "all rows equal": lambda x: np.zeros_like(x),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", AWKWARD)
def test_the_rows_found_are_those_of_plain_sorting(what, engine):
    x = AWKWARD[what](cloud())
    # Sorted at order one: the squares of 1e150 would overflow here.
    plain = x / 2.0 ** np.frexp(np.abs(x).max() or 1.0)[1]
    found = search(x, k=7, engine=engine_or_skip(engine))
    np.testing.assert_array_equal(found.indices, by_sorting(plain, plain, 7, own=True))
    found = search(x, x[:40] + 0.25 * x[1:41], 6, engine=engine)
    np.testing.assert_array_equal(found.indices, by_sorting(plain, plain[:40] + 0.25 * plain[1:41], 6, own=False))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("width", [1, 130])
def test_one_column_and_130(width, engine):
    x = cloud(200, width, seed=1)
    found = search(x, k=5, engine=engine_or_skip(engine))
    np.testing.assert_array_equal(found.indices, by_sorting(x, x, 5, own=True))


def test_more_rows_than_a_tile():
    x = cloud(2500, 3, seed=2)
    np.testing.assert_array_equal(search(x, k=10, engine="compiled").indices, search(x, k=10, engine="direct").indices)


@pytest.mark.parametrize("engine", ENGINES)
def test_from_one_neighbour_to_all(engine):
    x = cloud(40, 3, seed=3)
    engine_or_skip(engine)
    assert search(x, k=1, engine=engine).indices.tolist() == [[row] for row in range(40)]
    everything = search(x, k=40, engine=engine).indices
    np.testing.assert_array_equal(everything, by_sorting(x, x, 40, own=True))
    assert mean_shift(x, 1, engine=engine)[-1].tolist() == x.tolist(), "alone, a row stays where it is"
    np.testing.assert_allclose(mean_shift(x, 40, 1, engine=engine)[0], np.tile(x.mean(0), (40, 1)), atol=1e-12)


def test_k_beyond_the_rows_is_refused_with_both_numbers():
    for k in (0, 41):
        with pytest.raises(SettingError, match=f"k is {k}, and n is 40"):
            search(cloud(40), k=k)
        with pytest.raises(ValueError, match=f"k is {k}, and n is 40"):
            mean_shift(cloud(40), k)


def test_a_guess_saves_time_and_changes_nothing():
    x = cloud(600, 4, seed=4)
    plain = search(x, k=8, engine="compiled")
    near = torch.from_numpy(plain.indices[:, 1:])
    wrong = torch.randint(0, 600, (600, 7), generator=torch.Generator().manual_seed(0))
    for guess in (near, wrong):
        np.testing.assert_array_equal(search(x, k=8, engine="compiled", guess=guess).indices, plain.indices)


def test_the_proof_fails_where_float32_cannot_tell():
    # The second distance differs from the third by less than float32 resolves.
    base = torch.tensor([[0.0], [1.0], [1.0 + 1e-12], [2.0]], dtype=torch.float64)
    space = Space.of(base)
    queries, norms = space.map(base[:1])
    values = space.norms - 2 * queries @ space.rows.T
    sure = space.certain(norms, torch.tensor([1.0], dtype=torch.float64), values[:, 2])
    assert not bool(sure)
    assert bool(space.certain(norms, torch.tensor([1.0], dtype=torch.float64), values[:, 3]))


def test_approximate_search_says_what_it_missed():
    pytest.importorskip("faiss")
    x = cloud(4000, 16, seed=5)
    true = search(x, k=10, engine="compiled")
    rough = search(x, k=10, engine="approximate", probes=2)
    fine = search(x, k=10, engine="approximate", probes=10**6)
    assert true.recall is None and fine.recall == 1.0 and 0 < rough.recall < 1
    found = [len(set(a) & set(b)) for a, b in zip(rough.indices.tolist(), true.indices.tolist(), strict=True)]
    # The row itself is given; the sampled recall is that of the nine others.
    assert rough.recall == pytest.approx((np.mean(found) - 1) / 9, abs=0.05)


def test_tensors_come_back_as_tensors():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    found = search(x, k=4)
    assert isinstance(found.indices, torch.Tensor) and found.distances.dtype == torch.float64
    for dtype in (torch.float32, torch.float64):
        assert mean_shift(x.to(dtype), 4)[0].dtype == dtype
    assert mean_shift(x.numpy(), 4)[0].dtype == np.float32
    assert mean_shift([[1, 2], [3, 4], [5, 6]], 2, 1)[0].dtype == np.float64


def test_new_rows_do_not_see_each_other():
    x, q = cloud(80, 4, seed=6), cloud(9, 4, seed=7)
    together = mean_shift(x, 5, 2, queries=q)
    alone = [mean_shift(x, 5, 2, queries=row[None]) for row in q]
    for step in range(2):
        np.testing.assert_array_equal(together[step], np.concatenate([moved[step] for moved in alone]))


def test_the_shift_stays_right_far_from_the_origin():
    x = cloud(400, 6, seed=8)
    here, there = mean_shift(x, 12), mean_shift(x + 1e4, 12)
    np.testing.assert_allclose(np.stack(there) - 1e4, np.stack(here), atol=1e-10)


def test_nothing_is_written_into_the_rows():
    x = cloud(60)
    kept = x.copy()
    mean_shift(x, 5, 3, queries=x[:5]), search(x, x[:5], 3)
    assert np.array_equal(x, kept)


def test_what_is_no_table_is_refused():
    with pytest.raises(TableError, match="row 3, column 1 is nan"):
        search(np.where(np.arange(20).reshape(10, 2) == 7, np.nan, 1.0), k=2)
    with pytest.raises(TableError, match="columns"):
        search(cloud(20, 3), cloud(5, 4), 2)
    with pytest.raises(TableError, match="shape"):
        search(np.zeros((2, 3, 4)), k=1)
    with pytest.raises(SettingError, match="no search engine"):
        search(cloud(20), k=2, engine="kd_tree")


def test_without_faiss_it_is_named(monkeypatch):
    from ossicle_outliers.neighbors import engines

    monkeypatch.setattr(engines, "faiss_installed", lambda: False)
    with pytest.raises(MissingPackageError, match="faiss"):
        search(cloud(60), k=2, engine="approximate")
    monkeypatch.setattr(engines, "compiler_installed", lambda: False)
    monkeypatch.setattr(engines, "SMALL", 0)
    found = search(cloud(60), k=5)
    assert found.engine == "tiles"
    np.testing.assert_array_equal(found.indices, by_sorting(cloud(60), cloud(60), 5, own=True))
