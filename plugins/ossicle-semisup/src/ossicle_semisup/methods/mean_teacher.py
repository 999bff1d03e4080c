"""Mean Teacher. Source: Tarvainen and Valpola, "Mean teachers are better role models" (2017)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ossicle.protocols import StepOutput, View
from ossicle.training.ema import move_towards
from ossicle_semisup.methods.base import Factor, MakeNetwork, Method, as_metric, require, together
from ossicle_semisup.methods.mixmatch import resolve
from ossicle_semisup.mixing import blend, draw_weights
from ossicle_semisup.probability import cross_entropy
from ossicle_semisup.ramps import Progress, Ramp

PRESETS: dict[str, dict[str, Any]] = {
    # Cances et al. (2022): weight 1 after 50 of 200 epochs, labelled clips too.
    "paper": {"weight": 1.0, "ramp": Ramp("exponential", share=0.25), "on_labeled": True, "statistics": "own"},
    # The baseline in Sohn et al. (2020): weight 50 over 40 % of the run, unlabelled clips alone.
    "reference": {"weight": 50.0, "ramp": Ramp("linear", share=0.4), "on_labeled": False, "statistics": "average"},
    "default": {"weight": 1.0, "ramp": Ramp("exponential", share=0.25), "on_labeled": True, "statistics": "own"},
}
Mixing = Literal["none", "paper", "interpolate"]
Statistics = Literal["own", "average", "copy"]


class MeanTeacher(Method):
    """A teacher that is the student's running average, and whom the student shall agree with.

    Parameters
    ----------
    preset
        ``paper``, ``reference`` or ``default``: where the other settings come from if not given.
    decay
        Of the average; it is 1 - 1 / (step + 1) while that is less, so that the first step copies the student.
    weight, ramp
        Of the squared distance between both networks' probabilities, mean over classes and rows.
    on_labeled
        Labelled clips count in that distance too.
    statistics
        The teacher's batch normalisation: ``own`` (training mode, its own running statistics), ``average`` (running
        statistics averaged as weights are, evaluation mode) or ``copy`` (the student's, evaluation mode).
    separate
        The student hears labelled and unlabelled clips in a pass each, as a supervised network hears the former: with batch
        statistics of their own.
    student_strength
        Of the student's view of unlabelled clips; the teacher's is always weak. ``strong`` makes the student's noise the larger one.
    mixing
        ``paper``: the teacher hears clips mixed within the batch, as a kind of noise (Cances et al., 2022).
        ``interpolate``: the student hears mixed clips and is compared with the mixture of the teacher's predictions
        (Verma et al., "Interpolation consistency training", 2019).
    alpha
        Of the Beta distribution of the mixing weights.
    """

    def __init__(
        self,
        make_network: MakeNetwork,
        *,
        classes: int,
        seed: int = 0,
        preset: str = "default",
        decay: float = 0.999,
        mixing: Mixing = "none",
        alpha: float = 0.4,
        weight: float | None = None,
        ramp: Ramp | None = None,
        on_labeled: bool | None = None,
        statistics: Statistics | None = None,
        separate: bool = False,
        student_strength: Literal["weak", "strong"] = "weak",
    ) -> None:
        super().__init__(make_network, classes=classes, seed=seed)
        chosen = resolve(PRESETS, preset, locals())
        require(
            mixing in ("none", "paper", "interpolate"),
            f"no mixing is called {mixing!r}; there are none, paper, interpolate",
        )
        require(chosen["statistics"] in ("own", "average", "copy"), "statistics are own, average or copy")
        require(student_strength in ("weak", "strong"), "the student's view is weak or strong")
        require(0 <= decay < 1, "the teacher's decay must lie in [0, 1)")
        self.views = (
            View("labeled", "labeled", "weak"),
            View("labeled-teacher", "labeled", "weak"),
            View("unlabeled", "unlabeled", student_strength),
            View("unlabeled-teacher", "unlabeled", "weak"),
        )
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self._decay, self._mixing, self._alpha = decay, mixing, alpha
        self.unlabeled_weight, self._ramp, self._separate = chosen["weight"], chosen["ramp"], separate
        self._on_labeled, self._statistics = chosen["on_labeled"], chosen["statistics"]

    def train(self, mode: bool = True) -> MeanTeacher:
        """Set the student's mode; the teacher follows only where it keeps statistics of its own."""
        super().train(mode)
        self.teacher.train(mode and self._statistics == "own")
        return self

    def draws(self, rows: Mapping[str, int], draw: torch.Generator) -> dict[str, Tensor]:
        """Return a weight and partners for each batch that is mixed."""
        drawn: dict[str, Tensor] = {}
        for name in self._mixed_views():
            weights = draw_weights(rows[name], self._alpha, draw, keep_first=False, per_example=False)
            drawn |= {f"weights {name}": weights, f"partners {name}": torch.randperm(rows[name], generator=draw)}
        return drawn

    def _heard(self) -> list[str]:
        return ["labeled-teacher", "unlabeled-teacher"] if self._on_labeled else ["unlabeled-teacher"]

    def _mixed_views(self) -> list[str]:
        if self._mixing == "paper":
            return self._heard()
        return ["unlabeled"] if self._mixing == "interpolate" else []

    def factors(self, progress: Progress) -> dict[str, float]:
        """Return the weight of the distance."""
        return {"weight": self.unlabeled_weight * self._ramp.at(progress)}

    def compute(
        self, batch: Mapping[str, Tensor], drawn: Mapping[str, Tensor], factors: Mapping[str, Factor]
    ) -> StepOutput:
        """Return cross-entropy on the labelled rows plus the weighted distance from the teacher."""
        x, y, u = batch["labeled"], batch["labeled/targets"], batch["unlabeled"]
        names = self._heard()
        heard = [batch[name] for name in names]
        if self._mixing == "paper":
            heard = [_mixed(part, name, drawn) for part, name in zip(heard, names, strict=True)]
        with torch.no_grad():
            target = torch.softmax(self.teacher(torch.cat(heard)).float(), dim=1)
        if self._mixing == "interpolate":
            logits_x, logits_u = together(self.student, x, _mixed(u, "unlabeled", drawn), separate=self._separate)
            split = len(target) - len(u)
            target = torch.cat([target[:split], _mixed(target[split:], "unlabeled", drawn)])
        else:
            logits_x, logits_u = together(self.student, x, u, separate=self._separate)
        said = torch.softmax(torch.cat([logits_x, logits_u]) if self._on_labeled else logits_u, dim=1)
        loss_x = cross_entropy(logits_x, y).mean()
        distance = (said - target).square().mean()
        weight = factors["weight"]
        metrics = {"labeled": loss_x.detach(), "consistency": distance.detach(), "weight": as_metric(weight, loss_x)}
        return StepOutput(loss_x + weight * distance, metrics, guesses=target[-len(u) :])

    def pace(self, step: int) -> float:
        """Return 1 minus the decay, which grows to its value: after the first step the teacher is the student."""
        return 1.0 - min(1.0 - 1.0 / (step + 1), self._decay)

    @torch.no_grad()
    def follow(self, pace: Factor) -> None:
        """Move the teacher so much of the way to the student."""
        move_towards(self.teacher.parameters(), self.student.parameters(), pace)
        if self._statistics == "own":
            return
        for mine, its in zip(self.teacher.buffers(), self.student.buffers(), strict=True):
            if self._statistics == "average" and mine.is_floating_point():
                mine.lerp_(its, pace)
            else:
                mine.copy_(its)

    def evaluated(self) -> dict[str, nn.Module]:
        """Return the teacher, which is the one to use, and the student."""
        return {"teacher": self.teacher, "net": self.student}


def _mixed(x: Tensor, view: str, drawn: Mapping[str, Tensor]) -> Tensor:
    return blend(x, x[drawn[f"partners {view}"]], drawn[f"weights {view}"])
