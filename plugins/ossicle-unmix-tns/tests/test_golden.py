"""Layers, networks and rivals give what the published code gives (golden/README.md)."""

import pytest
import torch
from torch import nn
from vectors import GoldenNetwork, batch_norm, batches, golden_layer, load

import ossicle
from ossicle_unmix_tns import UnMixTNS
from ossicle_unmix_tns.laplacian import affinities, correct
from ossicle_unmix_tns.rival_layers import AlphaNorm, BatchMomentsNorm, InstanceAwareNorm, RunningNorm, SourceNorm

LAYERS = [
    "bn2d_B1",
    "bn2d_B4",
    "bn2d_B16_partial",
    "bn2d_B16_sorted",
    "bn2d_B4_K1",
    "bn2d_B4_freshbn",
    "bn2d_B4_zeros",
    "bn2d_B4_grad",
    "bncl_B1_L50",
    "bncl_B4_L20",
]


def near(found, wanted, limit):
    """At most `limit` of the largest magnitude off."""
    off = (found.double() - wanted.double()).abs().max() / wanted.double().abs().max().clamp_min(1e-12)
    assert float(off) <= limit, f"off by {float(off):.1e}"


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_states_are_the_truth(name):
    d = load(name)
    layer = golden_layer(d)
    means, variances, outputs = [], [], []
    for x in batches(d):
        with torch.no_grad():
            outputs.append(layer(x))
        means.append(layer.means.clone())
        variances.append(layer.variances.clone())
    near(torch.cat(outputs), d["y64"], 1e-6)
    torch.testing.assert_close(torch.stack(means), d["means_after"], atol=5e-6, rtol=0)
    torch.testing.assert_close(torch.stack(variances), d["vars_after"], atol=5e-6, rtol=0)
    torch.testing.assert_close(layer.means.double(), d["final_means64"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["bn2d_B1", "bn2d_B4"])
def test_assignments_are_the_published_ones(name):
    d = load(name)
    layer, shares = golden_layer(d), []
    for x in batches(d):
        shares.append(layer.assignments(x))
        layer(x)
    torch.testing.assert_close(torch.cat(shares).double(), d["probs64"], atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", ["bn2d_B4", "bncl_B4_L20"])
def test_in_float64_nothing_is_left_of_the_difference(name):
    d = load(name)
    layer = golden_layer(d).double()
    outputs = torch.cat([layer(x.double()) for x in batches(d)])
    near(outputs, d["y64"], 1e-12)


def test_gradients_flow_through_instance_statistics_only():
    d = load("bn2d_B4_grad")
    layer, gradients = golden_layer(d), {"x": [], "w": [], "b": []}
    for x, out in zip(batches(d), batches(d, "grad_out"), strict=True):
        x = x.requires_grad_()
        layer.zero_grad()
        layer(x).backward(out)
        for name, value in (("x", x.grad), ("w", layer.weight.grad), ("b", layer.bias.grad)):
            gradients[name].append(value.clone())
    near(torch.cat(gradients["x"]), d["grad_x"], 1e-5)
    near(torch.stack(gradients["w"]), d["grad_w"], 1e-5)
    near(torch.stack(gradients["b"]), d["grad_b"], 1e-5)


@pytest.mark.parametrize("name", ["bn1d_B1", "bn1d_B4", "bn1d_B16"])
def test_without_positions_the_source_statistics_serve(name):
    d = load(name)
    layer = UnMixTNS.from_batch_norm(batch_norm(d, nn.BatchNorm1d))
    before = layer.means.clone()
    for x, y in zip(batches(d), batches(d, "y"), strict=True):
        torch.testing.assert_close(layer(x), y, atol=2e-6, rtol=0)
    assert torch.equal(layer.means, before)


@pytest.mark.parametrize(("name", "batch"), [("cnn_B4", 4), ("cnn_B1_headbn", 1)])
def test_networks_give_the_published_logits(name, batch):
    d = load(name)
    network = GoldenNetwork(d)
    torch.testing.assert_close(network(d["x"][0]), d["logits_source_bn"][0], atol=1e-5, rtol=0)
    adapted = ossicle.build("adapter", "unmix-tns", preset="paper", batch_size=batch).adapt(network)
    norms = [key.rpartition("/")[2] for key in d if key.startswith("init_means/")]
    for norm in norms:
        adapted.get_submodule(norm).means.copy_(d[f"init_means/{norm}"])
        adapted.get_submodule(norm).variances.copy_(d[f"init_vars/{norm}"])
    near(torch.stack([adapted(x) for x in d["x"]]), d["logits64"], 1e-5)
    for norm in norms:
        torch.testing.assert_close(adapted.get_submodule(norm).means, d[f"final_means/{norm}"], atol=5e-6, rtol=0)
        torch.testing.assert_close(adapted.get_submodule(norm).variances, d[f"final_vars/{norm}"], atol=5e-6, rtol=0)


@pytest.mark.parametrize(("name", "batch", "seed"), [("cnn_B4", 4, 105), ("cnn_B1_headbn", 1, 106)])
def test_the_paper_preset_draws_what_the_published_code_draws_after_the_same_seed(name, batch, seed):
    d = load(name)
    adapted = ossicle.build("adapter", "unmix-tns", preset="paper", batch_size=batch, seed=seed).adapt(GoldenNetwork(d))
    for key in [key for key in d if key.startswith("init_means/")]:
        torch.testing.assert_close(adapted.get_submodule(key[11:]).means, d[key], atol=1e-6, rtol=0)
    near(torch.stack([adapted(x) for x in d["x"]]), d["logits64"], 1e-5)


RIVALS = {
    "y_source": SourceNorm,
    "y_tbn": BatchMomentsNorm,
    "y_alpha_bn/0.1": lambda bn: AlphaNorm(bn, alpha=0.1),
    "y_alpha_bn/0.5": lambda bn: AlphaNorm(bn, alpha=0.5),
    "y_ema_bn": lambda bn: RunningNorm(bn, rate=None, unbiased=True),
    "y_rbn/0.05": RunningNorm,
    "y_iabn/3.0": lambda bn: InstanceAwareNorm(bn, k=3.0),
    "y_iabn/4.0": InstanceAwareNorm,
}


@pytest.mark.parametrize("key", RIVALS)
def test_rivals_are_the_published_ones(key):
    d = load("baselines")
    layer = RIVALS[key](batch_norm(d))
    with torch.no_grad():
        outputs = torch.stack([layer(x) for x in d["x"]])
    torch.testing.assert_close(outputs, d[key], atol=5e-6, rtol=0)
    if key == "y_rbn/0.05":
        torch.testing.assert_close(layer.running_mean, d["rbn_mean_final"], atol=1e-6, rtol=0)
        torch.testing.assert_close(layer.running_variance, d["rbn_var_final"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["knn", "rbf", "linear"])
def test_lame_is_the_published_one(kind):
    d = load("baselines")
    features = nn.functional.normalize(d["lame_feats"], dim=1)
    found = correct(d["lame_logits"].softmax(dim=1), affinities(features, kind, 5))
    torch.testing.assert_close(found, d[f"lame_out/{kind}"], atol=5e-6, rtol=0)
