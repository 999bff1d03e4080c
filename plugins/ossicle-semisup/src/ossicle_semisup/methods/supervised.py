"""Learning from the labelled clips alone, with or without mixup: the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from ossicle.protocols import StepOutput, View
from ossicle_semisup.methods.base import MakeNetwork, Method
from ossicle_semisup.mixing import Mixup
from ossicle_semisup.probability import cross_entropy
from ossicle_semisup.ramps import Progress


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
        self._mix = Mixup(alpha=mixup_alpha, per_example=False)

    def loss(self, batch: Mapping[str, Tensor], *, draw: torch.Generator, progress: Progress) -> StepOutput:
        """Return the cross-entropy, of mixed clips where asked for."""
        x, y = batch["labeled"], batch["labeled/targets"]
        if self._mix.alpha:
            x, y = self._mix(x, y, draw=draw)
        loss = cross_entropy(self.student(x).float(), y).mean()
        return StepOutput(loss, {"labeled": loss.detach()})
