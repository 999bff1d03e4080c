"""Corruptions by noise at a signal-to-noise ratio: white, pink, surroundings, other talkers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ossicle_unmix_tns.corruptions.base import Corruption, active_rms, randn, rms
from ossicle_unmix_tns.corruptions.recordings import Recordings
from ossicle_unmix_tns.corruptions.spectrum import shape_spectrum
from ossicle_unmix_tns.corruptions.synthetic import surroundings, talker

_TALKERS = (3, 7)


class AddedNoise(Corruption):
    """Noise at a ratio of levels: that of the clip's active frames to the noise's; silent clips stay silent."""

    grid = (20, 15, 10, 5, 0)
    unit = "dB signal-to-noise ratio"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Add."""
        noise = self.noise(wave, sample_rate, keys, draws)
        wanted = active_rms(wave, sample_rate) * 10 ** (-self.setting(severity) / 20)
        return wave + noise * (wanted / rms(noise).clamp(min=1e-9))

    def noise(self, wave: Tensor, sample_rate: int, keys: Sequence[str], draws: Sequence[torch.Generator]) -> Tensor:
        """Return noise (B, N) at any level, for clips (B, N)."""
        raise NotImplementedError


class WhiteNoise(AddedNoise):
    """Gaussian noise, the same power at every frequency."""

    name = "white-noise"

    def noise(self, wave: Tensor, sample_rate: int, keys: Sequence[str], draws: Sequence[torch.Generator]) -> Tensor:
        """Draw it."""
        return randn(draws, wave.shape[1], wave)


class PinkNoise(AddedNoise):
    """Gaussian noise whose power falls as one over the frequency, from 20 Hz on."""

    name = "pink-noise"

    def noise(self, wave: Tensor, sample_rate: int, keys: Sequence[str], draws: Sequence[torch.Generator]) -> Tensor:
        """Shape white noise."""
        white = randn(draws, wave.shape[1], wave)
        return shape_spectrum(white, sample_rate, lambda hz: hz.clamp(min=20.0).rsqrt())


class Environment(AddedNoise):
    """What else is heard: recordings of a folder, or synthetic surroundings (hum, wind, rain, an engine) where there is none.

    Parameters
    ----------
    folder, pattern
        Sound files below a folder.
    other_than
        A regular expression with one group, matched against a clip's key and the recordings' names: recordings whose group
        equals the clip's are not used for it, such as those of its own class.
    """

    name = "environment"

    def __init__(self, *, folder: str | Path | None = None, pattern: str = "*", other_than: str | None = None) -> None:
        self._recordings = Recordings(folder, pattern, other_than) if folder is not None else None

    def noise(self, wave: Tensor, sample_rate: int, keys: Sequence[str], draws: Sequence[torch.Generator]) -> Tensor:
        """Take a stretch of one recording for each clip."""
        total = wave.shape[1]
        if self._recordings is None:
            rows = [surroundings(total, sample_rate, draw) for draw in draws]
        else:
            rows = [self._recordings.stretch(total, sample_rate, k, d) for k, d in zip(keys, draws, strict=True)]
        return torch.stack(rows).to(wave.device)


class Babble(AddedNoise):
    """Three to seven other talkers: recordings of speech in a folder, or synthetic voices where there is none.

    Parameters
    ----------
    folder, pattern, other_than
        As in `Environment`; each talker goes from one recording to the next.
    """

    name = "babble"

    def __init__(self, *, folder: str | Path | None = None, pattern: str = "*", other_than: str | None = None) -> None:
        self._recordings = Recordings(folder, pattern, other_than) if folder is not None else None

    def noise(self, wave: Tensor, sample_rate: int, keys: Sequence[str], draws: Sequence[torch.Generator]) -> Tensor:
        """Sum talkers of equal level."""
        total = wave.shape[1]
        rows = []
        for key, draw in zip(keys, draws, strict=True):
            count = int(torch.randint(_TALKERS[0], _TALKERS[1] + 1, (), generator=draw))
            if self._recordings is None:
                voices = [talker(total, sample_rate, draw) for _ in range(count)]
            else:
                voices = [self._recordings.run_on(total, sample_rate, key, draw) for _ in range(count)]
            together = torch.stack(voices)
            rows.append((together / rms(together).clamp(min=1e-9)).sum(dim=0))
        return torch.stack(rows).to(wave.device)
