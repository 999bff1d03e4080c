"""Augmentations in batch: each row changed in its own way, every random number from one explicit generator.

The ranges are those of Cances, Labbé and Pellegrini (2022), section 4, as their code has them.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ossicle_semisup.methods.base import require

Range = tuple[float, float]


def uniform(count: int, low_high: Range, draw: torch.Generator) -> Tensor:
    """Return (count,) numbers drawn evenly from a range."""
    low, high = low_high
    return low + (high - low) * torch.rand(count, generator=draw)


class Occlusion:
    """A stretch of each waveform becomes zero: its share of the length is drawn from `share`, its place is anywhere."""

    domain: ClassVar[Literal["waveform", "log-mel"]] = "waveform"

    def __init__(self, *, share: Range = (0.0, 0.25)) -> None:
        require(0 <= share[0] <= share[1] <= 1, f"occlusion of {share}: the share must lie in [0, 1]")
        self.share = share

    def __call__(self, x: Tensor, *, draw: torch.Generator) -> Tensor:
        """Return waveforms (B, N) of waveforms (B, N)."""
        count, length = x.shape
        starts, sizes = _run(count, length, self.share, draw)
        if x.device.type == "cpu":
            out = x.clone()
            for row, start, size in zip(out.unbind(), starts.tolist(), sizes.tolist(), strict=True):
                row[start : start + size] = 0.0
            return out
        return torch.where(_mask(length, starts, sizes).to(x.device), 0.0, x)

    def __repr__(self) -> str:
        return f"Occlusion(share={self.share})"


class Stretch:
    """Speed and pitch change together: each waveform is read at its own pace, to the nearest sample.

    What grows too long is cropped anywhere; what falls short is padded with zeros on both sides, in random shares.
    """

    domain: ClassVar[Literal["waveform", "log-mel"]] = "waveform"

    def __init__(self, *, rate: Range = (0.5, 1.5)) -> None:
        require(0 < rate[0] <= rate[1], f"stretch by {rate}: the rate must be above 0")
        self.rate = rate

    def __call__(self, x: Tensor, *, draw: torch.Generator) -> Tensor:
        """Return waveforms (B, N) of waveforms (B, N)."""
        count, length = x.shape
        rates = uniform(count, self.rate, draw).double()
        sizes = torch.ceil(length * rates).long()
        room = torch.rand(count, generator=draw, dtype=torch.float64)
        # Positive: zeros before the sound; negative: so many samples are cropped from its start.
        shifts = torch.where(
            sizes <= length, (room * (length - sizes + 1)).long(), -(room * (sizes - length + 1)).long()
        )
        if x.device.type == "cpu":
            return self._row_by_row(x, rates.tolist(), sizes.tolist(), shifts.tolist())
        at = torch.arange(length)[None] - shifts[:, None]
        source = torch.round(at / rates[:, None]).long().clamp(0, length - 1).to(x.device)
        inside = ((at >= 0) & (at < sizes[:, None])).to(x.device)
        return torch.where(inside, x.gather(1, source), 0.0)

    @staticmethod
    def _row_by_row(x: Tensor, rates: list[float], sizes: list[int], shifts: list[int]) -> Tensor:
        """Return what the batch's formula does; a row's places stay in the cache, and none outside are worked out."""
        length = x.shape[1]
        out = torch.zeros_like(x)
        places = torch.arange(max(sizes, default=0), dtype=torch.float64)
        scratch = torch.empty(length, dtype=torch.float64)
        for row, target, rate, size, shift in zip(x, out, rates, sizes, shifts, strict=True):
            first, count = max(0, -shift), min(size, length)
            source = torch.div(places[first : first + count], rate, out=scratch[:count]).round_().clamp_(max=length - 1)
            begin = max(0, shift)
            torch.index_select(row, 0, source.int(), out=target[begin : begin + count])
        return out

    def __repr__(self) -> str:
        return f"Stretch(rate={self.rate})"


class Noise:
    """White noise at a signal-to-noise ratio in dB, relative to each waveform's own power; silence stays silent."""

    domain: ClassVar[Literal["waveform", "log-mel"]] = "waveform"

    def __init__(self, *, snr_db: float = 15.0) -> None:
        self.snr_db = snr_db

    def __call__(self, x: Tensor, *, draw: torch.Generator) -> Tensor:
        """Return waveforms (B, N) of waveforms (B, N)."""
        level = x.square().mean(dim=1, keepdim=True).sqrt() * 10 ** (-self.snr_db / 20)
        return x + level * torch.randn(x.shape, generator=draw).to(x.device, x.dtype)

    def __repr__(self) -> str:
        return f"Noise(snr_db={self.snr_db})"


