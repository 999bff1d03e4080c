"""The kit's checks of what learning is made of: sound components pass, and each planted fault is found by its check."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ossicle.protocols import Augmentation, Backbone, ClipRecord, Dataset, Mixer, SSLMethod, StepOutput, View
from ossicle.testing import check_component, checks_of
from ossicle.testing.common import common_checks

CLASSES = 4


def failures(kind, factory):
    return {o.check: o for o in check_component(kind, factory) if o.status == "failed"}


def assert_found(kind, fault, check):
    found = failures(kind, fault)
    assert check in found, f"found only {', '.join(found) or 'nothing'}"
    assert found[check].detail and found[check].hint


# --- backbones


class Network(nn.Module):
    """A small sound network: one convolution, the mean over mels and frames, one layer."""

    n_features = 6

    def __init__(self, classes=CLASSES, *, seed=0):
        super().__init__()
        self.config = {"classes": classes}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.convolution = nn.Conv2d(1, self.n_features, 3, padding=1)
            self.norm = nn.BatchNorm2d(self.n_features)
            self.classifier = nn.Linear(self.n_features, classes)

    def features(self, x):
        return torch.relu(self.norm(self.convolution(x))).mean(dim=(2, 3))

    def forward(self, x):
        return self.classifier(self.features(x))


class OtherHalves(Network):
    """Does not use its own halves as they are."""

    def forward(self, x):
        return super().forward(x) + 1


class WrongWidth(Network):
    """Claims more features than it has."""

    def __init__(self, classes=CLASSES, *, seed=0):
        super().__init__(classes, seed=seed)
        self.n_features = 7


class OneLength(Network):
    """Knows 24 frames and no other number."""

    def features(self, x):
        return super().features(x[..., :24].reshape(len(x), 1, -1, 24)) + x.reshape(-1, 16 * 24).mean() * 0


class BatchWise(Network):
    """Looks at the other rows even in evaluation."""

    def features(self, x):
        return super().features(x - x.mean(dim=0, keepdim=True))


class DeadEnd(Network):
    """Holds a layer that nothing goes through."""

    def __init__(self, classes=CLASSES, *, seed=0):
        super().__init__(classes, seed=seed)
        self.spare = nn.Parameter(torch.zeros(3))


class Normalising(Network):
    """Divides by a spread that silence does not have."""

    def features(self, x):
        return super().features(x / x.std(dim=(2, 3), keepdim=True))


class Forgetful(Network):
    """Says a config that builds something else."""

    def __init__(self, classes=CLASSES, *, seed=0):
        super().__init__(classes, seed=seed)
        self.config = {"classes": classes + 1}


class Gambling(Network):
    """Draws its weights from the global generator."""

    def __init__(self, classes=CLASSES, *, seed=0):
        super().__init__(classes, seed=seed)
        nn.init.normal_(self.convolution.weight)


def test_a_sound_backbone_passes():
    assert isinstance(Network(), Backbone) and not failures("backbone", Network)


BACKBONE_FAULTS = [
    (OtherHalves, "is its two halves"),
    (WrongWidth, "is its two halves"),
    (OneLength, "takes any length"),
    (BatchWise, "rows do not see each other"),
    (DeadEnd, "a gradient reaches all of it"),
    (Normalising, "takes silence"),
    (Forgetful, "can be built again"),
    (Gambling, "leaves global random numbers alone"),
    (Gambling, "built twice, the same"),
]


@pytest.mark.parametrize(("fault", "check"), BACKBONE_FAULTS)
def test_faults_of_backbones_are_found(fault, check):
    assert_found("backbone", fault, check)


# --- methods


class Method(nn.Module):
    """A sound method: labels for what is labelled, sure guesses for what is not, and a teacher that follows."""

    views = (View("x", "labeled", "weak"), View("u", "unlabeled", "weak"), View("s", "unlabeled", "strong"))

    def __init__(self):
        super().__init__()
        self.unlabeled_weight = 1.0
        self.student = Network()
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def guess(self, u):
        with torch.no_grad():
            return torch.softmax(self.teacher(u), dim=1)

    def loss(self, batch, *, draw, progress):
        q = self.guess(batch["u"])
        loss_x = -(batch["labeled/targets"] * torch.log_softmax(self.student(batch["x"]), dim=1)).sum(dim=1).mean()
        loss_u = (q - torch.softmax(self.student(batch["s"]), dim=1)).square().mean()
        weight = self.unlabeled_weight * progress.step / progress.steps
        return StepOutput(loss_x + weight * loss_u, {"labeled": loss_x.detach()}, guesses=q)

    def trainable(self):
        return [p for p in self.parameters() if p.requires_grad]

    @torch.no_grad()
    def after_step(self, step):
        for mine, its in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            mine.lerp_(its, 0.1)

    def evaluated(self):
        return {"teacher": self.teacher, "net": self.student}


class GuessesWithGradient(Method):
    """Lets a gradient flow into its guesses."""

    def guess(self, u):
        return torch.softmax(self.student(u), dim=1)


class WeightUnused(Method):
    """Learns from unlabelled clips whatever their weight is."""

    def loss(self, batch, **more):
        self.unlabeled_weight = 1000.0
        return super().loss(batch, **more)


class RawGuesses(Method):
    """Forgets the softmax."""

    def guess(self, u):
        with torch.no_grad():
            return self.teacher(u)


class GuessesOfLabelled(Method):
    """Hands back guesses for other rows than the unlabelled ones."""

    def loss(self, batch, **more):
        out = super().loss(batch, **more)
        out.guesses = self.guess(batch["x"])
        return out


class TeacherIsTrained(Method):
    """Hands its frozen average to the optimizer."""

    def trainable(self):
        return list(self.parameters())


class TeacherIsNotFrozen(Method):
    """Never froze its average."""

    def __init__(self):
        super().__init__()
        self.teacher.requires_grad_(True)


class NothingToEvaluate(Method):
    """Names no network."""

    def evaluated(self):
        return {}


class NoStudent(nn.Module):
    """Calls its network otherwise."""

    views = Method.views

    def __init__(self):
        super().__init__()
        self.inner = Method()

    def loss(self, batch, **more):
        return self.inner.loss(batch, **more)

    def trainable(self):
        return self.inner.trainable()

    def after_step(self, step):
        self.inner.after_step(step)

    def evaluated(self):
        return self.inner.evaluated()


class LeavesOutTheClassifier(Method):
    """Trains a part of its student."""

    def trainable(self):
        return list(self.student.convolution.parameters())


class LabelsUnused(Method):
    """Learns from guesses alone."""

    def loss(self, batch, **more):
        return super().loss({**batch, "labeled/targets": torch.full((6, CLASSES), 0.25)}, **more)


class LossByRow(Method):
    """Forgets the mean."""

    def loss(self, batch, **more):
        out = super().loss(batch, **more)
        out.loss = out.loss.expand(3)
        return out


class MetricsHoldTheGraph(Method):
    """Logs what is not detached."""

    def loss(self, batch, **more):
        out = super().loss(batch, **more)
        out.metrics["loss"] = out.loss
        return out


class TwoOfOneName(Method):
    """Two views of one name."""

    views = (*Method.views, View("x", "labeled", "strong"))


class UnknownSource(Method):
    """A view of clips that nobody has."""

    views = (*Method.views, View("v", "validation", "none"))


class UnknownStrength(Method):
    """A view augmented in a way that nobody knows."""

    views = (*Method.views, View("v", "labeled", "brutal"))


class NoLabels(Method):
    """Asks for no labelled clip."""

    views = Method.views[1:]


class HiddenState(Method):
    """Counts steps where no state_dict sees it."""

    def __init__(self):
        super().__init__()
        self.steps = 1.0

    def loss(self, batch, **more):
        out = super().loss(batch, **more)
        out.loss = out.loss * self.steps
        return out

    def after_step(self, step):
        super().after_step(step)
        self.steps += 1


class Scribbling(Method):
    """Writes into its batch."""

    def loss(self, batch, **more):
        batch["s"].mul_(0.5)
        return super().loss(batch, **more)


class OwnDice(Method):
    """Draws from the global generator in place of the one given."""

    def guess(self, u):
        return super().guess(u + 0.1 * torch.randn_like(u))


def test_a_sound_method_passes():
    assert isinstance(Method(), SSLMethod) and not failures("ssl-method", Method)


METHOD_FAULTS = [
    (TwoOfOneName, "declares its views"),
    (UnknownSource, "declares its views"),
    (UnknownStrength, "declares its views"),
    (NoLabels, "declares its views"),
    (LossByRow, "the loss is a number with a gradient"),
    (MetricsHoldTheGraph, "the loss is a number with a gradient"),
    (TeacherIsNotFrozen, "the loss is a number with a gradient"),
    (LabelsUnused, "targets matter"),
    (GuessesWithGradient, "guesses carry no gradient"),
    (WeightUnused, "loses nothing at zero weight"),
    (RawGuesses, "guesses carry no gradient"),
    (GuessesOfLabelled, "guesses carry no gradient"),
    (TeacherIsTrained, "averages are not trained"),
    (NothingToEvaluate, "averages are not trained"),
    (NoStudent, "trains its student"),
    (LeavesOutTheClassifier, "trains its student"),
    (HiddenState, "its state is whole"),
    (Scribbling, "leaves its batch alone"),
    (OwnDice, "leaves global random numbers alone"),
    (OwnDice, "same input, same output"),
]


@pytest.mark.parametrize(("fault", "check"), METHOD_FAULTS)
def test_faults_of_methods_are_found(fault, check):
    assert_found("ssl-method", fault, check)


# --- augmentations


class Louder:
    """Each waveform becomes louder by a factor of its own."""

    domain = "waveform"

    def __call__(self, x, *, draw):
        return x * (1 + torch.rand(len(x), *[1] * (x.dim() - 1), generator=draw))


class Raised(Louder):
    """The same for log-mels: each is raised by some decibels."""

    domain = "log-mel"

    def __call__(self, x, *, draw):
        return x + 6 * torch.rand(len(x), 1, 1, generator=draw)


class Elsewhere(Louder):
    """Works on something that there is not."""

    domain = "spectrum"


class Shorter(Louder):
    """Drops samples."""

    def __call__(self, x, *, draw):
        return super().__call__(x, draw=draw)[:, :-3]


class Wider(Louder):
    """Gives float64."""

    def __call__(self, x, *, draw):
        return super().__call__(x, draw=draw).double()


class NeedsRows(Louder):
    """Cannot take an empty batch."""

    def __call__(self, x, *, draw):
        return super().__call__(x, draw=draw) / x.abs().max().clamp(min=1)


class Idle(Louder):
    """Does nothing."""

    def __call__(self, x, *, draw):
        return x.clone()


class Constant(Louder):
    """Does the same in every draw."""

    def __call__(self, x, *, draw):
        return x * 0.5


class AllAlike(Louder):
    """Draws once for the whole batch."""

    def __call__(self, x, *, draw):
        return x * (1 + torch.rand(1, generator=draw))


class WritesIntoItsInput(Louder):
    """Changes what it was given."""

    def __call__(self, x, *, draw):
        return x.mul_(1 + torch.rand(len(x), 1, generator=draw))


class SilenceIsNaN(Louder):
    """Divides by the level."""

    def __call__(self, x, *, draw):
        return super().__call__(x, draw=draw) / x.square().mean(dim=1, keepdim=True).sqrt()


class GlobalDraw(Louder):
    """Draws from everybody's generator."""

    def __call__(self, x, *, draw):
        return x * (1 + torch.rand(len(x), 1))


