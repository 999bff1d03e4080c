"""ReMixMatch with flips. Source: Berthelot et al., "ReMixMatch" (2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ossicle.protocols import StepOutput, View
from ossicle_semisup.kernels.guess import make_guesses
from ossicle_semisup.kernels.loss import losses
from ossicle_semisup.kernels.mixup import mix
from ossicle_semisup.methods.base import Factor, MakeNetwork, Method, logits_of, require
from ossicle_semisup.methods.mixmatch import mixing_draws, resolve
from ossicle_semisup.probability import cross_entropy
from ossicle_semisup.ramps import Progress, Ramp

PRESETS: dict[str, dict[str, Any]] = {
    # What Cances et al. (2022) ran on sound: weakly augmented labelled clips, no ramp, one mixing weight a batch.
    "paper": {"labeled_strength": "weak", "strong_views": 2, "ramp": Ramp("none"), "per_example": False},
    # What Berthelot et al. describe.
    "reference": {
        "labeled_strength": "strong",
        "strong_views": 8,
        "ramp": Ramp("linear", steps=16_384),
        "per_example": True,
    },
    "default": {"labeled_strength": "weak", "strong_views": 2, "ramp": Ramp("linear", share=0.25), "per_example": True},
}


class ReMixMatch(Method):
    """Guesses from a weak view, aligned with the labels' distribution, for strong views too; and which flip was it.

    An image is rotated by quarters; a spectrogram keeps its axes and is flipped in time, in frequency, in both or not.
    Each flip takes a fixed quarter of the batch, so that none is rare by chance.

    Parameters
    ----------
    preset
        ``paper``, ``reference`` or ``default``: where the other settings come from if not given.
    p_data
        Share of each class among the labelled clips, (K,); None: equal shares.
    temperature, alpha
        Of the sharpening; of the Beta distribution of the mixing weights.
    mixed_weight, strong_weight, flip_weight
        Of the three losses on unlabelled clips: mixed rows, the first strong view unmixed, and its flip. The ramp is on
        the first two.
    history
        Batches whose mean guesses make the model's own distribution.
    """

    p_data: Tensor
    _history: Tensor
    _written: Tensor

    def __init__(
        self,
        make_network: MakeNetwork,
        *,
        classes: int,
        seed: int = 0,
        preset: str = "default",
        p_data: Sequence[float] | None = None,
        temperature: float = 0.5,
        alpha: float = 0.75,
        mixed_weight: float = 1.5,
        strong_weight: float = 0.5,
        flip_weight: float = 0.5,
        history: int = 128,
        labeled_strength: Literal["weak", "strong"] | None = None,
        strong_views: int | None = None,
        ramp: Ramp | None = None,
        per_example: bool | None = None,
    ) -> None:
        super().__init__(make_network, classes=classes, seed=seed)
        chosen = resolve(PRESETS, preset, locals())
        require(chosen["strong_views"] >= 1 and history >= 1, "ReMixMatch needs a strong view and a history")
        self.views = (
            View("labeled", "labeled", chosen["labeled_strength"]),
            View("unlabeled-weak", "unlabeled", "weak"),
            *(View(f"unlabeled-strong-{k}", "unlabeled", "strong") for k in range(chosen["strong_views"])),
        )
        self._temperature, self._alpha, self._ramp = temperature, alpha, chosen["ramp"]
        self._weights = mixed_weight, strong_weight, flip_weight
        self._per_example = chosen["per_example"]
        with torch.random.fork_rng(devices=[]):
            self.flip_classifier = nn.Linear(self.student.n_features, 4)
        bound = self.student.n_features**-0.5
        head = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.flip_classifier.weight.uniform_(-bound, bound, generator=head)
            self.flip_classifier.bias.zero_()
        shares = torch.full((classes,), 1 / classes) if p_data is None else torch.tensor(list(p_data)).float()
        require(
            shares.shape == (classes,) and bool((shares >= 0).all()) and float(shares.sum()) > 0,
            "p_data must hold one share a class",
        )
        self.register_buffer("p_data", shares / shares.sum())
        self.register_buffer("_history", torch.full((history, classes), 1 / classes))
        self.register_buffer("_written", torch.zeros((), dtype=torch.int64))

    def draws(self, rows: Mapping[str, int], draw: torch.Generator) -> dict[str, Tensor]:
        """Return weights and partners of the labelled rows and all views of the others, in this order."""
        return mixing_draws(
            (rows["labeled"], sum(rows[view.name] for view in self.views[1:])), self._alpha, draw, self._per_example
        )

    def factors(self, progress: Progress) -> dict[str, float]:
        """Return how far the losses on mixed and on strong rows have grown."""
        return {"ramp": self._ramp.at(progress)}

    def compute(
        self, batch: Mapping[str, Tensor], drawn: Mapping[str, Tensor], factors: Mapping[str, Factor]
    ) -> StepOutput:
        """Return the sum of the four losses."""
        x, y = batch["labeled"], batch["labeled/targets"]
        weak, *strong = (batch[view.name] for view in self.views[1:])
        # The batch is aligned by those before it, and joins them afterwards.
        guessed = make_guesses(
            logits_of(self.student, [weak]), self._history.mean(dim=0), self.p_data, self._temperature
        )
        q = guessed.target
        self._remember(self.across(guessed.mean.mean(dim=0)))
        rows, targets = torch.cat([x, weak, *strong]), torch.cat([y, *[q] * (1 + len(strong))])
        first, others = len(x), len(rows) - len(x)
        mixed, mixed_targets = mix(rows, targets, drawn["weights"], drawn["partners"])
        flipped, flips = flip(strong[0])
        features = self.student.features(torch.cat([mixed, strong[0], flipped]))
        logits = self.student.classifier(features[: len(mixed) + len(strong[0])]).float()
        logits_x, logits_u, logits_strong = logits.split([first, others, len(strong[0])])
        loss_x, loss_mixed = losses(logits_x, mixed_targets[:first], logits_u, mixed_targets[first:])
        loss_strong = cross_entropy(logits_strong, q).mean()
        flip_logits = self.flip_classifier(features[len(mixed) + len(strong[0]) :]).float()
        loss_flip = nn.functional.cross_entropy(flip_logits, flips)
        ramp = factors["ramp"]
        on_mixed, on_strong, on_flip = self._weights
        loss = loss_x + ramp * (on_mixed * loss_mixed + on_strong * loss_strong) + on_flip * loss_flip
        metrics = {"labeled": loss_x, "mixed": loss_mixed, "strong": loss_strong, "flip": loss_flip}
        return StepOutput(loss, {name: value.detach() for name, value in metrics.items()}, guesses=q)

    @torch.no_grad()
    def _remember(self, mean: Tensor) -> None:
        # Not by indexing: that would ask the device which row it is.
        self._history.index_copy_(0, (self._written % len(self._history)).view(1), mean[None])
        self._written.add_(1)


def flip(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-mels (B, 1, M, T) flipped, and how, (B,): 0 not, 1 in time, 2 in frequency, 3 in both, in turn."""
    kinds = torch.arange(len(x), device=x.device) % 4
    shape = (-1, 1, 1, 1)
    x = torch.where((kinds % 2 == 1).view(shape), x.flip(-1), x)
    return torch.where((kinds >= 2).view(shape), x.flip(-2), x), kinds
