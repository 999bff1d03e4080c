"""Learning from the labelled clips alone, with or without mixup: the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from ossicle.protocols import StepOutput, View
from ossicle_semisup.kernels.mixup import mix
from ossicle_semisup.methods.base import Factor, MakeNetwork, Method, require
from ossicle_semisup.mixing import draw_weights
from ossicle_semisup.probability import cross_entropy


class Supervised(Method):
    """Cross-entropy on the labelled clips.

    Parameters
    ----------
    strength
        How they are augmented.
    mixup_alpha
        Mix each batch with its own shuffle by Beta(alpha, alpha); 0 does not. The paper's is 0.4.
    """

    def __init__(
        self,
        make_network: MakeNetwork,
        *,
        classes: int,
        seed: int = 0,
        strength: Literal["none", "weak", "strong"] = "weak",
        mixup_alpha: float = 0.0,
    ) -> None:
        super().__init__(make_network, classes=classes, seed=seed)
        self.views = (View("labeled", "labeled", strength),)
        require(mixup_alpha >= 0, "mixup's alpha must be at least 0")
        self._alpha = mixup_alpha

    def draws(self, rows: Mapping[str, int], draw: torch.Generator) -> dict[str, Tensor]:
        """Return one weight for all, and partners."""
        if not self._alpha:
            return {}
        count = rows["labeled"]
        weights = draw_weights(count, self._alpha, draw, keep_first=False, per_example=False)
        return {"weights": weights, "partners": torch.randperm(count, generator=draw)}

    def compute(
        self, batch: Mapping[str, Tensor], drawn: Mapping[str, Tensor], factors: Mapping[str, Factor]
    ) -> StepOutput:
        """Return the cross-entropy, of mixed clips where asked for."""
        x, y = batch["labeled"], batch["labeled/targets"]
        if drawn:
            x, y = mix(x, y, drawn["weights"], drawn["partners"])
        loss = cross_entropy(self.student(x).float(), y).mean()
        return StepOutput(loss, {"labeled": loss.detach()})