@pytest.mark.parametrize("sound", [Louder, Raised])
def test_a_sound_augmentation_passes(sound):
    assert isinstance(sound(), Augmentation) and not failures("augmentation", sound)


AUGMENTATION_FAULTS = [
    (Elsewhere, "declares its domain"),
    (Shorter, "keeps the shape"),
    (Wider, "keeps the shape"),
    (NeedsRows, "keeps the shape"),
    (Idle, "does something"),
    (Constant, "does something"),
    (AllAlike, "changes each row in its own way"),
    (WritesIntoItsInput, "leaves its input alone"),
    (SilenceIsNaN, "takes silence"),
    (GlobalDraw, "leaves global random numbers alone"),
    (GlobalDraw, "same input, same output"),
]


@pytest.mark.parametrize(("fault", "check"), AUGMENTATION_FAULTS)
def test_faults_of_augmentations_are_found(fault, check):
    assert_found("augmentation", fault, check)


# --- mixers


class Mix:
    """Half of each example and half of its partner."""

    weight = 0.5

    def __call__(self, x, y, *, draw):
        order = torch.randperm(len(x), generator=draw)
        return self.blend(x, x[order]), self.blend(y, y[order])

    def blend(self, a, b):
        return self.weight * a + (1 - self.weight) * b


class SamePartners(Mix):
    """Draws nothing: the neighbour is the partner."""

    def __call__(self, x, y, *, draw):
        return self.blend(x, x.roll(1, 0)), self.blend(y, y.roll(1, 0))


