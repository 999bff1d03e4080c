"""The way in which the authors of the audio paper train, written down anew: what `ssl_step.py` measures ours against.

Cances, Labbé and Pellegrini (2022), as their published code goes about it: transforms of one clip at a time with numbers
drawn by ``.item()``; a forward pass for every part of the batch, all in training mode; passes for metrics alone; a Python
loop for the teacher; Adam as torch has it; rows of channels first; float32. Where that code fails, it is written as meant.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
import torchaudio
from torch import Tensor, nn

from ossicle.audio.log_mel import LogMelSettings

Batch = Mapping[str, Tensor]
Drawn = Mapping[str, Any]


def number(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()


# --- one clip at a time


def occlude(wave: Tensor, most: float) -> Tensor:
    size = int(number(0.0, most) * len(wave))
    start = int(number(0, len(wave) - size + 1))
    wave = wave.clone()
    wave[start : start + size] = 0.0
    return wave


def stretch(wave: Tensor, slowest: float, fastest: float) -> Tensor:
    length, rate = len(wave), number(slowest, fastest)
    places = torch.round(torch.arange(0, length, 1 / rate)).long().clamp(max=length - 1)
    read = wave[places]
    if len(read) > length:
        start = int(number(0, len(read) - length + 1))
        return read[start : start + length]
    before = int(number(0, length - len(read) + 1))
    return nn.functional.pad(read, (before, length - len(read) - before))


def cut_out(decibels: Tensor, least: float, most: float) -> Tensor:
    (_, mels, frames), decibels = decibels.shape, decibels.clone()
    height, width = int(number(least, most) * mels), int(number(least, most) * frames)
    low, start = int(number(0, mels - height + 1)), int(number(0, frames - width + 1))
    decibels[:, low : low + height, start : start + width] = -80.0
    return decibels


class Transform:
    """A view of one clip (N,): one change out of three, before or after the log-mel in dB, (1, M, T)."""

    def __init__(self, settings: LogMelSettings, strength: str) -> None:
        self.spectrogram = torchaudio.transforms.MelSpectrogram(
            settings.sample_rate, n_fft=settings.n_fft, hop_length=settings.hop_length, n_mels=settings.n_mels
        )
        self.decibels = torchaudio.transforms.AmplitudeToDB()
        self.strong = strength == "strong"

    def __call__(self, wave: Tensor) -> Tensor:
        """Return a log-mel in dB (1, M, T) of a clip (N,)."""
        strong, kind = self.strong, int(torch.randint(3, ()).item())
        applied = torch.rand(()).item() < (1.0 if strong else 0.5)
        if applied and kind == 0:
            wave = occlude(wave, 0.75 if strong else 0.25)
        elif applied and kind == 1:
            wave = stretch(wave, *((0.25, 1.75) if strong else (0.5, 1.5)))
        image = self.decibels(self.spectrogram(wave[None]))
        if applied and kind == 2:
            image = cut_out(image, *((0.5, 1.0) if strong else (0.1, 0.5)))
        return image


class Loader:
    """Batches of views, clip after clip."""

    def __init__(
        self,
        waves: Tensor,
        labels: Tensor,
        parts: Mapping[str, Tensor],
        sizes: Mapping[str, int],
        *,
        views: Any,
        settings: LogMelSettings,
        classes: int,
    ) -> None:
        self.waves, self.labels, self.parts, self.sizes, self.classes = waves, labels, parts, sizes, classes
        self.views = [(view.name, view.source, Transform(settings, view.strength)) for view in views]

    def batch(self) -> dict[str, Tensor]:
        """Return views (B, 1, M, T) and targets (B, K) by name, as our methods name them."""
        batch: dict[str, Tensor] = {}
        shown: dict[str, list[int]] = {}
        for name, source, transform in self.views:
            kind = "unlabeled" if source == "unlabeled" else "labeled"
            if source not in shown:
                part = self.parts[kind]
                shown[source] = part[torch.randperm(len(part))[: self.sizes[kind]]].tolist()
            batch[name] = torch.stack([transform(self.waves[i]) for i in shown[source]])
            if kind == "labeled":
                hot = [nn.functional.one_hot(self.labels[i], self.classes).float() for i in shown[source]]
                batch[f"{source}/targets"] = torch.stack(hot)
        return batch


# --- losses


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    if bool(((target == 0) | (target == 1)).all().item()):
        return nn.functional.cross_entropy(logits, target.argmax(dim=-1))
    return -(torch.log_softmax(logits, dim=-1) * target).sum(dim=-1).mean()


def accuracy(probabilities: Tensor, target: Tensor) -> float:
    return (probabilities.argmax(dim=-1) == target.argmax(dim=-1)).float().mean().item()


def sharpen(p: Tensor, temperature: float) -> Tensor:
    p = p ** (1 / temperature)
    return p / p.sum(dim=-1, keepdim=True)


def mixing_weight(alpha: float) -> float:
    drawn = torch.distributions.Beta(alpha, alpha).sample().item()
    return max(drawn, 1 - drawn)


def mix(x: Tensor, others: Tensor, y: Tensor, other_y: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    return weight * x + (1 - weight) * others, weight * y + (1 - weight) * other_y


# --- the methods


class Way:
    """A method: its loss, its passes for metrics, its optimizer. `drawn` replaces random numbers, for comparisons."""

    rate = 1e-3

    def __init__(self, networks: list[nn.Module], *, classes: int, ramp: float = 1.0) -> None:
        self.network, self.classes, self.ramp = networks[0], classes, ramp
        self.optimizer = torch.optim.Adam([p for n in networks for p in n.parameters()], lr=self.rate)

    def loss(self, batch: Batch, drawn: Drawn | None = None) -> Tensor:
        """Return a step's loss."""
        raise NotImplementedError

    def watch(self, batch: Batch) -> None:
        """Compute what is only looked at."""

    def step(self, batch: Batch) -> float:
        """Take a step and return its loss."""
        loss = self.loss(batch)
        with torch.no_grad():
            self.watch(batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def _accuracy(self, rows: Tensor, target: Tensor) -> float:
        return accuracy(torch.softmax(self.network(rows), dim=-1), target)


class Supervised(Way):
    """Labelled clips alone."""

    def loss(self, batch: Batch, drawn: Drawn | None = None) -> Tensor:
        """Return a step's loss."""
        logits = self.network(batch["labeled"])
        accuracy(torch.softmax(logits.detach(), dim=-1), batch["labeled/targets"])
        return cross_entropy(logits, batch["labeled/targets"])


class MixMatch(Way):
    """A pass for each view to guess, one for each kind of mixed rows, and both kinds again, unmixed, for metrics."""

    def loss(self, batch: Batch, drawn: Drawn | None = None) -> Tensor:
        """Return a step's loss."""
        x, y = batch["labeled"], batch["labeled/targets"]
        views = [batch["unlabeled-0"], batch["unlabeled-1"]]
        with torch.no_grad():
            p = sum(torch.softmax(self.network(view), dim=-1) for view in views) / len(views)
            self.guesses = sharpen(p, 0.5).repeat(len(views), 1)
            u = torch.cat(views)
            w, w_y = torch.cat([x, u]), torch.cat([y, self.guesses])
            order = torch.randperm(len(w)) if drawn is None else drawn["order"]
            w, w_y = w[order], w_y[order]
            weights = [mixing_weight(0.75) for _ in range(2)] if drawn is None else drawn["weights"]
            mixed_x, mixed_y = mix(x, w[: len(x)], y, w_y[: len(x)], weights[0])
            mixed_u, mixed_q = mix(u, w[len(x) :], self.guesses, w_y[len(x) :], weights[1])
        on_x = cross_entropy(self.network(mixed_x), mixed_y)
        on_u = cross_entropy(self.network(mixed_u), mixed_q)
        self.scores = [value.item() for value in (on_x, on_u)]
        return on_x + self.ramp * on_u

    def watch(self, batch: Batch) -> None:
        """See what the authors look at after each loss."""
        self._accuracy(batch["labeled"], batch["labeled/targets"])
        self._accuracy(torch.cat([batch["unlabeled-0"], batch["unlabeled-1"]]), self.guesses)


class FixMatch(Way):
    """A pass for weak, for labelled and for strong views each."""

    def loss(self, batch: Batch, drawn: Drawn | None = None) -> Tensor:
        """Return a step's loss."""
        with torch.no_grad():
            p = torch.softmax(self.network(batch["unlabeled-weak"]), dim=-1)
            confidence, label = p.max(dim=-1)
            mask = (confidence >= 0.95).float()
        logits_x, logits_u = self.network(batch["labeled"]), self.network(batch["unlabeled-strong"])
        on_x = cross_entropy(logits_x, batch["labeled/targets"])
        on_u = (nn.functional.cross_entropy(logits_u, label, reduction="none") * mask).mean()
        accuracy(torch.softmax(logits_x.detach(), dim=-1), batch["labeled/targets"])
        accuracy(torch.softmax(logits_u.detach(), dim=-1), p)
        self.scores = [value.item() for value in (on_x, on_u, mask.mean())]
        return on_x + on_u


class ReMixMatch(Way):
    """With the softmax before the alignment that some releases lack, and with integer targets for the flips."""

    def __init__(self, networks: list[nn.Module], *, classes: int, ramp: float = 1.0) -> None:
        super().__init__(networks, classes=classes, ramp=ramp)
        self.flip_classifier = nn.Linear(self.network.n_features, 4)
        self.optimizer.add_param_group({"params": list(self.flip_classifier.parameters())})
        self.history: deque[Tensor] = deque(maxlen=128)
        self.p_data = torch.full((classes,), 1 / classes)

    def loss(self, batch: Batch, drawn: Drawn | None = None) -> Tensor:
        """Return a step's loss."""
        x, y, weak = batch["labeled"], batch["labeled/targets"], batch["unlabeled-weak"]
        strong = [batch["unlabeled-strong-0"], batch["unlabeled-strong-1"]]
        with torch.no_grad():
            p = torch.softmax(self.network(weak), dim=-1)
            while len(self.history) < 128:
                self.history.append(torch.full_like(p, 1 / self.classes))
            q = p * self.p_data / torch.stack(list(self.history)).mean(dim=(0, 1))
            self.history.append(p)
            q = sharpen(q / q.sum(dim=-1, keepdim=True), 0.5)
            u, self.guesses = torch.cat([weak, *strong]), q.repeat(3, 1)
            w, w_y = torch.cat([x, u]), torch.cat([y, self.guesses])
            order = torch.randperm(len(w)) if drawn is None else drawn["order"]
            w, w_y = w[order], w_y[order]
            weights = [mixing_weight(0.75) for _ in range(2)] if drawn is None else drawn["weights"]
            mixed_x, mixed_y = mix(x, w[: len(x)], y, w_y[: len(x)], weights[0])
            mixed_u, mixed_q = mix(u, w[len(x) :], self.guesses, w_y[len(x) :], weights[1])
            flipped, flips = self._flip(strong[0], None if drawn is None else drawn["flips"])
        on_x = cross_entropy(self.network(mixed_x), mixed_y)
        on_mixed = cross_entropy(self.network(mixed_u), mixed_q)
        on_strong = cross_entropy(self.network(strong[0]), q)
        on_flip = nn.functional.cross_entropy(self.flip_classifier(self.network.features(flipped)), flips)
        self.scores = [value.item() for value in (on_x, on_mixed, on_strong, on_flip)]
        return on_x + self.ramp * (1.5 * on_mixed + 0.5 * on_strong) + 0.5 * on_flip

    @staticmethod
    def _flip(x: Tensor, kinds: list[int] | None) -> tuple[Tensor, Tensor]:
        axes = ([], [-1], [-2], [-1, -2])
        kinds = [int(torch.randint(4, ()).item()) for _ in x] if kinds is None else kinds
        return torch.stack([image.flip(axes[kind]) for image, kind in zip(x, kinds, strict=True)]), torch.tensor(kinds)

    def watch(self, batch: Batch) -> None:
        """See what the authors look at after each loss."""
        self._accuracy(batch["labeled"], batch["labeled/targets"])
        names = ("unlabeled-weak", "unlabeled-strong-0", "unlabeled-strong-1")
        self._accuracy(torch.cat([batch[name] for name in names]), self.guesses)


class MeanTeacher(Way):
    """One pass for each network; the teacher follows in a loop over its weights, before the optimizer's turn."""

    def __init__(self, networks: list[nn.Module], *, classes: int, ramp: float = 1.0) -> None:
        super().__init__(networks, classes=classes, ramp=ramp)
        self.teacher, self.seen = copy.deepcopy(self.network).requires_grad_(False), 0

    def loss(self, batch: Batch, drawn: Drawn | None = None) -> Tensor:
        """Return a step's loss."""
        x, y = batch["labeled"], batch["labeled/targets"]
        with torch.no_grad():
            heard = torch.cat([batch["labeled-teacher"], batch["unlabeled-teacher"]])
            wanted = torch.softmax(self.teacher(heard), dim=-1)
        logits = self.network(torch.cat([x, batch["unlabeled"]]))
        said = torch.softmax(logits, dim=-1)
        on_x = cross_entropy(logits[: len(x)], y)
        distance = nn.functional.mse_loss(said, wanted)
        accuracy(said[: len(x)].detach(), y), accuracy(wanted[: len(x)], y), accuracy(said[len(x) :], wanted[len(x) :])
        self.scores = [value.item() for value in (on_x, distance)]
        return on_x + self.ramp * distance

    def watch(self, batch: Batch) -> None:
        """Let the teacher follow."""
        keep = min(1 - 1 / (self.seen + 1), 0.999)
        for mine, its in zip(self.teacher.parameters(), self.network.parameters(), strict=True):
            mine.data = mine.data * keep + its.data * (1 - keep)
        self.seen += 1


class DeepCoTraining(Way):
    """Labelled and unlabelled rows of two networks apart: four clean passes, four attacks, four adversarial passes."""

    rate = 5e-4

    def __init__(self, networks: list[nn.Module], *, classes: int, ramp: float = 1.0) -> None:
        super().__init__(networks, classes=classes, ramp=ramp)
        self.networks = networks

    def loss(self, batch: Batch, drawn: Drawn | None = None) -> Tensor:
        """Return a step's loss."""
        u = batch["unlabeled"]
        x = [batch["labeled"], batch["labeled-2"]]
        y = [batch["labeled/targets"], batch["labeled-2/targets"]]
        first, second = self.networks
        logits_x = [first(x[0]), second(x[1])]
        logits_u = [first(u), second(u)]
        on_x = cross_entropy(logits_x[0], y[0]) + cross_entropy(logits_x[1], y[1])
        p_x, p_u = ([torch.softmax(each, dim=-1) for each in logits] for logits in (logits_x, logits_u))
        mean = (p_u[0] + p_u[1]) / 2
        agreement = (self._entropy(mean) - (self._entropy(p_u[0]) + self._entropy(p_u[1])) / 2).mean()
        attacked_x = [
            self._attack(network, *each) for network, each in zip(self.networks, zip(x, y, strict=True), strict=True)
        ]
        hard = [nn.functional.one_hot(p.argmax(dim=-1), self.classes).float() for p in p_u]
        attacked_u = [self._attack(network, u, target) for network, target in zip(self.networks, hard, strict=True)]
        difference = torch.zeros(())
        rows = len(x[0]) + len(u)
        for network, other in ((0, 1), (1, 0)):
            for attacked, wanted in ((attacked_x[other], p_x[other]), (attacked_u[other], p_u[other])):
                said = torch.log_softmax(self.networks[network](attacked), dim=-1)
                difference = difference - (wanted * said).sum() / rows
        accuracy(p_x[0].detach(), y[0]), accuracy(p_x[1].detach(), y[1])
        self.scores = [value.item() for value in (on_x, agreement, difference)]
        return on_x + self.ramp * (agreement + 0.5 * difference)

    @staticmethod
    def _entropy(p: Tensor) -> Tensor:
        return -(p * torch.log(p.clamp(min=1e-8))).sum(dim=-1)

    @staticmethod
    def _attack(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """The gradients of the weights are computed along the way, and thrown away before the optimizer's turn."""
        training = network.training
        network.eval()
        x = x.clone().requires_grad_()
        cross_entropy(network(x), target).backward()
        network.train(training)
        return (x + 0.02 * x.grad.sign()).detach()


WAYS: dict[str, type[Way]] = {
    "supervised": Supervised,
    "mixmatch": MixMatch,
    "fixmatch": FixMatch,
    "remixmatch": ReMixMatch,
    "mean-teacher": MeanTeacher,
    "deep-co-training": DeepCoTraining,
}
