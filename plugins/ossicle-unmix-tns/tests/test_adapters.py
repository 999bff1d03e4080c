"""Networks of every build are converted, restored, saved and resumed."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from vectors import small_network

import ossicle
from ossicle.errors import ConfigError
from ossicle_unmix_tns import UnMixTNS
from ossicle_unmix_tns.norm import AdaptiveNorm
from ossicle_unmix_tns.rival_layers import RunningNorm

UNMIX = ossicle.build("adapter", "unmix-tns")


def images(rows=4, seed=1):
    return torch.randn(rows, 1, 9, 11, generator=torch.Generator().manual_seed(seed))


def seen(bn):
    """A BatchNorm after some training."""
    with torch.no_grad():
        for seed in range(20):
            bn.train()(torch.randn(8, bn.num_features, 6, 5, generator=torch.Generator().manual_seed(seed)) * 2 + 1)
    return bn.eval()


def test_names_of_everything_else_stay():
    network = small_network()
    adapted = UNMIX.adapt(network)
    assert [name for name, _ in adapted.named_modules()] == [name for name, _ in network.named_modules()]
    assert [name for name, _ in adapted.named_parameters()] == [name for name, _ in network.named_parameters()]
    assert isinstance(adapted[1], UnMixTNS) and isinstance(network[1], nn.BatchNorm2d)


def test_a_network_that_is_a_batch_norm_is_replaced_whole():
    bn = seen(nn.BatchNorm2d(3))
    layer = UNMIX.adapt(bn)
    assert isinstance(layer, UnMixTNS)
    x = torch.randn(2, 3, 4, 4)
    layer(x)
    assert torch.equal(UNMIX.restore(layer)(x), bn(x))


def test_a_shared_batch_norm_becomes_one_shared_layer():
    bn = seen(nn.BatchNorm2d(1))
    network = nn.Sequential(bn, nn.ReLU(), nn.Sequential(nn.Identity(), bn))
    adapted = UNMIX.adapt(network)
    assert adapted[0] is adapted[2][1] and isinstance(adapted[0], UnMixTNS)
    restored = UNMIX.restore(adapted)
    assert restored[0] is restored[2][1]
    assert torch.equal(restored(images()), network(images()))


@pytest.mark.parametrize(
    "settings", [{"affine": False}, {"momentum": None}, {"eps": 1e-3, "momentum": 0.3}, {"track_running_stats": False}]
)
@pytest.mark.parametrize("name", ["source", "tbn", "alpha-bn", "ema-bn", "rbn", "iabn", "unmix-tns"])
def test_every_kind_of_batch_norm_is_taken_and_given_back(settings, name):
    network = nn.Sequential(
        seen(nn.BatchNorm2d(1, **settings)), nn.Conv2d(1, 4, 3), seen(nn.BatchNorm2d(4, **settings))
    )
    adapter = ossicle.build("adapter", name)
    adapted = adapter.adapt(network)
    for seed in range(3):
        assert bool(torch.isfinite(adapted(images(seed=seed))).all())
    restored = adapter.restore(adapted)
    assert [repr(m) for m in restored.modules()] == [repr(m) for m in network.modules()]
    wanted, found = network.state_dict(), restored.state_dict()
    assert wanted.keys() == found.keys() and all(torch.equal(wanted[k], found[k]) for k in wanted)
    assert torch.equal(restored(images()), network(images()))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [(nn.BatchNorm1d, (4, 3, 9)), (nn.BatchNorm3d, (4, 3, 2, 3, 4)), (nn.SyncBatchNorm, (4, 3, 5, 5))],
)
def test_batch_norms_of_every_dimension_are_replaced(kind, shape):
    adapted = UNMIX.adapt(nn.Sequential(kind(3)).eval())
    assert isinstance(adapted[0], UnMixTNS) and adapted(torch.randn(shape)).shape == shape
    assert type(UNMIX.restore(adapted)[0]) is kind


def test_untracked_statistics_are_taken_from_the_first_batch():
    adapted = UNMIX.adapt(nn.BatchNorm2d(3, track_running_stats=False))
    before = adapted.means.clone()
    x = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 3 + 7
    y = adapted(x)
    torch.testing.assert_close(adapted.source_mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(adapted.source_variance, x.var((0, 2, 3), unbiased=False))
    assert float(y.mean().abs()) < 0.1 and abs(float(y.std()) - 1) < 0.1
    kept = adapted.source_mean.clone()
    adapted(x + 5)
    assert torch.equal(adapted.source_mean, kept)
    UNMIX.reset(adapted)
    assert torch.equal(adapted.means, before)
    assert torch.equal(adapted(x), y)


class NormAndReLU(nn.BatchNorm2d):
    def forward(self, x):
        return torch.relu(super().forward(x))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (nn.Linear(2, 2), "no BatchNorm"),
        (nn.Sequential(NormAndReLU(2)), "more than normalise"),
        (nn.Sequential(weight_norm(nn.BatchNorm2d(2))), "remove_parametrizations"),
        (nn.Sequential(nn.LazyBatchNorm2d()), "once before"),
        (torch.jit.script(nn.BatchNorm2d(2)), "before scripting"),
        (lambda x: x, "torch.nn.Module"),
    ],
)
def test_what_cannot_be_adapted_is_refused_with_the_reason(network, words):
    with pytest.raises(ConfigError) as caught:
        UNMIX.adapt(network)
    assert words in str(caught.value)


def test_the_published_rate_depends_on_momentum_and_batch_sizes():
    adapter = ossicle.build("adapter", "unmix-tns", preset="paper", batch_size=16)
    adapted = adapter.adapt(
        nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2, momentum=0.5), nn.BatchNorm2d(2, momentum=None))
    )
    assert adapted[0].rate == pytest.approx(0.025996253574703254, abs=1e-15)
    assert adapted[1].rate == pytest.approx(1 - 0.5**0.25)
    assert adapted[2].rate == adapted[0].rate
    assert ossicle.build("adapter", "unmix-tns", rate=0.2).adapt(nn.BatchNorm2d(2)).rate == 0.2


def test_the_presets_are_what_they_are_called():
    paper = ossicle.build("adapter", "unmix-tns", preset="paper").adapt(nn.BatchNorm2d(3))
    assert (len(paper.means), paper.alpha, paper.temperature, paper.rate) == (16, 0.5, 0.07, pytest.approx(0.1))
    assert paper.gate is None
    audio = ossicle.build("adapter", "unmix-tns").adapt(nn.BatchNorm2d(3))
    assert audio.rate is None and audio.horizon > 0
    torch.testing.assert_close(audio.means.mean(0), audio.source_mean, atol=1e-6, rtol=0)
    given = ossicle.build("adapter", "unmix-tns", components=4, alpha=0.3, horizon_seconds=600.0, window_seconds=2.0)
    layer = given.adapt(nn.BatchNorm2d(3))
    assert (len(layer.means), layer.alpha, layer.horizon) == (4, 0.3, 300.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "speech"},
        {"components": 0},
        {"alpha": 2.0},
        {"batch_size": 0},
        {"max_batch_size": 1.5},
        {"horizon": 5.0, "rate": 0.1},
        {"window_seconds": 0.0},
        {"preset": "paper", "prior": 5.0},
    ],
)
def test_wrong_settings_are_refused_before_there_is_a_network(wrong):
    with pytest.raises(ConfigError):
        ossicle.build("adapter", "unmix-tns", **wrong)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("tent", {"learning_rate": 0.0}),
        ("lame", {"affinity": "cosine"}),
        ("lame", {"neighbours": 0}),
        ("rbn", {"rate": 1.5}),
        ("alpha-bn", {"alpha": -1.0}),
        ("ema-bn", {"momentum": 2.0}),
        ("iabn", {"k": -1.0}),
    ],
)
def test_rivals_refuse_what_makes_no_sense(name, wrong):
    with pytest.raises(ConfigError):
        ossicle.build("adapter", name, **wrong)


# --- silence at the door


def test_digital_silence_is_not_learnt_from_by_the_audio_preset():
    adapted = UNMIX.adapt(small_network())
    adapted(images())
    before = copy.deepcopy(adapted.state_dict())
    adapted(torch.full((4, 1, 9, 11), -4.0))
    assert all(torch.equal(value, before[name]) for name, value in adapted.state_dict().items())
    mixed = images()
    mixed[1] = -4.0
    twin = copy.deepcopy(adapted)
    adapted(mixed)
    twin(mixed[[0, 2, 3]])
    torch.testing.assert_close(adapted[4].means, twin[4].means, atol=1e-6, rtol=0)


def test_copies_have_a_door_of_their_own():
    adapted = UNMIX.adapt(small_network())
    twin = copy.deepcopy(adapted)
    assert twin[1].gate is twin[4].gate is not adapted[1].gate
    assert not UNMIX.restore(twin)._forward_pre_hooks


# --- rivals in networks


def test_ema_bn_is_a_pass_in_training_and_one_in_evaluation():
    network = small_network()
    adapter = ossicle.build("adapter", "ema-bn")
    adapted = adapter.adapt(network)
    reference = copy.deepcopy(network)
    for seed in range(3):
        x = images(8, seed) * 2
        with torch.no_grad():
            reference.train()(x)
            wanted = reference.eval()(x)
            torch.testing.assert_close(adapted(x), wanted, atol=1e-5, rtol=0)
    assert isinstance(adapted[1], RunningNorm)


def test_tbn_is_a_network_in_training():
    network = small_network()
    adapted = ossicle.build("adapter", "tbn").adapt(network)
    torch.testing.assert_close(adapted(images(8)), copy.deepcopy(network).train()(images(8)), atol=1e-5, rtol=0)


def test_tent_takes_the_steps_of_adam_down_the_entropy():
    network = small_network()
    adapted = ossicle.build("adapter", "tent").adapt(network)
    reference = copy.deepcopy(network).train().requires_grad_(False)
    moved = [p for m in reference.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()]
    optimizer = torch.optim.Adam([p.requires_grad_() for p in moved], lr=1e-3)
    for seed in range(4):
        logits = reference(images(8, seed))
        entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
        optimizer.zero_grad()
        entropy.backward()
        optimizer.step()
        torch.testing.assert_close(adapted(images(8, seed)), logits.detach(), atol=1e-4, rtol=0)
    for name in ("1.weight", "4.bias"):
        torch.testing.assert_close(
            adapted.network.get_parameter(name), reference.get_parameter(name), atol=1e-4, rtol=0
        )


def test_tent_needs_something_to_move():
    with pytest.raises(ConfigError, match="no affine parameters"):
        ossicle.build("adapter", "tent").adapt(nn.Sequential(nn.BatchNorm2d(1, affine=False)))


def test_tent_gives_back_which_parameters_were_trained():
    network = small_network()
    network[0].requires_grad_(False)
    tent = ossicle.build("adapter", "tent")
    adapted = tent.adapt(network)
    adapted(images())
    restored = tent.restore(adapted)
    assert [p.requires_grad for p in restored.parameters()] == [p.requires_grad for p in network.parameters()]


def test_lame_needs_the_features_that_logits_are_made_of():
    lame = ossicle.build("adapter", "lame")
    with pytest.raises(ConfigError, match="no linear layer"):
        lame.adapt(nn.Sequential(nn.Conv2d(1, 2, 3)))
    scaled = nn.Sequential(nn.Flatten(), nn.Linear(99, 3), nn.Softplus())
    with pytest.raises(ConfigError, match="not what the network gives"):
        lame.adapt(scaled)(images())


def test_lame_takes_networks_without_batch_norm_and_leaves_a_single_clip_as_it_is():
    network = nn.Sequential(nn.Flatten(), nn.Linear(99, 3))
    adapted = ossicle.build("adapter", "lame").adapt(network)
    torch.testing.assert_close(adapted(images(1)).softmax(1), network(images(1)).softmax(1), atol=1e-6, rtol=0)


def test_lame_lets_neighbours_agree():
    network = nn.Sequential(nn.Flatten(), nn.Linear(99, 3))
    x = images(1).expand(8, -1, -1, -1) + 1e-3 * images(8)
    adapted = ossicle.build("adapter", "lame").adapt(network)
    assert float(adapted(x).exp().amax(1).mean()) > float(network(x).softmax(1).amax(1).mean())


def test_every_layer_of_every_adapter_is_adaptive():
    for name in ossicle.names("adapter"):
        adapted = ossicle.build("adapter", name).adapt(small_network())
        kinds = {type(m) for m in adapted.modules() if isinstance(m, (AdaptiveNorm, nn.BatchNorm2d))}
        assert len(kinds) == 1 and issubclass(kinds.pop(), AdaptiveNorm)