class LabelsTooMany(Mix):
    """Its labels do not sum to one."""

    def __call__(self, x, y, *, draw):
        mixed, labels = super().__call__(x, y, draw=draw)
        return mixed, labels + y


class LabelsBelowZero(Mix):
    """Pushes partners' labels away."""

    def __call__(self, x, y, *, draw):
        mixed, labels = super().__call__(x, y, draw=draw)
        return mixed, 3 * y - 2 * labels


class OtherPartners(Mix):
    """Shuffles labels by themselves."""

    def __call__(self, x, y, *, draw):
        mixed, _ = super().__call__(x, y, draw=draw)
        return mixed, super().__call__(x, y, draw=draw)[1]


class LabelsUnmixed(Mix):
    """Mixes the examples alone."""

    def __call__(self, x, y, *, draw):
        return super().__call__(x, y, draw=draw)[0], y.clone()


class PairsOnly(Mix):
    """Drops a row without a partner."""

    def __call__(self, x, y, *, draw):
        even = len(x) // 2 * 2
        return super().__call__(x[:even], y[:even], draw=draw)


class Extrapolates(Mix):
    """Goes beyond the batch."""

    weight = 1.5


class WritesIntoExamples(Mix):
    """Mixes in place."""

    def blend(self, a, b):
        return a.mul_(0.5).add_(0.5 * b)


