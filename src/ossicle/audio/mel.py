"""Mel front ends that carry their settings: HiFi-GAN's and Vocos's, which have one shape and different meanings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ossicle.audio.filterbank import Scale, mel_filter_bank
from ossicle.errors import AudioError, ConfigError, MelError


@dataclass(frozen=True, kw_only=True)
class MelSettings:
    """Everything that decides what a natural-log mel spectrogram means.

    Parameters
    ----------
    sample_rate, n_fft, hop_length, win_length
        In Hz and samples; a window shorter than `n_fft` is centred in its frame.
    n_mels, fmin, fmax
        Number of mels and their range in Hz; `fmax` None means half the sampling rate.
    scale, area_norm
        Spacing of the filters, and whether each is divided by its width (see `mel_filter_bank`).
    padding
        ``"same"``: reflect (n_fft - hop_length) // 2 samples at both ends, so T = N // hop_length.
        ``"center"``: reflect n_fft // 2, so T = N // hop_length + 1.
    magnitude_offset
        Added to the squared magnitude before its root.
    floor
        Smallest mel magnitude; smaller ones are raised to it before the logarithm.
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    win_length: int
    n_mels: int
    fmin: float = 0.0
    fmax: float | None = None
    scale: Scale = "slaney"
    area_norm: bool = True
    padding: Literal["same", "center"] = "same"
    magnitude_offset: float = 1e-9
    floor: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "hop_length", "win_length", "n_mels"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"mel setting {name} is {value!r}", why="it must be a whole number of at least 1")
        if self.win_length > self.n_fft:
            raise ConfigError(f"win_length {self.win_length} is longer than n_fft {self.n_fft}")
        if self.padding == "same" and self.hop_length > self.n_fft:
            raise ConfigError(f"hop_length {self.hop_length} is longer than n_fft {self.n_fft}")
        if not 0 <= self.fmin < self.upper_frequency <= self.sample_rate / 2:
            raise ConfigError(
                f"mel range {self.fmin} to {self.upper_frequency} Hz does not fit {self.sample_rate} Hz",
                why="it must lie between 0 and half the sampling rate",
                hint="set fmax to None for half the sampling rate",
            )

    @property
    def upper_frequency(self) -> float:
        """The upper end of the mel range in Hz."""
        return self.sample_rate / 2 if self.fmax is None else float(self.fmax)

    @classmethod
    def hifigan(
        cls,
        *,
        sample_rate: int = 22050,
        n_fft: int = 1024,
        hop_length: int = 256,
        win_length: int | None = None,
        n_mels: int = 80,
        fmin: float = 0.0,
        fmax: float | None = 8000.0,
    ) -> MelSettings:
        """Return the analysis of HiFi-GAN, iSTFTNet and BigVGAN; `win_length` None means `n_fft`.

        With `fmax` None it is the analysis of HiFi-GAN's mel loss.
        """
        return cls(
            sample_rate=sample_rate,
            n_fft=n_fft,
            hop_length=hop_length,
            win_length=n_fft if win_length is None else win_length,
            n_mels=n_mels,
            fmin=fmin,
            fmax=fmax,
        )

    @classmethod
    def vocos(
        cls,
        *,
        sample_rate: int = 24000,
        n_fft: int = 1024,
        hop_length: int = 256,
        n_mels: int = 100,
        padding: Literal["same", "center"] = "center",
    ) -> MelSettings:
        """Return the analysis of Vocos: HTK spacing, no area norm, centred frames, floor 1e-7."""
        return cls(
            sample_rate=sample_rate,
            n_fft=n_fft,
            hop_length=hop_length,
            win_length=n_fft,
            n_mels=n_mels,
            scale="htk",
            area_norm=False,
            padding=padding,
            magnitude_offset=0.0,
            floor=1e-7,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MelSettings:
        """Build settings from `to_dict`'s form; unknown keys are a `ConfigError`."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"unknown mel settings: {', '.join(unknown)}", hint=f"known: {', '.join(sorted(known))}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError("mel settings are incomplete", why=str(error)) from error

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, ready for JSON or TOML; None is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def frames(self, n_samples: int) -> int:
        """Return the number of frames of `n_samples` samples."""
        if self.padding == "center":
            return n_samples // self.hop_length + 1
        padded = n_samples + 2 * ((self.n_fft - self.hop_length) // 2)
        return max(0, (padded - self.n_fft) // self.hop_length + 1)

    def padded(self, n_samples: int) -> int:
        """Return the smallest length from `n_samples` up that can be analysed and whose frames leave no sample over."""
        least = max(n_samples, self.n_fft)
        return -(-least // self.hop_length) * self.hop_length

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in asdict(self).items())


def check_same(wanted: MelSettings, found: MelSettings, *, wanted_by: str, found_in: str) -> None:
    """Raise `MelError`, printing both, unless two analyses mean the same.

    Parameters
    ----------
    wanted, found
        The settings that must agree.
    wanted_by, found_in
        What they belong to, for the message, such as a vocoder's name and a file.
    """
    differing = [f.name for f in fields(MelSettings) if _meaning(wanted, f.name) != _meaning(found, f.name)]
    if differing:
        raise MelError(
            f"the mels of {found_in} are not those that {wanted_by} takes: {', '.join(differing)} differ",
            why=f"{found_in} has ({found}); {wanted_by} takes ({wanted})",
            hint="analyse the sound again with this vocoder (ossicle mel), or choose a vocoder trained on these settings",
        )


def check_mels(mel: Tensor, n_mels: int, *, taken_by: str, least_frames: int = 1) -> None:
    """Raise `MelError` unless a vocoder can take a batch: (B, n_mels, T), at least one row, finite.

    Parameters
    ----------
    mel, n_mels
        The batch, and how many mels a frame must have.
    taken_by
        The vocoder's name, for the message.
    least_frames
        The fewest frames that it takes.
    """
    if mel.dim() != 3 or mel.shape[1] != n_mels:
        transposed = mel.dim() == 3 and mel.shape[2] == n_mels
        raise MelError(
            f"the mel has shape {tuple(mel.shape)}",
            why=f"{taken_by} takes (B, {n_mels}, T)",
            hint="it looks transposed: mel.transpose(1, 2)"
            if transposed
            else "analyse the sound with this vocoder's mel()",
        )
    if mel.shape[0] == 0:
        raise MelError(f"the mel has shape {tuple(mel.shape)}", why="the batch is empty")
    if mel.shape[2] < least_frames:
        raise MelError(
            f"the mel has shape {tuple(mel.shape)}",
            why=f"there must be at least {'one frame' if least_frames == 1 else f'{least_frames} frames'}",
        )
    if not bool(torch.isfinite(mel).all()):
        bad = int((~torch.isfinite(mel)).sum())
        raise MelError("the mel holds values that are not numbers", why=f"{bad} are NaN or infinite")


def _meaning(settings: MelSettings, name: str) -> Any:
    return settings.upper_frequency if name == "fmax" else getattr(settings, name)


class MelFrontEnd(nn.Module):
    """Analyse sound into natural-log mels.

    Source: Kong, Kim and Bae, "HiFi-GAN" (2020), as its published code does it; Siuzdak, "Vocos" (2023).
    """

    window: Tensor
    bank: Tensor

    def __init__(self, settings: MelSettings) -> None:
        super().__init__()
        self.settings = settings
        bank = mel_filter_bank(
            sample_rate=settings.sample_rate,
            n_fft=settings.n_fft,
            n_mels=settings.n_mels,
            fmin=settings.fmin,
            fmax=settings.upper_frequency,
            scale=settings.scale,
            area_norm=settings.area_norm,
        )
        self.register_buffer("bank", torch.from_numpy(bank).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(settings.win_length), persistent=False)

    def magnitude(self, wave: Tensor) -> Tensor:
        """Return linear magnitudes (B, n_fft // 2 + 1, T) of samples (B, N)."""
        s = self.settings
        pad = s.n_fft // 2 if s.padding == "center" else (s.n_fft - s.hop_length) // 2
        if wave.dim() != 2:
            raise AudioError(f"samples have shape {tuple(wave.shape)}", why="a mel front end takes (B, N)")
        if wave.shape[1] <= pad or s.frames(wave.shape[1]) < 1:
            raise AudioError(
                f"{wave.shape[1]} samples are too few to analyse",
                why=f"the analysis reflects {pad} samples at each end and moves by {s.hop_length}",
                hint=f"pad the sound with zeros to at least {max(pad + 1, s.hop_length)} samples",
            )
        padded = nn.functional.pad(wave[:, None], (pad, pad), mode="reflect")[:, 0]
        spectrum = torch.stft(
            padded, s.n_fft, s.hop_length, s.win_length, self.window, center=False, return_complex=True
        )
        parts = torch.view_as_real(spectrum)
        return torch.sqrt(parts.square().sum(-1) + s.magnitude_offset)

    def forward(self, wave: Tensor) -> Tensor:
        """Return log-mels (B, M, T) of samples (B, N); values are at least log(floor).

        Raises
        ------
        AudioError
            If the shape is not (B, N) or there are too few samples for the padding.
        """
        mel = torch.matmul(self.bank, self.magnitude(wave))
        return torch.log(torch.clamp(mel, min=self.settings.floor))

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        return str(self.settings)
