"""Presets of the autoencoder detector: the published settings, and those that work without labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from ossicle_outliers.errors import SettingError
from ossicle_outliers.training import Training


@dataclass(frozen=True)
class Preset:
    """What a detector does where its user has no wish.

    Parameters
    ----------
    alpha, beta
        Weights of bias and uncertainty in the score; training has both at one.
    variance_floor
        Added to every variance. At 1e-5 well-fitted columns reach the floor, and whatever is divided by their
        variance drowns all else.
    shift_steps
        Mean-shift steps of the rows that the reconstruction is compared with; 0: the rows themselves.
    neighbors
        k, the row itself among them; fewer where there are fewer rows.
    reference_size
        Rows drawn as the sample that all are shifted among, or ``all``.
    reference_draws
        Samples drawn, each by itself; what they give is averaged. Where the sample is all rows, there is one.
    distance_weight
        Share of distances in the score, from 0 to 1, the rest is the network's; without a shift there is none.
    neighbor_share
        Share of those distances that is the distance to the k-th nearest row of the samples, from 0 to 1; the rest is the distance
        between a row and its shifted self.
    tail_from
        Interquartile ranges from the median beyond which a column grows by the logarithm alone; 0: nowhere.
    scale_offset
        Added to standard deviations in standardising, as published.
    training
        How long and in what portions.
    """

    alpha: float
    beta: float
    variance_floor: float
    shift_steps: int
    neighbors: int
    reference_size: int | str
    reference_draws: int
    distance_weight: float
    neighbor_share: float
    tail_from: float
    scale_offset: float
    training: Training = field(default_factory=Training)


PRESETS = {
    "paper": Preset(
        alpha=0.5,
        beta=2.0,
        variance_floor=1e-5,
        shift_steps=1,
        neighbors=20,
        reference_size="all",
        reference_draws=1,
        distance_weight=0.0,
        neighbor_share=0.0,
        tail_from=0.0,
        scale_offset=1e-5,
        training=Training(epochs=1000),
    ),
    "default": Preset(
        alpha=0.5,
        beta=2.0,
        variance_floor=0.3,
        shift_steps=1,
        neighbors=10,
        reference_size=256,
        reference_draws=3,
        distance_weight=0.75,
        neighbor_share=0.5,
        tail_from=10.0,
        scale_offset=0.0,
        training=Training(epochs=1_000_000, steps=150, batch_size=128, learning_rate=3e-3, held_out=0.1, looks=15),
    ),
}
"""By name. The published protocol also chooses k, epoch and seed by labels, which no preset can."""


def preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises
    ------
    SettingError
        If there is none.
    """
    if name not in PRESETS:
        raise SettingError(f"there is no preset {name!r}", hint=f"use one of: {', '.join(PRESETS)}")
    return PRESETS[name]
