"""Mean shift, scores and gradients equal vectors that were computed apart from this package."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ossicle_outliers import apre, mean_shift
from ossicle_outliers.neighbors import search
from ossicle_outliers.scores import bias_and_uncertainty, variance_of

FOLDER = Path(__file__).parent / "golden"
CLOUDS = sorted(path.stem for path in FOLDER.glob("ms_*.npz"))
ENGINES = ("auto", "direct", "tiles", "compiled", "faiss")


def golden(name):
    return np.load(FOLDER / f"{name}.npz")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CLOUDS)
def test_every_engine_shifts_as_the_reference_does(name, engine):
    if engine == "faiss":
        pytest.importorskip("faiss")
    z = golden(name)
    for k in z["ks"].tolist():
        for found, wanted in (
            (mean_shift(z["X"], k, engine=engine), z[f"k{k}_fit"]),
            (mean_shift(z["X"], k, 3, queries=z["Q"], engine=engine), z[f"k{k}_query"]),
        ):
            assert len(found) == 3
            np.testing.assert_allclose(np.stack(found), wanted, rtol=1e-10, atol=1e-10 * np.abs(z["X"]).max())


@pytest.mark.parametrize("name", CLOUDS)
def test_neighbours_are_the_references_ties_by_row(name):
    z = golden(name)
    for k in z["ks"].tolist():
        cloud = z["X"]
        for step in range(3):
            found = search(cloud, k=k, engine="compiled")
            np.testing.assert_array_equal(found.indices, z[f"k{k}_fit_idx"][step])
            np.testing.assert_allclose(found.distances[:, -1], z[f"k{k}_fit_kdist"][step], rtol=1e-9, atol=1e-12)
            cloud = z[f"k{k}_fit"][step]


@pytest.mark.parametrize("name", CLOUDS)
def test_float32_stays_within_its_tolerance(name):
    z = golden(name)
    for k in z["ks"].tolist():
        if "grid" in name or "dups" in name:
            continue  # Rounding to float32 decides ties anew.
        found = mean_shift(torch.from_numpy(z["X"]).float(), k)
        assert all(cloud.dtype == torch.float32 for cloud in found)
        np.testing.assert_allclose(torch.stack(found), z[f"k{k}_fit"], rtol=0, atol=1e-4 * np.abs(z["X"]).max())


@pytest.mark.parametrize("name", CLOUDS)
def test_how_far_rows_move(name):
    z = golden(name)
    for k in z["ks"].tolist():
        moved = np.stack([np.linalg.norm(z["X"] - cloud, axis=1) for cloud in mean_shift(z["X"], k)])
        np.testing.assert_allclose(moved, z[f"k{k}_mod"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CLOUDS)
def test_scores_of_a_fixed_network_against_shifted_rows(name):
    z = golden(name)
    mean, raw = torch.from_numpy(z["pae_mu"]), torch.from_numpy(z["pae_raw"])
    for key in z.files:
        if not key.startswith("score_"):
            continue
        words = {part[0]: part[1:] for part in key.split("_")[1:]}
        steps, alpha, beta = int(words["m"]), float(words["a"]), float(words["b"])
        target = mean_shift(z["X"], int(words["k"]), steps)[-1] if steps else z["X"]
        found = apre(target, z["pae_mu"], variance_of(raw, 1e-5).numpy(), alpha, beta)
        np.testing.assert_allclose(found, z[key], rtol=1e-9, atol=1e-9)
        bias, uncertainty = bias_and_uncertainty(mean, raw, [torch.from_numpy(target)], 1e-5)
        np.testing.assert_allclose(alpha * bias[0] + beta * uncertainty, z[key], rtol=1e-9, atol=1e-9)


def test_apre_and_its_gradients():
    z = golden("apre")
    x = torch.from_numpy(z["x"])
    for i, (alpha, beta) in enumerate(z["ab"]):
        mean, raw = (torch.from_numpy(z[key]).requires_grad_() for key in ("mu", "raw"))
        score = apre(x, mean, variance_of(raw, float(z["eps"])), alpha, beta)
        np.testing.assert_allclose(score.detach(), z[f"score{i}"], rtol=1e-10, atol=1e-10)
        loss = score.mean()
        loss.backward()
        np.testing.assert_allclose(loss.detach(), z[f"loss{i}"], rtol=1e-10)
        np.testing.assert_allclose(mean.grad, z[f"gmu{i}"], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(raw.grad, z[f"graw{i}"], rtol=1e-9, atol=1e-12)
