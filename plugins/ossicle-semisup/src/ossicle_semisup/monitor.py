"""Watches the guesses that a method trains on: how many count, how many are right, whether one class swallows all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_WINDOW = 100


class GuessMonitor:
    """Counts guesses against the labels that the method does not see.

    Parameters
    ----------
    classes
        K.
    steps
        Of the whole run: warnings come after its first tenth, the table is of its last tenth.
    """

    def __init__(self, classes: int, steps: int) -> None:
        self._steps = steps
        self._table = torch.zeros(classes, classes, dtype=torch.int64)
        self._recent = torch.zeros(_WINDOW, classes + 1, dtype=torch.float64)
        self.warnings: list[str] = []

    @property
    def table(self) -> Tensor:
        """Guesses that counted in the last tenth of the run: rows are true classes, columns guesses, (K, K)."""
        return self._table

    def see(self, step: int, guesses: Tensor, mask: Tensor | None, labels: Tensor) -> dict[str, float]:
        """Take a step's guesses (U, K), which of them counted (U,), and the true labels (U,), -1 where not known."""
        guessed = guesses.argmax(dim=1).cpu()
        counted = torch.ones(len(guessed), dtype=torch.bool) if mask is None else mask.cpu() > 0
        known = counted & (labels >= 0)
        if step >= 0.9 * self._steps:
            flat = labels[known] * len(self._table) + guessed[known]
            self._table += torch.bincount(flat, minlength=self._table.numel()).view_as(self._table)
        row = torch.bincount(guessed[counted], minlength=len(self._table)).double()
        self._recent[step % _WINDOW] = torch.cat([row, torch.tensor([len(guessed) * 1.0])])
        if step >= max(0.1 * self._steps, _WINDOW):
            self._warn(step)
        right = (guessed[known] == labels[known]).double()
        return {"guess_accuracy": float(right.mean())} if len(right) else {}

    def _warn(self, step: int) -> None:
        by_class, seen = self._recent[:, :-1].sum(dim=0), float(self._recent[:, -1].sum())
        counted = float(by_class.sum())
        if counted < 0.01 * seen:
            self._once(
                step,
                "fewer than 1 % of the guesses count: the unlabelled loss does nothing; lower the threshold or train longer",
            )
        elif float(by_class.max()) > 0.9 * counted and len(by_class) > 1:
            self._once(
                step,
                f"class {int(by_class.argmax())} is guessed for more than 90 % of the unlabelled clips: the run has collapsed",
            )

    def _once(self, step: int, text: str) -> None:
        if not any(text in warning for warning in self.warnings):
            self.warnings.append(f"at step {step}: {text}")

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"table": self._table.clone(), "recent": self._recent.clone(), "warnings": list(self.warnings)}

    def load(self, state: dict[str, Any]) -> None:
        """Take what `state` gave."""
        self._table, self._recent = state["table"].cpu(), state["recent"].cpu()
        self.warnings = list(state["warnings"])
