"""What corruptions share: a draw for every clip, a check of what comes in, and no clipping of what goes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ossicle.errors import AudioError, ConfigError
from ossicle.training.seeds import generator_for

_ACTIVE_DB = 40.0
_FRAME_S = 0.02


class Corruption:
    """A corruption of clips (B, N): subclasses say what it does to them.

    Each clip is changed by its own random numbers, which depend on its key, the type and the severity alone: the same clip is
    changed in the same way in any batch, on any device.
    """

    domain: Literal["waveform"] = "waveform"
    name: ClassVar[str]
    grid: ClassVar[Sequence[float]]
    """The setting at each of the five severities."""
    unit: ClassVar[str]
    """What the grid counts."""

    def __call__(self, wave: Tensor, *, sample_rate: int, severity: int, keys: Sequence[str]) -> Tensor:
        """Return corrupted clips of the same shape; the clips given stay as they are.

        Parameters
        ----------
        wave
            (B, N) float32, nominally in [-1, 1].
        sample_rate
            In Hz.
        severity
            1 (slight) to 5 (hard).
        keys
            B names, one a clip.

        Raises
        ------
        AudioError
            If the shape is not (B, N), there is no sample, or values are not finite.
        ConfigError
            If the severity or the rate is out of range, or there are not B keys.
        """
        if wave.dim() != 2 or wave.shape[1] == 0:
            raise AudioError(
                f"clips have shape {tuple(wave.shape)}",
                why="a corruption takes (B, N), N at least 1",
                hint="mix channels down first: wave.mean(dim=0, keepdim=True)",
            )
        if not wave.is_floating_point() or not bool(torch.isfinite(wave).all()):
            raise AudioError(
                "the clips hold values that are no finite floating-point numbers",
                hint="divide integers by their full scale; leave out clips with NaN or infinite samples",
            )
        if severity not in range(1, 6):
            raise ConfigError(f"severity {severity!r}", why="it is a whole number from 1 (slight) to 5 (hard)")
        if not isinstance(sample_rate, int) or sample_rate < 1:
            raise ConfigError(f"a sampling rate of {sample_rate!r}", why="it is a whole number of Hz, at least 1")
        if isinstance(keys, str) or len(keys) != len(wave):
            raise ConfigError(
                f"{len(keys)} keys for {len(wave)} clips", why="a clip is changed by the random numbers of its key"
            )
        if not len(wave):
            return wave.clone()
        draws = [generator_for(0, self.name, severity, key) for key in keys]
        out = self.change(wave.float(), sample_rate, severity, keys, draws)
        return protect(out, wave.float()).to(wave.dtype)

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Return corrupted clips (B, N) of valid ones; `draws` has a generator on the CPU for each."""
        raise NotImplementedError

    def setting(self, severity: int) -> float:
        """Return the grid's value at a severity."""
        return self.grid[severity - 1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{value:g}' for value in self.grid)} {self.unit})"


def protect(out: Tensor, original: Tensor) -> Tensor:
    """Return clips (B, N) scaled down where their peak is above both full scale and the original's peak."""
    peak = out.abs().amax(dim=1, keepdim=True)
    limit = original.abs().amax(dim=1, keepdim=True).clamp(min=1.0)
    return torch.where(peak > limit, out * (limit / peak.clamp(min=1e-12)), out)


def active_rms(wave: Tensor, sample_rate: int) -> Tensor:
    """Return the root mean square (B, 1) of clips (B, N) over their frames of 20 ms within 40 dB of the loudest.

    Pauses do not count: a short word in a long silence is as loud as the same word alone.
    """
    size = max(1, min(wave.shape[1], round(_FRAME_S * sample_rate)))
    frames = torch.nn.functional.pad(wave, (0, -wave.shape[1] % size)).unflatten(1, (-1, size))
    power = frames.square().mean(dim=2)
    active = power >= power.amax(dim=1, keepdim=True) * 10 ** (-_ACTIVE_DB / 10)
    return ((power * active).sum(dim=1, keepdim=True) / active.sum(dim=1, keepdim=True)).sqrt()


def rms(wave: Tensor) -> Tensor:
    """Return the root mean square (B, 1) of clips (B, N)."""
    return wave.square().mean(dim=1, keepdim=True).sqrt()


def randn(draws: Sequence[torch.Generator], size: int, like: Tensor) -> Tensor:
    """Return standard normal numbers (B, size), a row a generator, on the device of `like`."""
    return torch.stack([torch.randn(size, generator=draw) for draw in draws]).to(like.device)


def rand(draws: Sequence[torch.Generator], size: int, like: Tensor) -> Tensor:
    """Return uniform numbers in [0, 1), (B, size), a row a generator, on the device of `like`."""
    return torch.stack([torch.rand(size, generator=draw) for draw in draws]).to(like.device)
