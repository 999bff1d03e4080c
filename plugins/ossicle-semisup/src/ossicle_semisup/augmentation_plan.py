"""Pools with fixed shapes: every row has parameters of every augmentation, neutral ones where it is not its turn.

`ossicle_semisup.pools.augmented` picks out the rows that change, as many as chance will have; a recorded graph cannot.
The numbers are drawn on the CPU in the same order from the same generator, so both give the same views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.errors import ConfigError
from ossicle_semisup.augmentation import Planned
from ossicle_semisup.pools import Pool

_DOMAINS = ("waveform", "log-mel")


def draw_plan(pool: Pool | None, count: int, settings: LogMelSettings, draw: torch.Generator) -> dict[str, Tensor]:
    """Return the parameters of a view of so many clips by name, on the CPU.

    Raises
    ------
    ConfigError
        If an augmentation does not draw apart from its work.
    """
    if pool is None or not pool.augmentations:
        return {}
    for one in pool.augmentations:
        if not isinstance(one, Planned):
            raise ConfigError(
                f"{one!r} cannot be part of a graph",
                why="it draws while it works",
                hint="derive it from ossicle_semisup.augmentation.Planned, or train without a graph",
            )
    choice = torch.randint(len(pool.augmentations), (count,), generator=draw)
    applied = torch.rand(count, generator=draw) < pool.probability
    plan = {"waveform changes": torch.zeros(count, dtype=torch.bool)}
    shapes = {"waveform": (settings.n_samples,), "log-mel": (settings.n_mels, settings.frames)}
    for domain in _DOMAINS:
        for n, one in enumerate(pool.augmentations):
            if one.domain != domain:
                continue
            turn = applied & (choice == n)
            parameters = one.neutral(count, shapes[domain])
            if turn.any():
                drawn = one.drawn(int(turn.sum()), shapes[domain], draw)
                for whole, part in zip(parameters, drawn, strict=True):
                    whole[turn] = part
                if domain == "waveform":
                    plan["waveform changes"] |= turn
            plan |= {f"{n}/{k}": parameter for k, parameter in enumerate(parameters)}
    return plan


def apply_plan(
    pool: Pool | None, plan: Mapping[str, Tensor], waves: Callable[[], Tensor], decibels: Tensor, front_end: LogMel
) -> Tensor:
    """Return log-mels in dB (B, M, T) of a view.

    Parameters
    ----------
    plan
        What `draw_plan` gave, on the device.
    waves
        Gives the clips (B, N), called where a waveform may change.
    decibels
        Their log-mels in dB (B, M, T) as they are.
    """

    def changed(x: Tensor, domain: str) -> Tensor:
        for n, one in enumerate(pool.augmentations if pool else ()):
            if one.domain == domain:
                x = one.apply(x, *(value for name, value in plan.items() if name.startswith(f"{n}/")))
        return x

    if changes_waveforms(pool):
        anew = front_end(changed(waves(), "waveform"))
        decibels = torch.where(plan["waveform changes"][:, None, None], anew, decibels)
    return changed(decibels, "log-mel")


def changes_waveforms(pool: Pool | None) -> bool:
    """Return whether a pool has an augmentation of waveforms."""
    return pool is not None and any(one.domain == "waveform" for one in pool.augmentations)
