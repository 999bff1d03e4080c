"""The kit's checks of adapters and corruptions: what is sound passes, and each planted fault is found by its check."""

import copy

import pytest
import torch

from ossicle.errors import ConfigError
from ossicle.testing import check_component


class Following(torch.nn.Module):
    """A classifier behind a running mean of what it hears."""

    def __init__(self, network):
        super().__init__()
        self.network, self.frozen = network, False
        self.register_buffer("level", torch.zeros(()))

    def forward(self, x):
        sound = torch.isfinite(x.flatten(1)).all(1)
        heard = x[sound & (x.flatten(1).amax(1) > x.flatten(1).amin(1))]
        with torch.no_grad():
            if len(heard) and not self.frozen:
                self.level.lerp_(heard.mean(), 0.1)
            return self.network.eval()(x - self.level)


class Level:
    """An adapter that does everything right: takes the mean of what it hears out of what it hears."""

    changes_weights = False

    def adapt(self, model):
        return Following(copy.deepcopy(model))

    def restore(self, model):
        return copy.deepcopy(model.network)

    def reset(self, model):
        model.level.zero_()

    def freeze(self, model, frozen=True):
        model.frozen = frozen


class ModeKeeping(Level):
    """Leaves the network's own train mode on."""

    def adapt(self, model):
        adapted = super().adapt(model)
        adapted.network.register_forward_pre_hook(lambda module, x: module.train(adapted.training))
        return adapted


class InPlace(Level):
    """Converts the model that it is given."""

    def adapt(self, model):
        model.norm1.running_mean.add_(1.0)
        return Following(model)


class Keeping(Level):
    """Gives its own layer back as the plain model."""

    def restore(self, model):
        return model


class Forgetting(Level):
    """Resets nothing."""

    def reset(self, model):
        pass


class Melting(Level):
    """Freezes nothing."""

    def freeze(self, model, frozen=True):
        pass


class Hiding(Level):
    """Keeps its state out of the state_dict."""

    def adapt(self, model):
        adapted = super().adapt(model)
        del adapted.level
        adapted.level = torch.zeros(())
        return adapted


class Poisoned(Level):
    """Learns from whatever comes."""

    def adapt(self, model):
        adapted = super().adapt(model)
        adapted.register_forward_pre_hook(lambda module, x: module.level.add_(x[0].mean() * 0.1))
        return adapted


class Boasting(Level):
    """Says that weights move."""

    changes_weights = True


class OneShort(Level):
    """Leaves out a class."""

    def adapt(self, model):
        adapted = super().adapt(model)
        adapted.register_forward_hook(lambda module, x, logits: logits[:, 1:])
        return adapted


class Spreading(Level):
    """Divides by the spread over the batch, which one row does not have."""

    def adapt(self, model):
        adapted = super().adapt(model)
        adapted.register_forward_hook(lambda module, x, logits: logits / (x[0].flatten(1)[:, 0].std() > 0))
        return adapted


class Watched(Level):
    """Gives other logits where nobody records gradients."""

    def adapt(self, model):
        adapted = super().adapt(model)
        adapted.register_forward_hook(lambda module, x, logits: logits + torch.is_grad_enabled())
        return adapted


def failures(kind, component):
    return {o.check: o for o in check_component(kind, component) if o.status == "failed"}


def test_a_sound_adapter_passes_everything():
    assert not failures("adapter", Level)
    assert not failures("adapter", Level())


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (ModeKeeping, "train and eval are alike"),
        (InPlace, "leaves the model alone"),
        (Keeping, "restores the model"),
        (Forgetting, "resets to the bit"),
        (Melting, "freezes"),
        (Hiding, "its state is whole"),
        (Poisoned, "survives bad clips"),
        (Boasting, "says whether weights change"),
        (OneShort, "gives logits"),
        (Spreading, "a batch of one works"),
        (Watched, "works without gradients"),
    ],
)
def test_each_fault_of_an_adapter_is_found(fault, check):
    found = failures("adapter", fault)
    assert check in found and found[check].detail and found[check].hint


class Hum:
    """A corruption that does everything right: adds a hum, louder with severity, its phase from the clip's key."""

    domain = "waveform"

    def __call__(self, wave, *, sample_rate, severity, keys):
        if wave.dim() != 2 or len(keys) != len(wave) or severity not in (1, 2, 3, 4, 5):
            raise ConfigError("not clips, keys and a severity")
        return self.protect(self.worsen(wave, sample_rate, severity, keys))

    def phases(self, keys):
        return torch.tensor([float(sum(map(ord, key)) % 7) for key in keys])[:, None]

    def worsen(self, wave, rate, severity, keys):
        time = torch.arange(wave.shape[1]) / rate
        return wave + 0.05 * severity * torch.cos(314.0 * time + 0.5 + 0.1 * self.phases(keys))

    def protect(self, wave):
        return wave / wave.abs().amax(dim=1, keepdim=True).clamp_min(1.0)


class ByPlace(Hum):
    """Draws by a clip's place in the batch."""

    def phases(self, keys):
        return torch.arange(float(len(keys)))[:, None]


class OneSize(Hum):
    """Knows one severity."""

    def worsen(self, wave, rate, severity, keys):
        return super().worsen(wave, rate, 3, keys)


class Overdriven(Hum):
    """Goes past full scale."""

    def protect(self, wave):
        return wave


class Longer(Hum):
    """Adds a tail."""

    def worsen(self, wave, rate, severity, keys):
        return torch.nn.functional.pad(super().worsen(wave, rate, severity, keys), (0, 5))


class Scribbling(Hum):
    """Writes into the clips."""

    def worsen(self, wave, rate, severity, keys):
        return wave.add_(super().worsen(wave, rate, severity, keys))


class Normalising(Hum):
    """Divides by the peak."""

    def protect(self, wave):
        return wave / wave.abs().amax(dim=1, keepdim=True) - wave.mean() / (wave.std() > 0.2)


class Lenient(Hum):
    """Takes any severity."""

    def __call__(self, wave, *, sample_rate, severity, keys):
        return self.protect(self.worsen(wave, sample_rate, severity, keys))


class OfMels(Hum):
    """Says that it takes mels."""

    domain = "log-mel"


class OneRate(Hum):
    """Knows a single rate."""

    def worsen(self, wave, rate, severity, keys):
        return super().worsen(wave, rate, severity, keys) if rate == 8000 else wave.clone()


def test_a_sound_corruption_passes_everything():
    assert not failures("corruption", Hum)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (ByPlace, "depends on keys alone"),
        (OneSize, "does something"),
        (Overdriven, "stays in range"),
        (Longer, "keeps the shape"),
        (Scribbling, "leaves its input alone"),
        (Normalising, "takes silence"),
        (Lenient, "refuses nonsense"),
        (OfMels, "declares its domain"),
        (OneRate, "takes other rates"),
    ],
)
def test_each_fault_of_a_corruption_is_found(fault, check):
    found = failures("corruption", fault)
    assert check in found and found[check].detail and found[check].hint
