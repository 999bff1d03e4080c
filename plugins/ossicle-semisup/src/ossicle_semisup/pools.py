"""Pools of augmentations: each row gets one of them, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ossicle.audio.log_mel import LogMel
from ossicle_semisup.augmentation import CutOut, Occlusion, Stretch
from ossicle_semisup.methods.base import require


@dataclass(frozen=True)
class Pool:
    """One of several augmentations a row, drawn evenly, and applied with a probability.

    Parameters
    ----------
    augmentations
        Components of the kind ``augmentation``.
    probability
        That the one drawn is applied.
    """

    augmentations: Sequence[Any]
    probability: float = 1.0

    def __post_init__(self) -> None:
        require(0 <= self.probability <= 1, f"probability {self.probability} lies outside [0, 1]")


def weak_pool() -> Pool:
    """Return the paper's weak pool."""
    return Pool((Occlusion(share=(0.0, 0.25)), Stretch(rate=(0.5, 1.5)), CutOut(share=(0.1, 0.5))), 0.5)


def strong_pool(strength: float = 1.0) -> Pool:
    """Return the paper's strong pool at strength 1; at less it comes nearer to the weak pool's ranges.

    Half of the way, cut-outs are of 0.3 to 0.75 of either axis: whole short words vanish under the paper's 0.5 to 1.
    """
    require(0 <= strength <= 1, f"strength {strength} lies outside [0, 1]")

    def between(weak: float, strong: float) -> float:
        return weak + strength * (strong - weak)

    return Pool(
        (
            Occlusion(share=(0.0, between(0.25, 0.75))),
            Stretch(rate=(between(0.5, 0.25), between(1.5, 1.75))),
            CutOut(share=(between(0.1, 0.5), between(0.5, 1.0))),
        )
    )


def augmented(wave: Tensor, decibels: Tensor, pool: Pool | None, front_end: LogMel, draw: torch.Generator) -> Tensor:
    """Return log-mels in dB (B, M, T) of a view.

    Only rows whose waveform changes are analysed anew, and of those the frames that do; the others start from the
    log-mels at hand.

    Parameters
    ----------
    wave, decibels
        Clips (B, N), and their log-mels in dB (B, M, T) as they are.
    pool
        None changes nothing.
    """
    if pool is None or not pool.augmentations:
        return decibels
    choice = torch.randint(len(pool.augmentations), (len(wave),), generator=draw)
    applied = torch.rand(len(wave), generator=draw) < pool.probability
    out = decibels.clone()
    rows = {n: torch.nonzero(applied & (choice == n))[:, 0].to(wave.device) for n in range(len(pool.augmentations))}
    changed = []
    for n, augmentation in enumerate(pool.augmentations):
        if augmentation.domain == "waveform" and len(rows[n]):
            before = wave[rows[n]]
            changed.append((rows[n], before, augmentation(before, draw=draw)))
    if changed:
        at, known, anew = (torch.cat(parts) for parts in zip(*changed, strict=True))
        out[at] = front_end(anew, known=(known, decibels[at]))
    for n, augmentation in enumerate(pool.augmentations):
        if augmentation.domain == "log-mel" and len(rows[n]):
            out[rows[n]] = augmentation(out[rows[n]], draw=draw)
    return out
