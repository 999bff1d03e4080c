"""The kit itself: a sound component passes, and each fault planted in one is found by the check that is for it."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from ossicle.audio.mel import MelFrontEnd, MelSettings
from ossicle.errors import InputError, MelError, UnknownNameError
from ossicle.plugin import KINDS
from ossicle.testing import check_component, checks_of, parametrize_checks
from ossicle.testing.common import common_checks


class Sound:
    """A vocoder that does everything right: each frame becomes a hop of its mean."""

    def __init__(self):
        self._front_end = MelFrontEnd(MelSettings.hifigan())
        self.front_end = self._front_end.settings
        self.sample_rate, self.hop_length, self.n_mels = 22050, 256, 80

    def __repr__(self):
        return "Sound()"

    def to(self, device):
        return self

    def mel(self, wave):
        return self._front_end(wave)

    def __call__(self, mel):
        if mel.dim() != 3 or mel.shape[1] != 80 or mel.shape[2] == 0 or not torch.isfinite(mel).all():
            raise MelError("not a mel")
        return self.speak(mel)

    def speak(self, mel):
        return torch.repeat_interleave(mel.mean(1) * 0.01, 256, dim=1)


class Undocumented(Sound):
    __doc__ = None


class Forgetful(Sound):
    """Gives something else in every call."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def speak(self, mel):
        self.calls += 1
        return super().speak(mel) + self.calls


class Unseeded(Sound):
    """Is built with an offset that nobody seeded."""

    built = 0

    def __init__(self):
        super().__init__()
        Unseeded.built += 1
        self.offset = float(Unseeded.built)

    def speak(self, mel):
        return super().speak(mel) + self.offset


class Uncopyable(Sound):
    """Holds something that cannot be copied."""

    def __init__(self):
        super().__init__()
        self.generator = (i for i in range(3))


class Gambler(Sound):
    """Draws from the global generators."""

    def speak(self, mel):
        torch.rand(1), random.random(), np.random.rand()
        return super().speak(mel)


class Bossy(Sound):
    """Sets what belongs to everybody."""

    def __init__(self):
        super().__init__()
        torch.set_grad_enabled(not torch.is_grad_enabled())


class WrongRate(Sound):
    """Says one rate and analyses at another."""

    def __init__(self):
        super().__init__()
        self.sample_rate = 16000


class Double(Sound):
    """Gives float64."""

    def speak(self, mel):
        return super().speak(mel).double()


class Short(Sound):
    """Makes too few samples of a frame."""

    def speak(self, mel):
        return super().speak(mel)[:, : mel.shape[2] * 200]


class Neighbourly(Sound):
    """Lets the rows of a batch see each other."""

    def speak(self, mel):
        return super().speak(mel - mel.mean(0, keepdim=True))


class Scribbler(Sound):
    """Writes into the mel."""

    def speak(self, mel):
        return super().speak(mel.mul_(0.5)) * 0 + 1


class Lenient(Sound):
    """Takes anything."""

    def __call__(self, mel):
        return self.speak(torch.nan_to_num(mel))


class OwnErrors(Sound):
    """Refuses with an error of its own."""

    def __call__(self, mel):
        if mel.dim() != 3 or mel.shape[1] != 80 or not mel.shape[2] or not torch.isfinite(mel).all():
            raise RuntimeError("no")
        return self.speak(mel)


class SilenceFails(Sound):
    """Divides by how loud it is."""

    def speak(self, mel):
        return super().speak(mel) / (mel.max() > -9)


class Streaming(Sound):
    """Speaks piece by piece, each frame by itself."""

    receptive_field = (0, 0)

    def stream(self, mels, chunk_frames=None):
        return (self(mel) for mel in mels)


class Seams(Streaming):
    """Fades every piece in."""

    def stream(self, mels, chunk_frames=None):
        for mel in mels:
            wave = self(mel)
            yield wave * torch.linspace(0, 1, wave.shape[1])


class FarSighted(Streaming):
    """Its first sample depends on the last frame."""

    def speak(self, mel):
        return super().speak(mel - mel.mean(2, keepdim=True))


class HalfHeard(Sound):
    """Analyses into fewer mels than it speaks."""

    def mel(self, wave):
        return super().mel(wave)[:, :40]


class Rooted(Sound):
    """Does not say that it moved."""

    def to(self, device):
        return None


@pytest.fixture(autouse=True)
def restore_grad_mode():
    before = torch.is_grad_enabled()
    yield
    torch.set_grad_enabled(before)


def failures(component):
    return {o.check: o for o in check_component("vocoder", component) if o.status == "failed"}


def test_a_sound_vocoder_passes_everything():
    assert not failures(Sound)
    assert not failures(Sound())
    assert [o for o in check_component("vocoder", Streaming) if o.status != "passed"] == []


