"""Mean Teacher. Source: Tarvainen and Valpola, "Mean teachers are better role models" (2017)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ossicle.protocols import StepOutput, View
from ossicle_semisup.methods.base import MakeNetwork, Method, require, together
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
    ) -> None:
        super().__init__(make_network, classes=classes, seed=seed)
        chosen = resolve(PRESETS, preset, locals())
        require(
            mixing in ("none", "paper", "interpolate"),
            f"no mixing is called {mixing!r}; there are none, paper, interpolate",
        )
        require(chosen["statistics"] in ("own", "average", "copy"), "statistics are own, average or copy")
        require(0 <= decay < 1, "the teacher's decay must lie in [0, 1)")
        self.views = (
            View("labeled", "labeled", "weak"),
            View("labeled-teacher", "labeled", "weak"),
            View("unlabeled", "unlabeled", "weak"),
            View("unlabeled-teacher", "unlabeled", "weak"),
        )
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self._decay, self._mixing, self._alpha = decay, mixing, alpha
        self._weight, self._ramp = chosen["weight"], chosen["ramp"]
        self._on_labeled, self._statistics = chosen["on_labeled"], chosen["statistics"]

    def train(self, mode: bool = True) -> MeanTeacher:
        """Set the student's mode; the teacher follows only where it keeps statistics of its own."""
        super().train(mode)
        self.teacher.train(mode and self._statistics == "own")
        return self

    def loss(self, batch: Mapping[str, Tensor], *, draw: torch.Generator, progress: Progress) -> StepOutput:
        """Return cross-entropy on the labelled rows plus the weighted distance from the teacher."""
        x, y, u = batch["labeled"], batch["labeled/targets"], batch["unlabeled"]
        heard = [batch["unlabeled-teacher"]]
        if self._on_labeled:
            heard.insert(0, batch["labeled-teacher"])
        if self._mixing == "paper":
            heard = [self._mixed(part, draw)[0] for part in heard]
        with torch.no_grad():
            target = torch.softmax(self.teacher(torch.cat(heard)).float(), dim=1)
        if self._mixing == "interpolate":
            mixed, weights, partners = self._mixed(u, draw)
            logits_x, logits_u = together(self.student, x, mixed)
            split = len(target) - len(u)
            target = torch.cat([target[:split], blend(target[split:], target[split:][partners], weights)])
        else:
            logits_x, logits_u = together(self.student, x, u)
        said = torch.softmax(torch.cat([logits_x, logits_u]) if self._on_labeled else logits_u, dim=1)
        loss_x = cross_entropy(logits_x, y).mean()
        distance = (said - target).square().mean()
        weight = self._weight * self._ramp.at(progress)
        metrics = {"labeled": loss_x.detach(), "consistency": distance.detach(), "weight": loss_x.new_tensor(weight)}
        return StepOutput(loss_x + weight * distance, metrics, guesses=target[-len(u) :])

    def _mixed(self, x: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        weights = draw_weights(len(x), self._alpha, draw, keep_first=False, per_example=False)
        partners = torch.randperm(len(x), generator=draw).to(x.device)
        return blend(x, x[partners], weights), weights, partners

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the teacher towards the student, after the optimizer's step."""
        follow = 1.0 - min(1.0 - 1.0 / (step + 1), self._decay)
        torch._foreach_lerp_(list(self.teacher.parameters()), list(self.student.parameters()), follow)
        if self._statistics == "own":
            return
        for mine, its in zip(self.teacher.buffers(), self.student.buffers(), strict=True):
            if self._statistics == "average" and mine.is_floating_point():
                mine.lerp_(its, follow)
            else:
                mine.copy_(its)

    def evaluated(self) -> dict[str, nn.Module]:
        """Return the teacher, which is the one to use, and the student."""
        return {"teacher": self.teacher, "net": self.student}
