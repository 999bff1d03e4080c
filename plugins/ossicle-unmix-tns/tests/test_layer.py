"""What holds of the layer whatever it is fed: invariances, guards, state, dtypes."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ossicle.errors import ConfigError, InputError
from ossicle_unmix_tns import UnMixTNS
from ossicle_unmix_tns.components import draw_noise, spread

CHANNELS = 5


@pytest.fixture(scope="module", autouse=True, params=["plain torch", "the fast path"])
def path(request):
    """Without gradients a CPU computes the layer in one compiled call: all of this holds there too."""
    with torch.set_grad_enabled(request.param == "plain torch"):
        yield request.param


def batch_norm(kind=nn.BatchNorm2d, *, offset=0.0, seed=0, **settings):
    draw = torch.Generator().manual_seed(seed)
    bn = kind(CHANNELS, **settings)
    if bn.running_mean is not None:
        bn.running_mean.copy_(torch.randn(CHANNELS, generator=draw) + offset)
        bn.running_var.copy_(torch.rand(CHANNELS, generator=draw) + 0.5)
    if bn.weight is not None:
        with torch.no_grad():
            bn.weight.copy_(torch.rand(CHANNELS, generator=draw) + 0.5)
            bn.bias.copy_(torch.randn(CHANNELS, generator=draw))
    return bn.eval()


def clips(rows=6, *shape, offset=0.0, seed=1):
    draw = torch.Generator().manual_seed(seed)
    shape = shape or (4, 7)
    own = torch.randn(rows, CHANNELS, *(1,) * len(shape), generator=draw)
    return torch.randn(rows, CHANNELS, *shape, generator=draw) + 0.7 * own + offset


class Transcribed:
    """The formulas of the paper's code, step by step, B x K x C and all, in float64."""

    def __init__(self, layer, total=False):
        self.m, self.s = layer.means.double(), layer.variances.double()
        self.w, self.b = (layer.weight.detach().double(), layer.bias.detach().double())
        self.rate, self.eps, self.tau, self.total = layer.rate, layer.eps, layer.temperature, total

    def __call__(self, x):
        flat = x.double().flatten(2)
        m, v = flat.mean(2), flat.var(2, unbiased=False)
        directions = (nn.functional.normalize(t, dim=1, eps=1e-12) for t in (m, self.m))
        p = torch.softmax(torch.matmul(next(directions), next(directions).t()) / self.tau, dim=1)[:, :, None]
        mixed_m = (1 - p) * self.m + p * m[:, None]
        mixed_s = (1 - p) * self.s + p * v[:, None]
        if self.total:
            mixed_s = mixed_s + p * (1 - p) * (m[:, None] - self.m) ** 2
        mean = mixed_m.mean(1, keepdim=True)
        var = mixed_s.mean(1) + ((mixed_m - mean) ** 2).mean(1)
        y = (flat - mean[:, 0, :, None]) / (var + self.eps).sqrt()[:, :, None]
        if len(x):
            self.m, self.s = (
                self.m + self.rate * (p * (m[:, None] - self.m)).mean(0),
                self.s + self.rate * (p * (v[:, None] - self.s)).mean(0),
            )
        return (y * self.w[:, None] + self.b[:, None]).view(x.shape)


def off(found, wanted):
    return float((found - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("components", [1, 2, 3, 16, 128])
@pytest.mark.parametrize(("source", "input_"), [(0, 0), (1000, 1000), (0, 1000), (0, -300)])
@pytest.mark.parametrize("rows", [1, 8])
def test_sixty_steps_in_float32_stay_at_the_formulas_in_float64(components, source, input_, rows):
    layer = UnMixTNS.from_batch_norm(batch_norm(offset=source), components=components, rate=0.1)
    truth = Transcribed(layer)
    with torch.no_grad():
        for step in range(60):
            x = clips(rows, offset=input_, seed=step)
            assert off(layer(x), truth(x)) < 4e-6
    assert off(layer.means, truth.m) < 5e-6 and off(layer.variances, truth.s) < 1e-5


def test_the_law_of_total_variance_can_be_asked_for():
    layer = UnMixTNS.from_batch_norm(batch_norm(), rate=0.1, variance="total")
    truth = Transcribed(layer, total=True)
    for step in range(5):
        x = clips(seed=step)
        assert off(layer(x), truth(x)) < 1e-6


@pytest.mark.parametrize("shape", [(28,), (4, 7), (2, 2, 7)])
def test_the_arrangement_of_positions_does_not_matter(shape):
    one, other = (UnMixTNS.from_batch_norm(batch_norm()) for _ in range(2))
    x = clips(3, 28)
    torch.testing.assert_close(one(x), other(x.view(3, CHANNELS, *shape)).view(x.shape), atol=1e-6, rtol=0)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(6)), st.integers(1, 20), st.floats(0, 1), st.floats(0.01, 2))