class MixesByFate(Mix):
    """Shuffles by everybody's generator."""

    def __call__(self, x, y, *, draw):
        return super().__call__(x, y, draw=torch.default_generator)


def test_a_sound_mixer_passes():
    assert isinstance(Mix(), Mixer) and not failures("mixer", Mix)


MIXER_FAULTS = [
    (SamePartners, "draws from the generator"),
    (LabelsTooMany, "labels sum to one"),
    (LabelsBelowZero, "labels sum to one"),
    (OtherPartners, "labels follow their examples"),
    (LabelsUnmixed, "labels follow their examples"),
    (PairsOnly, "keeps the shapes"),
    (Extrapolates, "stays within the batch"),
    (WritesIntoExamples, "leaves its input alone"),
    (MixesByFate, "leaves global random numbers alone"),
]


@pytest.mark.parametrize(("fault", "check"), MIXER_FAULTS)
def test_faults_of_mixers_are_found(fault, check):
    assert_found("mixer", fault, check)


# --- data sets


class Set:
    """Six files of two classes; the last two are tested."""

    labels, home, names = ("low", "high"), "", tuple("abcdef")

    def __init__(self, folder):
        self.folder = folder

    def clips(self):
        return [ClipRecord(self.folder / f"{name}.wav", at % 2) for at, name in enumerate(self.names)]

    def missing(self):
        return [clip.path for clip in self.clips() if not clip.path.is_file()]

    def split(self, *, fold=None):
        return {"train": [0, 1, 2, 3], "test": [4, 5]}


