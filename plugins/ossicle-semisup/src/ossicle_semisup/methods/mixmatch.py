"""MixMatch. Source: Berthelot et al., "MixMatch: a holistic approach to semi-supervised learning" (2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ossicle.protocols import StepOutput, View
from ossicle_semisup.kernels.guess import make_guesses
from ossicle_semisup.kernels.loss import losses
from ossicle_semisup.kernels.mixup import mix
from ossicle_semisup.methods.base import Factor, MakeNetwork, Method, as_metric, logits_of, require, together
from ossicle_semisup.mixing import draw_weights
from ossicle_semisup.ramps import Progress, Ramp

PRESETS: dict[str, dict[str, Any]] = {
    # What Cances et al. (2022) ran on sound.
    "paper": {
        "unlabeled_loss": "cross-entropy",
        "weight": 1.0,
        "ramp": Ramp("linear", steps=16_000),
        "per_example": False,
        "separate": True,
    },
    # What Berthelot et al. describe: squared error, and one pass in place of the interleaved batches.
    "reference": {
        "unlabeled_loss": "brier",
        "weight": 75.0,
        "ramp": Ramp("linear", steps=16_384),
        "per_example": True,
        "separate": False,
    },
    # Cross-entropy as in the first, one pass as in the second, and a ramp that knows the run's length.
    "default": {
        "unlabeled_loss": "cross-entropy",
        "weight": 1.0,
        "ramp": Ramp("linear", share=0.25),
        "per_example": True,
        "separate": False,
    },
}


class MixMatch(Method):
    """Sharpened mean guesses of several weak views, then mixup of everything with everything.

    Parameters
    ----------
    preset
        ``paper``, ``reference`` or ``default``: where the other settings come from if not given.
    guess_views
        Weak views of an unlabelled clip whose predictions are averaged.
    temperature, alpha
        Of the sharpening; of the Beta distribution of the mixing weights.
    unlabeled_loss, weight, ramp
        Loss on the guesses, its final weight, and how it grows.
    per_example
        One mixing weight an example; else one for the labelled rows and one for the others.
    separate
        One forward pass (and update of batch statistics) for labelled and one for unlabelled rows.
    """

    def __init__(
        self,
        make_network: MakeNetwork,
        *,
        classes: int,
        seed: int = 0,
        preset: str = "default",
        guess_views: int = 2,
        temperature: float = 0.5,
        alpha: float = 0.75,
        unlabeled_loss: Literal["cross-entropy", "brier"] | None = None,
        weight: float | None = None,
        ramp: Ramp | None = None,
        per_example: bool | None = None,
        separate: bool | None = None,
    ) -> None:
        super().__init__(make_network, classes=classes, seed=seed)
        chosen = resolve(PRESETS, preset, locals())
        require(
            guess_views >= 1 and temperature > 0 and alpha >= 0,
            "MixMatch needs a view, a temperature above 0 and alpha of at least 0",
        )
        self.views = (
            View("labeled", "labeled", "weak"),
            *(View(f"unlabeled-{k}", "unlabeled", "weak") for k in range(guess_views)),
        )
        self._temperature, self._alpha = temperature, alpha
        self._distance = chosen["unlabeled_loss"]
        require(self._distance in ("cross-entropy", "brier"), "the loss on unlabelled rows is cross-entropy or brier")
        self.unlabeled_weight, self._ramp = chosen["weight"], chosen["ramp"]
        self._per_example, self._separate = chosen["per_example"], chosen["separate"]

    def draws(self, rows: Mapping[str, int], draw: torch.Generator) -> dict[str, Tensor]:
        """Return weights and partners of the labelled rows and all views of the others, in this order."""
        return mixing_draws(
            (rows["labeled"], sum(rows[view.name] for view in self.views[1:])), self._alpha, draw, self._per_example
        )

    def factors(self, progress: Progress) -> dict[str, float]:
        """Return the weight of the unlabelled loss."""
        return {"weight": self.unlabeled_weight * self._ramp.at(progress)}

    def compute(
        self, batch: Mapping[str, Tensor], drawn: Mapping[str, Tensor], factors: Mapping[str, Factor]
    ) -> StepOutput:
        """Return cross-entropy on the mixed labelled rows plus the weighted distance of the mixed unlabelled ones."""
        x, y = batch["labeled"], batch["labeled/targets"]
        unlabeled = [batch[view.name] for view in self.views[1:]]
        q = make_guesses(logits_of(self.student, unlabeled), temperature=self._temperature).target
        rows, targets = torch.cat([x, *unlabeled]), torch.cat([y, *[q] * len(unlabeled)])
        sizes = [len(x), len(rows) - len(x)]
        mixed, mixed_targets = mix(rows, targets, drawn["weights"], drawn["partners"])
        logits_x, logits_u = together(self.student, *mixed.split(sizes), separate=self._separate)
        targets_x, targets_u = mixed_targets.split(sizes)
        loss_x, loss_u = losses(logits_x, targets_x, logits_u, targets_u, distance=self._distance)
        weight = factors["weight"]
        metrics = {"labeled": loss_x.detach(), "unlabeled": loss_u.detach(), "weight": as_metric(weight, loss_x)}
        return StepOutput(loss_x + weight * loss_u, metrics, guesses=q)


def mixing_draws(sizes: Sequence[int], alpha: float, draw: torch.Generator, per_example: bool) -> dict[str, Tensor]:
    """Return weights of at least a half for parts of a batch, and partners from all of it."""
    weights = [draw_weights(n, alpha, draw, keep_first=True, per_example=per_example) for n in sizes]
    return {"weights": torch.cat(weights), "partners": torch.randperm(sum(sizes), generator=draw)}


def resolve(presets: Mapping[str, Mapping[str, Any]], preset: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a preset's settings with those in their place that were given (are not None).

    Raises
    ------
    ConfigError
        If there is no such preset.
    """
    require(preset in presets, f"no preset is called {preset!r}; there are {', '.join(presets)}")
    return {key: value if given.get(key) is None else given[key] for key, value in presets[preset].items()}