def test_batch_mates_matter_neither_to_an_output_nor_by_their_order(order, components, alpha, temperature):
    given_ = {"components": components, "alpha": alpha, "temperature": temperature}
    whole, shuffled = (UnMixTNS.from_batch_norm(batch_norm(), **given_) for _ in range(2))
    alone = copy.deepcopy(whole)
    alone.freeze()
    x = clips()
    y = whole(x)
    torch.testing.assert_close(shuffled(x[list(order)]), y[list(order)], atol=1e-5, rtol=0)
    torch.testing.assert_close(shuffled.means, whole.means, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cat([alone(row[None]) for row in x]), y, atol=1e-5, rtol=0)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.floats(0, 1))
def test_matched_components_have_the_sources_moments_to_the_digit(components, alpha):
    mean, variance = torch.randn(CHANNELS).double(), torch.rand(CHANNELS).double() + 0.1
    noise = draw_noise(components, CHANNELS, "matched", torch.Generator().manual_seed(components)).double()
    means, variances = spread(mean, variance, noise, alpha)
    torch.testing.assert_close(means.mean(0), mean, atol=1e-6, rtol=0)
    torch.testing.assert_close(variances.mean(0) + means.var(0, unbiased=False), variance, atol=1e-6, rtol=0)


def test_matched_components_normalise_near_the_source_before_they_learn():
    bn = batch_norm()
    layer = UnMixTNS.from_batch_norm(bn, components=64, alpha=0.1, rate=0.0, start="matched")
    gaussian = UnMixTNS.from_batch_norm(bn, components=64, alpha=0.5, rate=0.0)
    x = clips(32, 50) * bn.running_var.sqrt()[:, None] + bn.running_mean[:, None]
    wanted = bn(x[..., None])[..., 0]
    error = float((layer(x) - wanted).square().mean())
    assert error < 0.01 and error < float((gaussian(x) - wanted).square().mean())


def test_a_horizon_makes_cutting_into_batches_matter_little():
    stream = clips(64, 30, offset=0.4)
    found = []
    for size in (1, 8, 64):
        layer = UnMixTNS.from_batch_norm(batch_norm(), horizon=100.0, prior=30.0, temperature=1e6)
        for part in stream.split(size):
            layer(part)
        found.append(layer.means.clone())
    moved = float((found[0] - layer._initial_means).abs().max())
    # All alike, but for the order in which the last of them came.
    assert float((found[0] - found[2]).abs().max()) < 0.2 * moved
    assert float((found[0] - found[1]).abs().max()) < 0.1 * moved


def test_a_horizon_forgets_two_thirds_in_so_many_clips():
    layer = UnMixTNS.from_batch_norm(batch_norm(), components=4, horizon=200.0, temperature=1e6, alpha=0.0)
    start, goal = layer.means.mean(0).clone(), 3.0
    x = torch.full((1, CHANNELS, 10), goal) + 0.01 * torch.randn(1, CHANNELS, 10)
    for _ in range(200):
        layer(x)
    left = (layer.means.mean(0) - goal) / (start - goal)
    torch.testing.assert_close(left, torch.full_like(left, torch.tensor(-1.0).exp().item()), atol=0.01, rtol=0)


