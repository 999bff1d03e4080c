"""Weights that grow and learning rates that fall over a run; t is the share of it that is over, in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ossicle.errors import ConfigError


@dataclass(frozen=True)
class Progress:
    """Where a run stands: `step` of `steps`, from zero."""

    step: int
    steps: int


def linear(t: float) -> float:
    """Return t, held at 1 from there on (Berthelot et al., "MixMatch", 2019)."""
    return min(1.0, max(0.0, t))


def exponential(t: float) -> float:
    """Return exp(-5 (1 - t)^2), held at 1 from t = 1 on (Laine and Aila, "Temporal ensembling", 2017)."""
    return math.exp(-5.0 * (1.0 - min(1.0, max(0.0, t))) ** 2)


def cosine_7_16(t: float) -> float:
    """Return cos(7 pi t / 16), which ends at a fifth (Sohn et al., "FixMatch", 2020)."""
    return math.cos(7 * math.pi / 16 * t)


def half_cosine(t: float) -> float:
    """Return (1 + cos(pi t)) / 2, which ends at zero (Cances et al., 2022)."""
    return 0.5 * (1 + math.cos(math.pi * t))


RAMPS: dict[str, Callable[[float], float]] = {"linear": linear, "exponential": exponential, "none": lambda t: 1.0}
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine-7-16": cosine_7_16,
    "half-cosine": half_cosine,
    "constant": lambda t: 1.0,
}


@dataclass(frozen=True)
class Ramp:
    """A weight's growth: its shape, over a number of steps or a share of the run.

    Parameters
    ----------
    shape
        ``linear``, ``exponential`` or ``none``.
    share
        Share of the run after which it is at 1; used where `steps` is None.
    steps
        Number of steps after which it is at 1, whatever the run's length. The published 16,000 steps are more than a run
        on ESC-10 has: there the weight ends at 0.17.
    """

    shape: str = "none"
    share: float = 1.0
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.shape not in RAMPS:
            raise ConfigError(f"no ramp is called {self.shape!r}", hint=f"use one of {', '.join(RAMPS)}")
        if not 0 < self.share <= 1 or (self.steps is not None and self.steps < 1):
            raise ConfigError("a ramp's share must lie in (0, 1] and its steps be at least 1")

    def at(self, progress: Progress) -> float:
        """Return the factor at a step."""
        length = self.share * progress.steps if self.steps is None else float(self.steps)
        return RAMPS[self.shape](progress.step / max(length, 1e-9))
