"""Deep Co-Training. Source: Qiao et al., "Deep co-training for semi-supervised image recognition" (2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, one_hot

from ossicle.protocols import StepOutput, View
from ossicle_semisup.methods.base import Factor, MakeNetwork, Method, evaluating, require, together
from ossicle_semisup.methods.mixmatch import resolve
from ossicle_semisup.mixing import blend, draw_weights
from ossicle_semisup.probability import cross_entropy, js_divergence
from ossicle_semisup.ramps import Progress, Ramp

PRESETS: dict[str, dict[str, Any]] = {
    # Cances et al. (2022): weights grow over 160 of 300 epochs.
    "paper": {
        "agreement_weight": 1.0,
        "difference_weight": 0.5,
        "ramp": Ramp("exponential", share=160 / 300),
        "detach_targets": False,
    },
    # Qiao et al.: 80 of 600 epochs, weights 10 and 0.5.
    "reference": {
        "agreement_weight": 10.0,
        "difference_weight": 0.5,
        "ramp": Ramp("exponential", share=80 / 600),
        "detach_targets": False,
    },
    "default": {
        "agreement_weight": 1.0,
        "difference_weight": 0.5,
        "ramp": Ramp("exponential", share=160 / 300),
        "detach_targets": False,
    },
}


class DeepCoTraining(Method):
    """Two networks that agree on unlabelled clips, and each resists the adversarial clips made against the other.

    Parameters
    ----------
    preset
        ``paper``, ``reference`` or ``default``: where the other settings come from if not given.
    epsilon
        Size of the adversarial change, in the inputs' unit before standardising (dB).
    input_scale
        What one unit of the network's input is in that unit: the standard deviation, where inputs are standardised.
    agreement_weight, difference_weight, ramp
        Of the Jensen-Shannon divergence on unlabelled clips, and of the crosswise cross-entropy on adversarial ones.
    detach_targets
        Let no gradient flow into the clean predictions that adversarial ones are compared with.
    mixup_alpha
        Mix the unlabelled batch with its own shuffle first, by Beta(alpha, alpha) (Cances et al., 2022); 0 does not.
    """

    def __init__(
        self,
        make_network: MakeNetwork,
        *,
        classes: int,
        seed: int = 0,
        preset: str = "default",
        epsilon: float = 0.02,
        input_scale: float = 1.0,
        mixup_alpha: float = 0.0,
        agreement_weight: float | None = None,
        difference_weight: float | None = None,
        ramp: Ramp | None = None,
        detach_targets: bool | None = None,
    ) -> None:
        super().__init__(make_network, classes=classes, seed=seed)
        chosen = resolve(PRESETS, preset, locals())
        require(epsilon >= 0 and input_scale > 0, "epsilon must be at least 0 and input_scale above 0")
        self.views = (
            View("labeled", "labeled", "weak"),
            View("labeled-2", "labeled-2", "weak"),
            View("unlabeled", "unlabeled", "weak"),
        )
        self.second = make_network(seed + 1_000_003)
        self._epsilon, self._alpha = epsilon / input_scale, mixup_alpha
        self._agreement, self._difference = chosen["agreement_weight"], chosen["difference_weight"]
        self._ramp, self._detach = chosen["ramp"], chosen["detach_targets"]

    def draws(self, rows: Mapping[str, int], draw: torch.Generator) -> dict[str, Tensor]:
        """Return a weight and partners for the unlabelled batch, where it is mixed."""
        if not self._alpha:
            return {}
        count = rows["unlabeled"]
        weights = draw_weights(count, self._alpha, draw, keep_first=False, per_example=False)
        return {"weights": weights, "partners": torch.randperm(count, generator=draw)}

    def factors(self, progress: Progress) -> dict[str, float]:
        """Return how far the weights have grown."""
        return {"ramp": self._ramp.at(progress)}

    def compute(
        self, batch: Mapping[str, Tensor], drawn: Mapping[str, Tensor], factors: Mapping[str, Factor]
    ) -> StepOutput:
        """Return the supervised losses of both plus weighted agreement and difference."""
        x1, y1, x2, y2 = (batch[k] for k in ("labeled", "labeled/targets", "labeled-2", "labeled-2/targets"))
        u = batch["unlabeled"]
        if drawn:
            u = blend(u, u[drawn["partners"]], drawn["weights"])
        logits1, logits1_u = together(self.student, x1, u)
        logits2, logits2_u = together(self.second, x2, u)
        supervised = cross_entropy(logits1, y1).mean() + cross_entropy(logits2, y2).mean()
        p1_u, p2_u = torch.softmax(logits1_u, dim=1), torch.softmax(logits2_u, dim=1)
        agreement = js_divergence(p1_u, p2_u).mean()
        against1 = attack(self.student, torch.cat([x1, u]), self._labels(y1, p1_u), self._epsilon)
        against2 = attack(self.second, torch.cat([x2, u]), self._labels(y2, p2_u), self._epsilon)
        clean1 = torch.cat([torch.softmax(logits1, dim=1), p1_u])
        clean2 = torch.cat([torch.softmax(logits2, dim=1), p2_u])
        if self._detach:
            clean1, clean2 = clean1.detach(), clean2.detach()
        # Crosswise: each hears what was made against the other, and should say what the other says of the clean clip.
        difference = (
            cross_entropy(self.student(against2).float(), clean2).mean()
            + cross_entropy(self.second(against1).float(), clean1).mean()
        )
        ramp = factors["ramp"]
        loss = supervised + ramp * (self._agreement * agreement + self._difference * difference)
        metrics = {"labeled": supervised / 2, "agreement": agreement, "difference": difference / 2}
        guesses = ((p1_u + p2_u) / 2).detach()
        return StepOutput(loss, {name: value.detach() for name, value in metrics.items()}, guesses=guesses)

    def _labels(self, y: Tensor, p: Tensor) -> Tensor:
        return torch.cat([y, one_hot(p.argmax(dim=1), self.classes).to(y.dtype)])

    def evaluated(self) -> dict[str, nn.Module]:
        """Return both networks, the first one to be reported."""
        return {"net": self.student, "second": self.second}


def attack(network: nn.Module, x: Tensor, target: Tensor, epsilon: float) -> Tensor:
    """Return x changed by epsilon along the sign of the loss's gradient, batch normalisation in evaluation mode.

    Source: Goodfellow et al., "Explaining and harnessing adversarial examples" (2015), equation of section 4.
    """
    with evaluating(network), torch.enable_grad():
        inputs = x.detach().requires_grad_()
        loss = -(target * log_softmax(network(inputs).float(), dim=1)).sum()
        (gradient,) = torch.autograd.grad(loss, inputs)
    return x.detach() + epsilon * gradient.sign()
