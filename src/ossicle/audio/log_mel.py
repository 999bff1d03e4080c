"""The front end of audio classifiers: clips of one length to log-mels in dB, in batches on any device."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.audio.filterbank import mel_filter_bank
from ossicle.errors import AudioError, ConfigError

_FLOOR = 1e-10
_SPECTRUM_VALUES = 2**18
"""Spectrum values at once on a CPU: larger temporaries leave the cache and cost more than twice the time."""


@dataclass(frozen=True, kw_only=True)
class LogMelSettings:
    """Everything that decides what a classifier hears.

    Parameters
    ----------
    sample_rate, n_fft, hop_length, n_mels
        In Hz and samples; a periodic Hann window as long as the FFT, centred frames, HTK mels from 0 to half the rate,
        power, 10 log10 with floor 1e-10: torchaudio's defaults, as in Cances et al. (2022), section 3.
    n_samples
        Length of every clip: longer ones are cut, shorter ones padded with zeros.
    mean_db, scale_db
        What the network gets is (dB - mean_db) / scale_db; 0 and 1 leave dB as they are.
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    n_mels: int
    n_samples: int
    mean_db: float = 0.0
    scale_db: float = 1.0

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "hop_length", "n_mels", "n_samples"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"log-mel setting {name} is {value!r}", why="it must be a whole number of at least 1")
        if self.n_fft // 2 >= self.n_samples:
            raise ConfigError(f"clips of {self.n_samples} samples are too short for an FFT of {self.n_fft}")
        if not self.scale_db > 0:
            raise ConfigError(f"scale_db is {self.scale_db}", why="it must be above 0")

    @property
    def frames(self) -> int:
        """Frames a clip, T."""
        return self.n_samples // self.hop_length + 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LogMelSettings:
        """Return settings of plain values.

        Raises
        ------
        ConfigError
            If a name is missing or not known.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"log-mel settings that are not known: {', '.join(unknown)}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError("log-mel settings are incomplete", why=str(error)) from error


class LogMel(nn.Module):
    """Clips (B, n_samples) in [-1, 1] to log-mels in dB (B, M, T), float32."""

    window: Tensor
    bank: Tensor

    def __init__(self, settings: LogMelSettings) -> None:
        super().__init__()
        self.settings = s = settings
        bank = mel_filter_bank(
            sample_rate=s.sample_rate,
            n_fft=s.n_fft,
            n_mels=s.n_mels,
            fmin=0.0,
            fmax=s.sample_rate / 2,
            scale="htk",
            area_norm=False,
        )
        self.register_buffer("window", torch.hann_window(s.n_fft), persistent=False)
        self.register_buffer("bank", torch.from_numpy(bank).float().T.contiguous(), persistent=False)

    @torch.no_grad()
    def forward(self, wave: Tensor) -> Tensor:
        """Return log-mels in dB.

        Raises
        ------
        AudioError
            If the shape is not (B, n_samples).
        """
        s = self.settings
        if wave.dim() != 2 or wave.shape[1] != s.n_samples:
            raise AudioError(f"clips have shape {tuple(wave.shape)}", why=f"the front end takes (B, {s.n_samples})")
        out = wave.new_empty(len(wave), s.n_mels, s.frames)
        per_clip = s.frames * (s.n_fft // 2 + 1)
        at_once = max(1, _SPECTRUM_VALUES // per_clip) if wave.device.type == "cpu" else max(len(wave), 1)
        for part, target in zip(wave.split(at_once), out.split(at_once), strict=True):
            padded = nn.functional.pad(part[:, None], (s.n_fft // 2, s.n_fft // 2), mode="reflect")[:, 0]
            spectrum = torch.fft.rfft(padded.unfold(1, s.n_fft, s.hop_length) * self.window)
            power = spectrum.real.square() + spectrum.imag.square()
            decibels = 10 * torch.log10((power @ self.bank).clamp(min=_FLOOR))
            target.copy_(decibels.transpose(1, 2))
        return out

    def standardize(self, decibels: Tensor) -> Tensor:
        """Return what the network gets, (B, 1, M, T), of log-mels in dB (B, M, T)."""
        return ((decibels - self.settings.mean_db) / self.settings.scale_db)[:, None]


def fit_length(wave: Tensor, n_samples: int) -> Tensor:
    """Return clips (B, N) cut or padded with zeros at the end to (B, n_samples)."""
    return nn.functional.pad(wave[:, :n_samples], (0, max(0, n_samples - wave.shape[1])))