FAULTS = {
    "vocoder": [
        (Undocumented, "documented"),
        (Forgetful, "same input, same output"),
        (Unseeded, "built twice, the same"),
        (Uncopyable, "copies behave alike"),
        (Gambler, "leaves global random numbers alone"),
        (Bossy, "leaves global settings alone"),
        (WrongRate, "declares its numbers"),
        (Double, "gives float32 samples"),
        (Short, "length grows by the hop"),
        (Neighbourly, "batch equals one by one"),
        (Scribbler, "leaves its input alone"),
        (Lenient, "refuses what it cannot take"),
        (OwnErrors, "refuses what it cannot take"),
        (SilenceFails, "speaks silence"),
        (HalfHeard, "analyses its own sound"),
        (Seams, "streams what it says whole"),
        (FarSighted, "looks no further than it says"),
        (Rooted, "moves to the CPU"),
    ],
}


@pytest.mark.parametrize(("fault", "check"), FAULTS["vocoder"])
def test_each_fault_is_found_by_its_check(fault, check):
    found = failures(fault)
    assert check in found
    assert found[check].detail and found[check].hint


def test_expectations_are_held():
    outcomes = check_component("vocoder", Sound, expected={"sample_rate": 44100})
    (failed,) = [o for o in outcomes if o.status == "failed"]
    assert failed.check == "declares what is expected" and "44100" in failed.detail


def test_outcomes_are_data():
    record = check_component("vocoder", Sound)[0].as_dict()
    assert record["kind"] == "vocoder" and record["status"] == "passed"


def test_an_unknown_kind_has_no_checks():
    with pytest.raises(UnknownNameError, match="kernel"):
        checks_of("vocodr")


@parametrize_checks("vocoder", Sound)
def test_checks_run_under_pytest(check):
    check()


class Twice:
    """A kernel whose fast path runs anywhere."""

    op, tolerance = "twice", 1e-6

    def reference(self, x):
        return x * 2

    def accelerated(self, x):
        return x + x

    def supports(self, device, dtype):
        return device in ("cpu", "cuda")

    def samples(self):
        for n in (0, 1, 5, 64):
            yield f"{n} values", (torch.arange(float(n)),)
        yield "every other", (torch.arange(10.0)[::2],)


class WrongTwin(Twice):
    """Its fast path is a little off."""

    def accelerated(self, x):
        return x + x + 1e-4


class WritingTwin(Twice):
    """Its fast path writes into its input."""

    def accelerated(self, x):
        return x.mul_(2)


class NarrowGrid(Twice):
    """It is tried on one point only."""

    def samples(self):
        yield "one", (torch.ones(1),)


class Everywhere(Twice):
    """Claims to run on anything."""

    def supports(self, device, dtype):
        return True


class Nameless(Twice):
    """Says no operation."""

    op = ""


class OtherGrid(Twice):
    """Its arguments are others every time."""

    def samples(self):
        for label, (x,) in super().samples():
            yield label, (torch.randn(x.shape),)
        yield "every other", (torch.randn(10)[::2],)


class SquareAndCube(Twice):
    """A kernel of two results, whose argument wants a gradient."""

    op = "square-and-cube"

    def reference(self, x):
        return x**2, x**3

    def accelerated(self, x):
        return x * x, x * x * x

    def samples(self):
        for label, (x,) in super().samples():
            yield label, (x.clone().requires_grad_(),)
        yield "every third", (torch.arange(10.0)[::3].requires_grad_(),)


class WrongSecond(SquareAndCube):
    """Only its second result is off."""

    def accelerated(self, x):
        return x * x, x * x * x + 1e-4


class WrongGradient(SquareAndCube):
    """Its results are right, and their gradient is not."""

    def accelerated(self, x):
        return x * x, x * x * x.detach()


@pytest.mark.parametrize("kernel", [Twice, SquareAndCube])
def test_a_sound_kernel_passes_everything(kernel):
    assert [o for o in check_component("kernel", kernel) if o.status != "passed"] == []


FAULTS["kernel"] = [
    (WrongTwin, "equals its reference"),
    (WrongSecond, "equals its reference"),
    (WrongGradient, "equals its reference"),
    (WritingTwin, "leaves its input alone"),
    (NarrowGrid, "has a wide grid"),
    (Everywhere, "knows its devices"),
    (Nameless, "declares itself"),
    (OtherGrid, "its grid stays"),
]


@pytest.mark.parametrize(("fault", "check"), FAULTS["kernel"])
def test_each_fault_of_a_kernel_is_found(fault, check):
    assert check in {o.check for o in check_component("kernel", fault) if o.status == "failed"}


class FromTheMean:
    """A detector that does everything right: how far a row is from the mean of the fitted ones."""

    def __init__(self, *, contamination="auto"):
        self.contamination = contamination

    def get_params(self, deep=True):
        return {"contamination": self.contamination}

    def set_params(self, **settings):
        vars(self).update(settings)
        return self

    def rows(self, x):
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or not len(x) or x.shape[1] != getattr(self, "n_features_in_", x.shape[1]):
            raise InputError("no table")
        if not np.isfinite(x).all():
            raise InputError("row {}, column {} is not finite".format(*np.argwhere(~np.isfinite(x))[0]))
        return x

    def fit(self, x, y=None):
        vars(self).pop("n_features_in_", None)
        x = self.rows(x)
        self.n_features_in_, self.mean = x.shape[1], x.mean(0)
        self.decision_scores_ = self.score(x)
        return self

    def score(self, x):
        return np.linalg.norm(x - self.mean, axis=1)

    def decision_function(self, x):
        if not hasattr(self, "mean"):
            raise InputError("not fitted")
        return self.score(self.rows(x))

    @property
    def threshold_(self):
        share = 0.05 if self.contamination == "auto" else self.contamination or 0
        return np.quantile(self.decision_scores_, 1 - share)

    @property
    def labels_(self):
        return (self.decision_scores_ > self.threshold_).astype(int)

    def predict(self, x):
        return (self.decision_function(x) > self.threshold_).astype(int)

    def predict_proba(self, x):
        p = 1 - np.exp(-self.decision_function(x))
        return np.stack([1 - p, p], 1)