class CutOut:
    """A rectangle of each log-mel becomes quiet: its sides are shares of both axes, its place is anywhere."""

    domain: ClassVar[Literal["waveform", "log-mel"]] = "log-mel"

    def __init__(self, *, share: Range = (0.1, 0.5), fill_db: float = -80.0) -> None:
        require(0 <= share[0] <= share[1] <= 1, f"cut-out of {share}: the share must lie in [0, 1]")
        self.share, self.fill_db = share, fill_db

    def __call__(self, x: Tensor, *, draw: torch.Generator) -> Tensor:
        """Return log-mels in dB (B, M, T) of log-mels in dB (B, M, T)."""
        count, mels, frames = x.shape
        (lows, heights), (starts, widths) = (_run(count, n, self.share, draw) for n in (mels, frames))
        if x.device.type == "cpu":
            out = x.clone()
            places = (each.tolist() for each in (lows, heights, starts, widths))
            for row, low, height, start, width in zip(out.unbind(), *places, strict=True):
                row[low : low + height, start : start + width] = self.fill_db
            return out
        inside = _mask(mels, lows, heights)[:, :, None] & _mask(frames, starts, widths)[:, None]
        return torch.where(inside.to(x.device), self.fill_db, x)

    def __repr__(self) -> str:
        return f"CutOut(share={self.share}, fill_db={self.fill_db})"


class SpecAugment:
    """Bands of mels and spans of frames become quiet, each up to its width (Park et al., "SpecAugment", 2019)."""

    domain: ClassVar[Literal["waveform", "log-mel"]] = "log-mel"

    def __init__(
        self, *, mels: int = 8, frames: int = 16, bands: int = 2, spans: int = 2, fill_db: float = -80.0
    ) -> None:
        require(min(mels, frames, bands, spans) >= 0, "widths and counts of SpecAugment must be at least 0")
        self.mels, self.frames, self.bands, self.spans, self.fill_db = mels, frames, bands, spans, fill_db

    def __call__(self, x: Tensor, *, draw: torch.Generator) -> Tensor:
        """Return log-mels in dB (B, M, T) of log-mels in dB (B, M, T)."""
        count, mels, frames = x.shape
        quiet = torch.zeros(count, mels, frames, dtype=torch.bool)
        for _ in range(self.bands):
            quiet |= _band(count, mels, (0.0, min(1.0, self.mels / mels)), draw)[:, :, None]
        for _ in range(self.spans):
            quiet |= _band(count, frames, (0.0, min(1.0, self.frames / frames)), draw)[:, None]
        return torch.where(quiet.to(x.device), self.fill_db, x)

    def __repr__(self) -> str:
        return f"SpecAugment(mels={self.mels}, frames={self.frames}, bands={self.bands}, spans={self.spans})"


def _run(count: int, length: int, share: Range, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return where a run in each row begins and how long it is, (count,) each."""
    sizes = (uniform(count, share, draw) * length).long()
    return (torch.rand(count, generator=draw) * (length - sizes + 1)).long(), sizes


def _mask(length: int, starts: Tensor, sizes: Tensor) -> Tensor:
    """Return masks (count, length) that are true in each row's run."""
    at = torch.arange(length)
    return (at >= starts[:, None]) & (at < (starts + sizes)[:, None])


def _band(count: int, length: int, share: Range, draw: torch.Generator) -> Tensor:
    """Return masks (count, length) that are true in one run a row."""
    return _mask(length, *_run(count, length, share, draw))
