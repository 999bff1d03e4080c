"""The published losses and discriminators, held against values computed with the authors' own code."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ossicle_istftnet.discriminators import MultiPeriodDiscriminator, MultiScaleDiscriminator, ScaleDiscriminator
from ossicle_istftnet.losses import discriminator_loss, feature_loss, generator_loss, spectral_loss

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def values():
    with np.load(GOLDEN / "losses" / "losses.npz") as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


@pytest.fixture(scope="module")
def judged():
    with np.load(GOLDEN / "losses" / "discriminators_formula.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def waves():
    real = np.load(GOLDEN / "hifigan_v3_w64" / "expected_wave.npy")
    fake = np.load(GOLDEN / "istftnet_c8c8i_w64" / "expected_wave.npy")
    return [torch.from_numpy(w.reshape(-1)[:8192].copy())[None, None] for w in (real, fake)]


def fill_by_formula(module: torch.nn.Module, names: list[str]) -> None:
    """Give the n-th parameter, in the reference's order and under its names, the weights of the golden files' formula."""
    parameters = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): parameter
        for name, parameter in module.named_parameters()
    }
    assert sorted(parameters) == sorted(names)
    for n, name in enumerate(names):
        parameter = parameters[name]
        i = np.arange(1, parameter.numel() + 1, dtype=np.float64)
        s = np.sin(12.9898 * i + 78.233 * n) * 43758.5453
        r = s - np.floor(s) - 0.5
        value = {"weight_v": r, "weight_g": 1.4 + 0.4 * r, "bias": 0.2 * r}[name.rsplit(".", 1)[1]]
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(value).reshape(parameter.shape))


def test_losses_equal_the_reference(values):
    real = [[values[f"fmap_r_{d}_{i}"] for i in range(3)] for d in range(2)]
    fake = [[values[f"fmap_g_{d}_{i}"] for i in range(3)] for d in range(2)]
    assert feature_loss(real, fake).item() == pytest.approx(values["feature_loss"].item(), abs=1e-5)
    real_logits = [values[f"disc_r_{d}"] for d in range(3)]
    fake_logits = [values[f"disc_g_{d}"] for d in range(3)]
    assert discriminator_loss(real_logits, fake_logits).item() == pytest.approx(
        values["discriminator_loss"].item(), abs=1e-5
    )
    assert generator_loss(fake_logits).item() == pytest.approx(values["generator_loss"].item(), abs=1e-5)


def test_multi_period_discriminator_equals_the_reference(judged, waves):
    network = MultiPeriodDiscriminator()
    fill_by_formula(network, [str(name) for name in judged["mpd_param_names"]])
    with torch.no_grad():
        real, fake = (network(wave) for wave in waves)
    for d, ((r, _), (f, _)) in enumerate(zip(real, fake, strict=True)):
        scale = max(1.0, float(np.abs(judged[f"mpd_real_{d}"]).max()))
        np.testing.assert_allclose(r.numpy(), judged[f"mpd_real_{d}"], atol=1e-5 * scale, rtol=0)
        np.testing.assert_allclose(f.numpy(), judged[f"mpd_fake_{d}"], atol=1e-5 * scale, rtol=0)
    features = feature_loss([m for _, m in real], [m for _, m in fake]).item()
    assert features == pytest.approx(float(judged["mpd_feature_loss"]), rel=1e-5)
    logits = [[j for j, _ in side] for side in (real, fake)]
    assert discriminator_loss(*logits).item() == pytest.approx(float(judged["mpd_disc_loss"]), rel=1e-5)
    assert generator_loss(logits[1]).item() == pytest.approx(float(judged["mpd_gen_loss"]), rel=1e-5)


def test_scale_discriminator_equals_the_reference(judged, waves):
    network = ScaleDiscriminator()
    fill_by_formula(network, [str(name) for name in judged["disc_s_param_names"]])
    with torch.no_grad():
        (real, real_maps), (fake, fake_maps) = (network(wave) for wave in waves)
    for ours, theirs in ((real, judged["disc_s_real"]), (fake, judged["disc_s_fake"])):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5 * max(1.0, float(np.abs(theirs).max())), rtol=0)
    assert feature_loss([real_maps], [fake_maps]).item() == pytest.approx(
        float(judged["disc_s_feature_loss"]), rel=1e-5
    )


def test_scales_see_the_averaged_signal(judged, waves):
    pooled = MultiScaleDiscriminator(width=16).pool(waves[0])
    np.testing.assert_allclose(pooled.numpy(), judged["avgpool_x"], atol=1e-6, rtol=0)


def test_published_widths_have_the_published_sizes():
    assert sum(p.numel() for p in MultiPeriodDiscriminator().parameters()) == pytest.approx(41.106e6, rel=1e-4)
    assert sum(p.numel() for p in MultiScaleDiscriminator().parameters()) == pytest.approx(29.619e6, rel=1e-3)


def test_spectral_loss_is_zero_for_equal_sounds_and_grows_with_noise():
    draw = torch.Generator().manual_seed(0)
    wave = torch.randn(2, 8192, generator=draw) * 0.1
    noise = torch.randn(2, 8192, generator=draw) * 0.01
    assert spectral_loss(wave, wave).item() == 0.0
    assert 0.0 < spectral_loss(wave, wave + noise).item() < spectral_loss(wave, wave + 10 * noise).item()


def test_spectral_loss_of_silence_is_finite_and_has_a_finite_gradient():
    fake = torch.zeros(1, 8192, requires_grad=True)
    spectral_loss(torch.zeros(1, 8192), fake).backward()
    assert torch.isfinite(fake.grad).all()
