"""FixMatch and its variants with mixup. Source: Sohn et al., "FixMatch" (2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ossicle.protocols import StepOutput, View
from ossicle_semisup.kernels.guess import make_guesses
from ossicle_semisup.kernels.loss import losses
from ossicle_semisup.kernels.mixup import mix
from ossicle_semisup.methods.base import Factor, MakeNetwork, Method, logits_of, require, together
from ossicle_semisup.methods.mixmatch import mixing_draws, resolve
from ossicle_semisup.mixing import blend, draw_weights

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
        self._threshold, self.unlabeled_weight, self._mixing, self._alpha = threshold, weight, mixing, alpha
        self._joint = resolve(PRESETS, preset, locals())["joint"]

    def draws(self, rows: Mapping[str, int], draw: torch.Generator) -> dict[str, Tensor]:
        """Return weights of the labelled rows and the strong ones, in this order, and partners from all of them."""
        if self._mixing == "none":
            return {}
        sizes = rows["labeled"], rows["unlabeled-strong"]
        if self._mixing == "union":
            return mixing_draws((sum(sizes),), self._alpha, draw, True)
        weights = [draw_weights(n, self._alpha, draw, keep_first=True, per_example=True) for n in sizes]
        return {"weights": torch.cat(weights)}

    def compute(
        self, batch: Mapping[str, Tensor], drawn: Mapping[str, Tensor], factors: Mapping[str, Factor]
    ) -> StepOutput:
        """Return cross-entropy on the labelled rows plus that on the confident unlabelled ones."""
        x, y = batch["labeled"], batch["labeled/targets"]
        weak, strong = batch["unlabeled-weak"], batch["unlabeled-strong"]
        if self._joint and self._mixing == "none":
            logits_x, logits_weak, logits_u = together(self.student, x, weak, strong)
            logits_weak = logits_weak.detach()[None]
        else:
            logits_weak = logits_of(self.student, [weak])
            logits_x = logits_u = logits_weak  # computed below
        p, _, _, label, mask = make_guesses(logits_weak, threshold=self._threshold)
        target_x, target_u, counted = y, one_hot(label, self.classes).float(), None
        if self._mixing == "paper":
            logits_x, logits_u = together(self.student, *_mix_across(x, strong, drawn["weights"]))
        elif self._mixing == "union":
            sizes = [len(x), len(strong)]
            rows, targets = torch.cat([x, strong]), torch.cat([y, target_u])
            mixed, mixed_targets = mix(rows, targets, drawn["weights"], drawn["partners"])
            logits_x, logits_u = together(self.student, *mixed.split(sizes))
            target_x, target_u = mixed_targets.split(sizes)
            counted = self.across(mask.sum()).clamp(min=1.0)
        elif not self._joint:
            logits_x, logits_u = together(self.student, x, strong)
        loss_x, loss_u = losses(logits_x, target_x, logits_u, target_u, mask, counted)
        metrics = {"labeled": loss_x.detach(), "unlabeled": loss_u.detach(), "mask": mask.mean()}
        return StepOutput(loss_x + self.unlabeled_weight * loss_u, metrics, guesses=p, mask=mask)


def _mix_across(x: Tensor, strong: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    def partner(count: int, other: Tensor) -> Tensor:
        return other[torch.arange(count, device=other.device) % len(other)]

    weights_x, weights_u = weights.split([len(x), len(strong)])
    return blend(x, partner(len(x), strong), weights_x), blend(strong, partner(len(strong), x), weights_u)