class UpsideDown(FromTheMean):
    """Its normal rows have the highest scores."""

    def score(self, x):
        return -super().score(x)


class Sociable(FromTheMean):
    """Scores depend on what is scored together."""

    def score(self, x):
        return super().score(x) - super().score(x).mean()


class Collapsed(FromTheMean):
    """All but the strangest have one score."""

    def score(self, x):
        return np.maximum(super().score(x), 8.0)


class Stubborn(FromTheMean):
    """Its threshold stays as it was at the fit."""

    def fit(self, x, y=None):
        self.fixed = None
        super().fit(x)
        self.fixed = super().threshold_
        return self

    @property
    def threshold_(self):
        return super().threshold_ if self.fixed is None else self.fixed


class Drifting(FromTheMean):
    """Every fit of one object starts where the last one ended."""

    def score(self, x):
        self.fits = getattr(self, "fits", 0) + 1
        return super().score(x) * (1 + 1e-3 * self.fits)


class Swallowing(FromTheMean):
    """Takes NaN for zero."""

    def rows(self, x):
        return super().rows(np.nan_to_num(np.asarray(x, dtype=np.float64)))


class Thankless(FromTheMean):
    """Its fit gives nothing back."""

    def fit(self, x, y=None):
        super().fit(x)


class ByPlace(FromTheMean):
    """Adds to a score where its row stands."""

    def score(self, x):
        return super().score(x) + 0.01 * np.arange(len(x))


class TwiceSure(FromTheMean):
    """Its probabilities are one each."""

    def predict_proba(self, x):
        return np.ones((len(x), 2))


class Secretive(FromTheMean):
    """Tells no settings."""

    def get_params(self, deep=True):
        return {}


class ArraysOnly(FromTheMean):
    """Takes nothing but arrays."""

    def rows(self, x):
        if not isinstance(x, np.ndarray):
            raise InputError("no array")
        return super().rows(x)


class Centring(FromTheMean):
    """Takes the mean out of what it was given."""

    def fit(self, x, y=None):
        super().fit(x)
        if isinstance(x, np.ndarray):
            x -= x.mean(0)
        return self


class DividingBySpread(FromTheMean):
    """Does not think of constant columns."""

    def fit(self, x, y=None):
        self.spread = self.rows(x).std(0)
        return super().fit(x)

    def score(self, x):
        return np.linalg.norm((x - self.mean) / self.spread, axis=1)


def test_a_sound_detector_passes_everything():
    assert [o for o in check_component("outlier-detector", FromTheMean) if o.status != "passed"] == []


FAULTS["outlier-detector"] = [
    (UpsideDown, "higher is stranger"),
    (Sociable, "rows do not see each other"),
    (Collapsed, "unequal rows score unequally"),
    (Stubborn, "contamination acts at once"),
    (Drifting, "a second fit is equal"),
    (Swallowing, "refuses what it cannot take"),
    (Thankless, "gives what a fit gives"),
    (ByPlace, "row order does not matter"),
    (TwiceSure, "probabilities sum to one"),
    (Secretive, "settings go in and out"),
    (ArraysOnly, "takes tensors and lists"),
    (Centring, "leaves its input alone"),
    (DividingBySpread, "takes what is awkward"),
]


@pytest.mark.parametrize(("fault", "check"), FAULTS["outlier-detector"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_each_fault_of_a_detector_is_found(fault, check):
    assert check in {o.check for o in check_component("outlier-detector", fault) if o.status == "failed"}


@pytest.mark.parametrize("kind", FAULTS)
def test_no_check_of_a_kind_is_without_a_fault_that_it_finds(kind):
    common = {check.name for check in common_checks(list)} - {"shows itself", "declares what is expected"}
    wanted = {check.name for check in checks_of(kind)} - (set() if kind == "vocoder" else common)
    assert wanted - {"shows itself", "declares what is expected"} <= {check for _, check in FAULTS[kind]}


def test_every_kind_has_its_checks():
    for kind in KINDS:
        own = {check.name for check in checks_of(kind)} - {check.name for check in common_checks(list)}
        assert len(own) >= 6 and len(checks_of(kind)) == len({check.name for check in checks_of(kind)}) >= 14


def test_the_kit_works_without_pytest():
    script = (
        "import sys; sys.modules['pytest'] = None\n"
        "from ossicle.testing import check_component\n"
        "print(check_component('vocoder', object)[0].status)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("passed", "failed")