class Folded(Set):
    """The same in two folds."""

    folds = (1, 2)

    def clips(self):
        return [replace(clip, fold=1 + at // 3) for at, clip in enumerate(super().clips())]

    def split(self, *, fold=None):
        test = [at for at, clip in enumerate(self.clips()) if clip.fold == fold]
        return {"train": [at for at in range(6) if at not in test], "test": test}


class OneClass(Set):
    """Knows one class."""

    labels = ("low",)


class SameName(Set):
    """Two classes of one name."""

    labels = ("low", "low")


class LabelOutOfRange(Set):
    """A label that no class has."""

    def clips(self):
        return [replace(clip, label=clip.label + 1) for clip in super().clips()]


class NoSpeaker(Set):
    """Records without a speaker."""

    def clips(self):
        return [replace(clip, speaker=None) for clip in super().clips()]


class TwiceListed(Set):
    """Lists a file twice."""

    names = tuple("aabcde")


class NotThere(Set):
    """Lists a file that is not there."""

    names = tuple("abcdex")


class MissesWhatIsThere(Set):
    """Looks for its files in another place."""

    def missing(self):
        return [Path("elsewhere") / clip.path.name for clip in self.clips()]


class TrainsOnTest(Set):
    """A test clip is trained on."""

    def split(self, *, fold=None):
        return {"train": [0, 1, 2, 3, 4], "test": [4, 5]}


class NoTest(Set):
    """Has nothing to test on."""

    def split(self, *, fold=None):
        return {"train": [0, 1, 2, 3, 4, 5], "test": []}


class OtherParts(Set):
    """Calls its parts otherwise."""

    def split(self, *, fold=None):
        return {"development": [0, 1, 2], "evaluation": [3, 4, 5]}


class PointsNowhere(Set):
    """A part with an index beyond the clips."""

    def split(self, *, fold=None):
        return {"train": [0, 1], "test": [6]}


class NoFoldAsked(Set):
    """Does not take the fold that recipes hand on."""

    def split(self):
        return {"train": [0, 1, 2, 3], "test": [4, 5]}


class AnyOrder(Set):
    """Lists clips in the order in which a folder happens to give them."""

    read = 0

    def clips(self):
        AnyOrder.read += 1
        return super().clips()[:: 1 if AnyOrder.read % 2 else -1]


@pytest.fixture
def folder(tmp_path):
    for name in Set.names:
        (tmp_path / f"{name}.wav").touch()
    return tmp_path


@pytest.mark.parametrize("sound", [Set, Folded])
def test_a_sound_data_set_passes(sound, folder):
    assert isinstance(sound(folder), Dataset) and not failures("dataset", lambda: sound(folder))


DATASET_FAULTS = [
    (OneClass, "names its labels"),
    (SameName, "names its labels"),
    (NoSpeaker, "records are whole"),
    (LabelOutOfRange, "clips have known labels"),
    (TwiceListed, "paths are unique"),
    (NotThere, "files are there"),
    (MissesWhatIsThere, "files are there"),
    (TrainsOnTest, "parts are disjoint"),
    (NoTest, "parts are disjoint"),
    (OtherParts, "parts are disjoint"),
    (PointsNowhere, "parts are disjoint"),
    (NoFoldAsked, "parts are disjoint"),
    (AnyOrder, "the order is fixed"),
]


@pytest.mark.parametrize(("fault", "check"), DATASET_FAULTS)
def test_faults_of_data_sets_are_found(fault, check, folder):
    assert_found("dataset", lambda: fault(folder), check)


# --- the kit


@pytest.mark.parametrize(
    ("kind", "faults"),
    [
        ("backbone", BACKBONE_FAULTS),
        ("ssl-method", METHOD_FAULTS),
        ("augmentation", AUGMENTATION_FAULTS),
        ("mixer", MIXER_FAULTS),
        ("dataset", DATASET_FAULTS),
    ],
)
def test_no_check_of_a_kind_is_without_a_fault_that_it_finds(kind, faults):
    common = {check.name for check in common_checks(list)}
    assert {check.name for check in checks_of(kind)} - common <= {check for _, check in faults}
