"""FixMatch and its variants with mixup. Source: Sohn et al., "FixMatch" (2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ossicle.protocols import StepOutput, View
from ossicle_semisup.methods.base import MakeNetwork, Method, guess, require, together
from ossicle_semisup.methods.mixmatch import resolve
from ossicle_semisup.mixing import blend, draw_weights, mixup
from ossicle_semisup.probability import cross_entropy
from ossicle_semisup.ramps import Progress

PRESETS: dict[str, dict[str, Any]] = {
    # Cances et al. (2022) predict the weak views in a pass of their own.
    "paper": {"joint": False},
    # Sohn et al. put all rows into one pass, so that batch statistics are those of all.
    "reference": {"joint": True},
    "default": {"joint": False},
}
Mixing = Literal["none", "paper", "union"]


class FixMatch(Method):
    """A confident prediction of the weak view is the label of the strong view.

    Parameters
    ----------
    preset
        ``paper``, ``reference`` or ``default``: where `joint` comes from if not given.
    threshold
        Predictions below it do not count. The loss is divided by all rows, counted or not: so it grows as they do.
    weight
        Of the unlabelled loss.
    mixing
        ``paper``: labelled and strong rows mixed index by index, labels not mixed (Cances et al., 2022). ``union``: the
        shuffled union mixed with its labels, the loss divided by the rows that count (known as FixMix).
    alpha
        Of the Beta distribution of the mixing weights.
    joint
        Weak views share the one forward pass, gradients apart.
    """

    def __init__(
        self,
        make_network: MakeNetwork,
        *,
        classes: int,
        seed: int = 0,
        preset: str = "default",
        threshold: float = 0.95,
        weight: float = 1.0,
        mixing: Mixing = "none",
        alpha: float = 0.75,
        joint: bool | None = None,
    ) -> None:
        super().__init__(make_network, classes=classes, seed=seed)
        require(mixing in ("none", "paper", "union"), f"no mixing is called {mixing!r}; there are none, paper, union")
        self.views = (
            View("labeled", "labeled", "weak"),
            View("unlabeled-weak", "unlabeled", "weak"),
            View("unlabeled-strong", "unlabeled", "strong"),
        )
        self._threshold, self._weight, self._mixing, self._alpha = threshold, weight, mixing, alpha
        self._joint = resolve(PRESETS, preset, locals())["joint"]

    def loss(self, batch: Mapping[str, Tensor], *, draw: torch.Generator, progress: Progress) -> StepOutput:
        """Return cross-entropy on the labelled rows plus that on the confident unlabelled ones."""
        x, y = batch["labeled"], batch["labeled/targets"]
        weak, strong = batch["unlabeled-weak"], batch["unlabeled-strong"]
        if self._joint and self._mixing == "none":
            logits_x, logits_weak, logits_u = together(self.student, x, weak, strong)
            p = torch.softmax(logits_weak.detach(), dim=1)
        else:
            (p,) = guess(self.student, [weak])
            logits_x = logits_u = p  # computed below
        confidence, label = p.max(dim=1)
        mask = (confidence >= self._threshold).float()
        guesses = one_hot(label, self.classes).float()
        target_x, target_u, counted = y, guesses, float(len(strong))
        if self._mixing == "paper":
            logits_x, logits_u = together(self.student, *self._mix_across(x, strong, draw))
        elif self._mixing == "union":
            rows, targets = self._mix_union(x, strong, y, guesses, draw)
            logits_x, logits_u = together(self.student, *rows)
            target_x, target_u = targets
            counted = max(float(self.across(mask.sum())), 1.0)
        elif not self._joint:
            logits_x, logits_u = together(self.student, x, strong)
        loss_x = cross_entropy(logits_x, target_x).mean()
        loss_u = (mask * cross_entropy(logits_u, target_u)).sum() / counted
        metrics = {"labeled": loss_x.detach(), "unlabeled": loss_u.detach(), "mask": mask.mean()}
        return StepOutput(loss_x + self._weight * loss_u, metrics, guesses=p, mask=mask)

    def _mix_across(self, x: Tensor, strong: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        def partner(count: int, other: Tensor) -> Tensor:
            return other[torch.arange(count, device=other.device) % len(other)]

        def weights(count: int) -> Tensor:
            return draw_weights(count, self._alpha, draw, keep_first=True, per_example=True)

        mixed_x = blend(x, partner(len(x), strong), weights(len(x)))
        return mixed_x, blend(strong, partner(len(strong), x), weights(len(strong)))

    def _mix_union(
        self, x: Tensor, strong: Tensor, y: Tensor, guesses: Tensor, draw: torch.Generator
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        rows, targets = torch.cat([x, strong]), torch.cat([y, guesses])
        weights = draw_weights(len(rows), self._alpha, draw, keep_first=True, per_example=True)
        partners = torch.randperm(len(rows), generator=draw).to(rows.device)
        sizes = [len(x), len(strong)]
        mixed, mixed_targets = mixup(rows, targets, weights, partners)
        return mixed.split(sizes), mixed_targets.split(sizes)