def test_a_small_prior_lets_the_first_clips_move_more_but_not_the_later_ones():
    slow, quick = (UnMixTNS.from_batch_norm(batch_norm(), horizon=1000.0, prior=p) for p in (None, 32.0))
    x = clips(8, offset=1.0)
    slow(x), quick(x)
    first = [float((layer.means - layer._initial_means).abs().mean()) for layer in (slow, quick)]
    assert first[1] > 5 * first[0]
    for step in range(150):
        x = clips(8, offset=1.0, seed=step)
        slow(x), quick(x)
    assert float(quick.counts.max()) <= 1000 / 16 + 1e-3


def test_nothing_of_torchs_global_random_numbers_is_used():
    before = torch.get_rng_state()
    layer = UnMixTNS.from_batch_norm(batch_norm())
    layer(clips())
    assert torch.equal(torch.get_rng_state(), before)
    again = UnMixTNS.from_batch_norm(batch_norm(), generator=torch.Generator().manual_seed(0))
    assert torch.equal(again._initial_means, layer._initial_means)
    other = UnMixTNS.from_batch_norm(batch_norm(), generator=torch.Generator().manual_seed(1))
    assert not torch.equal(other.means, layer._initial_means)


# --- guards


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf, 1e30])
def test_a_clip_that_is_no_number_is_not_learnt_from_and_spoils_no_other(bad):
    one, other = (UnMixTNS.from_batch_norm(batch_norm()) for _ in range(2))
    x = clips()
    spoilt = x.clone()
    spoilt[2, 0, 0, 0] = bad
    keep = [0, 1, 3, 4, 5]
    torch.testing.assert_close(one(spoilt)[keep], other(x[keep]), atol=1e-6, rtol=0)
    torch.testing.assert_close(one.means, other.means, atol=1e-7, rtol=0)
    assert bool(torch.isfinite(one.variances).all())


@pytest.mark.parametrize(
    "x", [torch.zeros(3, CHANNELS, 8), torch.full((3, CHANNELS, 8), 5.0), torch.ones(2, CHANNELS, 1)]
)
def test_silence_and_constants_give_numbers(x):
    layer = UnMixTNS.from_batch_norm(batch_norm())
    for _ in range(100):
        y = layer(x)
    assert bool(torch.isfinite(y).all()) and bool((layer.variances >= 0).all())


@pytest.mark.parametrize("shape", [(0, CHANNELS, 4, 4), (0, CHANNELS), (2, CHANNELS, 0)])
def test_what_is_empty_gives_what_is_empty_and_changes_nothing(shape):
    layer = UnMixTNS.from_batch_norm(batch_norm())
    before = layer.means.clone()
    assert layer(torch.zeros(shape)).shape == shape
    assert torch.equal(layer.means, before)


@pytest.mark.parametrize("x", [torch.zeros(3), torch.zeros(2, CHANNELS + 1, 4), torch.zeros(2, CHANNELS, 4).long()])
def test_input_of_another_kind_is_refused(x):
    with pytest.raises(InputError):
        UnMixTNS.from_batch_norm(batch_norm())(x)


