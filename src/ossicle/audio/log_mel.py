"""The front end of audio classifiers: clips of one length to log-mels in dB, in batches on any device."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ossicle.audio.filterbank import mel_filter_bank
from ossicle.errors import AudioError, ConfigError

_FLOOR = 1e-10
_SPECTRUM_VALUES = 2**17
"""Spectrum values at once on a CPU: larger temporaries leave the cache and cost more than twice the time."""
_SAMPLES = 2**20
"""Samples of clips with their edges reflected at once."""
_FEWEST_FRAMES = 8
"""Frames at once, at least: products of fewer rows are rounded in another way."""
_LARGEST = 2**26
"""Values of a clip, of its spectrum or its log-mel: settings come from files, and one that asks for terabytes is refused."""


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
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"log-mel setting {name} is {value!r}", why="it must be a whole number of at least 1")
        if self.n_fft % 2:
            raise ConfigError(f"n_fft is {self.n_fft}", why="frames are centred, so it must be even")
        if self.n_fft // 2 >= self.n_samples:
            raise ConfigError(f"clips of {self.n_samples} samples are too short for an FFT of {self.n_fft}")
        bins = self.n_fft // 2 + 1
        if max(self.n_samples, self.frames * bins, self.frames * self.n_mels, self.n_mels * bins) > _LARGEST:
            raise ConfigError(
                f"clips of {self.n_samples} samples, {self.frames} frames, {bins} bins and {self.n_mels} mels are too large",
                why=f"no product of two may exceed {_LARGEST:,}",
                hint="shorten the clips, or take a longer hop",
            )
        for name in ("mean_db", "scale_db"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ConfigError(f"log-mel setting {name} is {value!r}", why="it must be a finite number")
        if self.scale_db <= 0:
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
        self._silence = float(torch.full((64,), _FLOOR).log10_().mul_(10)[0])

    @torch.no_grad()
    def forward(self, wave: Tensor, *, known: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return log-mels in dB.

        Parameters
        ----------
        wave
            Clips (B, n_samples).
        known
            Other clips (B, n_samples) and their log-mels (B, M, T). A CPU takes the frames that both have in common from
            there, to the same bits; other devices analyse every frame.

        Raises
        ------
        AudioError
            If the shape is not (B, n_samples).
        """
        s = self.settings
        for clips in (wave,) if known is None else (wave, known[0]):
            if clips.dim() != 2 or clips.shape[1] != s.n_samples or len(clips) != len(wave):
                why = f"the front end takes (B, {s.n_samples})"
                raise AudioError(f"clips have shape {tuple(clips.shape)}", why=why)
        if wave.device.type != "cpu":
            half = s.n_fft // 2
            padded = nn.functional.pad(wave[:, None], (half, half), mode="reflect")[:, 0]
            frames = padded.unfold(1, s.n_fft, s.hop_length) * self.window
            return self._decibels(frames).transpose(1, 2).contiguous()
        return self._forward_cpu(wave, known)

    def _decibels(self, frames: Tensor) -> Tensor:
        """Return (..., M) of windowed frames (..., n_fft)."""
        squares = torch.view_as_real(torch.fft.rfft(frames)).square_()
        power = squares[..., 0] + squares[..., 1]
        return (power @ self.bank).clamp_(min=_FLOOR).log10_().mul_(10)

    def _forward_cpu(self, wave: Tensor, known: tuple[Tensor, Tensor] | None) -> Tensor:
        """Analyse the frames that are neither silent nor known, some at a time, whichever clips they are of."""
        s = self.settings
        silent, wanted = _sort_frames(s, wave, None if known is None else known[0])
        if known is None:
            out = wave.new_full((len(wave), s.frames, s.n_mels), self._silence)
        else:
            out = known[1].transpose(1, 2).clone(memory_format=torch.contiguous_format)
            out.masked_fill_(silent[..., None], self._silence)
        at_once = max(_FEWEST_FRAMES, _SPECTRUM_VALUES // (s.n_fft // 2 + 1))
        # Clips lie one behind the other, each at a whole number of hops: so one index says which frame.
        hop = min(s.hop_length, s.n_samples + s.n_fft)
        hops = -(-(s.n_samples + s.n_fft) // hop)
        together = max(1, _SAMPLES // (hops * hop))
        for clips, part, target in zip(*(x.split(together) for x in (wave, wanted, out)), strict=True):
            rows, places = torch.nonzero(part, as_tuple=True)
            if not len(rows):
                continue
            frames = self._padded(clips, hops * hop).view(-1).unfold(0, s.n_fft, hop)
            froms, tos = rows * hops + places, rows * s.frames + places
            for at, to in zip(froms.split(at_once), tos.split(at_once), strict=True):
                few = max(0, _FEWEST_FRAMES - len(at))
                chosen = frames.index_select(0, nn.functional.pad(at, (0, few))).mul_(self.window)
                target.view(-1, s.n_mels).index_copy_(0, to, self._decibels(chosen)[: len(to)])
        return out.transpose(1, 2).contiguous()

    def _padded(self, wave: Tensor, length: int) -> Tensor:
        """Return clips with reflected edges, and zeros behind them up to a length."""
        s = self.settings
        half, end = s.n_fft // 2, s.n_fft // 2 + s.n_samples
        out = wave.new_empty(len(wave), length)
        out[:, half:end] = wave
        out[:, :half] = wave[:, 1 : half + 1].flip(1)
        out[:, end : end + half] = wave[:, -1 - half : -1].flip(1)
        out[:, end + half :] = 0
        return out

    def standardize(self, decibels: Tensor) -> Tensor:
        """Return what the network gets, (B, 1, M, T), of log-mels in dB (B, M, T)."""
        return ((decibels - self.settings.mean_db) / self.settings.scale_db)[:, None]


def fit_length(wave: Tensor, n_samples: int) -> Tensor:
    """Return clips (B, N) cut or padded with zeros at the end to (B, n_samples)."""
    return nn.functional.pad(wave[:, :n_samples], (0, max(0, n_samples - wave.shape[1])))


def _sort_frames(s: LogMelSettings, wave: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return which frames are silent though they were not known to be, and which must be analysed, (B, T) each."""
    samples = wave.detach().numpy()
    sounding = [row.tobytes() for row in samples != 0]
    heard = _runs(sounding)
    differs = np.array([0, s.n_samples]).repeat(len(wave)).reshape(2, -1, 1)
    if known is not None:
        differs = _runs([row.tobytes() for row in samples != known.detach().numpy()])
    at = np.arange(s.frames) * min(s.hop_length, s.n_samples + s.n_fft)
    # Reflected edges reach one sample further than a frame does.
    begins, ends = at - s.n_fft // 2 - 1, at + s.n_fft // 2 + 1

    def touches(runs: np.ndarray) -> np.ndarray:
        return (runs[0] < runs[1]) & (runs[0] < ends) & (begins < runs[1])

    # Where the whole of a clip's change is silent, so are the frames that see nothing else.
    silenced = np.array(
        [row.find(1, *run) < 0 for row, run in zip(sounding, differs[..., 0].T.tolist(), strict=True)], bool
    )
    within = ((begins >= differs[0]) | (differs[0] == 0)) & ((ends <= differs[1]) | (differs[1] == s.n_samples))
    touched = touches(differs)
    silent = touched & (~touches(heard) | (within & silenced[:, None]))
    return torch.from_numpy(silent), torch.from_numpy(touched & ~silent)


def _runs(marks: list[bytes]) -> np.ndarray:
    """Return where the first 1 of each row is and what lies behind the last, (2, B, 1); zeros where there is none."""
    firsts, stops = [max(0, row.find(1)) for row in marks], [row.rfind(1) + 1 for row in marks]
    return np.array([firsts, stops], np.int64)[..., None]