@pytest.mark.parametrize(
    "wrong",
    [
        {"components": 0},
        {"components": 2.5},
        {"alpha": -0.1},
        {"alpha": 1.1},
        {"rate": -1.0},
        {"rate": 2.0},
        {"horizon": 0.0},
        {"rate": 0.1, "horizon": 100.0},
        {"prior": 10.0},
        {"horizon": 100.0, "prior": 200.0},
        {"temperature": 0.0},
        {"variance": "none"},
        {"start": "anywhere"},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        UnMixTNS.from_batch_norm(batch_norm(), **wrong)


# --- state


def test_state_is_in_the_state_dict_and_buffers_stay_the_same_memory():
    layer = UnMixTNS.from_batch_norm(batch_norm(), horizon=300.0, prior=20.0)
    places = {name: buffer.data_ptr() for name, buffer in layer.named_buffers()}
    layer(clips())
    saved = {name: value.clone() for name, value in layer.state_dict().items()}
    wanted = [layer(clips(seed=s)) for s in (2, 3)]
    fresh = UnMixTNS.from_batch_norm(batch_norm(), horizon=300.0, prior=20.0)
    fresh.load_state_dict(saved)
    assert all(torch.equal(fresh(clips(seed=s)), y) for s, y in zip((2, 3), wanted, strict=True))
    layer.reset()
    assert torch.equal(layer.means, layer._initial_means) and float(layer.counts[0]) == 20 / 16
    assert places == {name: buffer.data_ptr() for name, buffer in layer.named_buffers()}


def test_freezing_stops_learning_and_thawing_lets_it_go_on():
    layer = UnMixTNS.from_batch_norm(batch_norm(), horizon=300.0)
    layer.freeze()
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    one, two = layer(clips()), layer(clips())
    assert layer.frozen and torch.equal(one, two)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    layer.freeze(False)
    layer(clips())
    assert not layer.frozen and not torch.equal(layer.means, before["means"])


def test_components_and_rate_can_be_set():
    layer = UnMixTNS.from_batch_norm(batch_norm(), horizon=300.0)
    assert layer.rate is None
    layer.means = torch.zeros_like(layer.means)
    layer.rate = 0.25
    layer(clips())
    assert layer.rate == 0.25 and float(layer.means.abs().max()) > 0
    assert "rate=0.25" in repr(layer)


@pytest.mark.parametrize("form", ["half", "bfloat16"])
def test_a_network_made_narrow_keeps_its_state_wide(form):
    layer = getattr(UnMixTNS.from_batch_norm(batch_norm()), form)()
    wide = UnMixTNS.from_batch_norm(batch_norm())
    x = clips().to(layer.weight.dtype)
    y = layer(x)
    assert y.dtype == x.dtype and layer.means.dtype == torch.float32
    assert torch.equal(layer._initial_means, wide._initial_means)
    torch.testing.assert_close(y.float(), wide(x.float()), atol=0.05, rtol=0.05)


def test_autocast_computes_statistics_wide_and_gives_back_what_came():
    layer, plain = (UnMixTNS.from_batch_norm(batch_norm()) for _ in range(2))
    x = clips().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    plain(x.float())
    assert torch.equal(layer.means, plain.means)


def test_channels_last_and_strided_input_give_the_same():
    x = clips()
    wanted = UnMixTNS.from_batch_norm(batch_norm())(x)
    strided = torch.zeros(6, CHANNELS, 8, 14)[:, :, ::2, ::2]
    strided.copy_(x)
    for other in (x.contiguous(memory_format=torch.channels_last), strided):
        kept = other.clone()
        found = UnMixTNS.from_batch_norm(batch_norm())(other)
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
        assert torch.equal(other, kept)


def test_gradients_are_those_of_the_formulas():
    layer = UnMixTNS.from_batch_norm(batch_norm(), components=3, temperature=1e9).double()
    layer.freeze()
    with torch.enable_grad():
        assert torch.autograd.gradcheck(layer, clips(2, 6).double().requires_grad_())


def test_the_two_paths_are_two(path, monkeypatch):
    layer, calls = UnMixTNS.from_batch_norm(batch_norm()), []
    monkeypatch.setattr("ossicle_unmix_tns.layer.fast._by_numba", lambda layer, x: calls.append(1))
    layer(clips())
    assert bool(calls) == (path == "the fast path")


def test_components_moved_to_other_memory_are_found_again():
    layer = UnMixTNS.from_batch_norm(batch_norm())
    layer(clips())
    twin = copy.deepcopy(layer)
    layer.means = torch.zeros_like(layer.means)
    layer(clips())
    twin.means.zero_()
    twin(clips())
    assert float(layer.means.abs().max()) > 0
    torch.testing.assert_close(layer.means, twin.means, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_it_compiles_whole_and_gives_the_same():
    plain = UnMixTNS.from_batch_norm(batch_norm(), horizon=300.0)
    layer = copy.deepcopy(plain)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        for step in range(3):
            x = clips(seed=step)
            torch.testing.assert_close(compiled(x), plain(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(layer.means, plain.means, atol=1e-6, rtol=0)
