"""Augmentations in batch: each row changed in its own way, every random number from one explicit generator.

The ranges are those of Cances, Labbé and Pellegrini (2022), section 4, as their code has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ossicle_semisup.methods.base import require

Range = tuple[float, float]


def uniform(count: int, low_high: Range, draw: torch.Generator) -> Tensor:
    """Return (count,) numbers drawn evenly from a range."""
    low, high = low_high
    return low + (high - low) * torch.rand(count, generator=draw)


class Planned:
    """An augmentation whose random numbers are drawn apart from its work: so that a recorded graph can hold the work.

    Parameters are tensors with a row for each example.
    """

    domain: ClassVar[Literal["waveform", "log-mel"]]

    def drawn(self, count: int, shape: Sequence[int], draw: torch.Generator) -> tuple[Tensor, ...]:
        """Return the parameters of so many examples of a shape, on the CPU."""
        raise NotImplementedError

    def neutral(self, count: int, shape: Sequence[int]) -> tuple[Tensor, ...]:
        """Return parameters that change nothing."""
        raise NotImplementedError

    def apply(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return the changed batch, on any device, which is asked for no value."""
        raise NotImplementedError

    def apply_by_rows(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return what `apply` does, on a CPU."""
        return self.apply(x, *parameters)

    def __call__(self, x: Tensor, *, draw: torch.Generator) -> Tensor:
        """Return a batch of the same shape, waveforms (B, N) or log-mels in dB (B, M, T)."""
        parameters = self.drawn(len(x), x.shape[1:], draw)
        if x.device.type == "cpu":
            return self.apply_by_rows(x, *parameters)
        return self.apply(x, *(p.to(x.device) for p in parameters))


class Occlusion(Planned):
    """A stretch of each waveform becomes zero: its share of the length is drawn from `share`, its place is anywhere."""

    domain: ClassVar[Literal["waveform", "log-mel"]] = "waveform"

    def __init__(self, *, share: Range = (0.0, 0.25)) -> None:
        require(0 <= share[0] <= share[1] <= 1, f"occlusion of {share}: the share must lie in [0, 1]")
        self.share = share

    def drawn(self, count: int, shape: Sequence[int], draw: torch.Generator) -> tuple[Tensor, ...]:
        """Return starts and sizes in samples."""
        return _run(count, shape[0], self.share, draw)

    def neutral(self, count: int, shape: Sequence[int]) -> tuple[Tensor, ...]:
        """Return runs of no length."""
        return _no_run(count)

    def apply(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return waveforms (B, N) of waveforms (B, N)."""
        return torch.where(_mask(x.shape[1], *parameters), 0.0, x)

    def apply_by_rows(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return waveforms (B, N) of waveforms (B, N)."""
        out = x.clone()
        for row, start, size in zip(out.unbind(), *(p.tolist() for p in parameters), strict=True):
            row[start : start + size] = 0.0
        return out

    def __repr__(self) -> str:
        return f"Occlusion(share={self.share})"


class Stretch(Planned):
    """Speed and pitch change together: each waveform is read at its own pace, to the nearest sample.

    What grows too long is cropped anywhere; what falls short is padded with zeros on both sides, in random shares.
    """

    domain: ClassVar[Literal["waveform", "log-mel"]] = "waveform"

    def __init__(self, *, rate: Range = (0.5, 1.5)) -> None:
        require(0 < rate[0] <= rate[1], f"stretch by {rate}: the rate must be above 0")
        self.rate = rate

    def drawn(self, count: int, shape: Sequence[int], draw: torch.Generator) -> tuple[Tensor, ...]:
        """Return rates, lengths in samples, and shifts: zeros before the sound, or minus the samples cropped from its start."""
        rates = uniform(count, self.rate, draw).double()
        sizes = torch.ceil(shape[0] * rates).long()
        room = torch.rand(count, generator=draw, dtype=torch.float64)
        spare, excess = shape[0] - sizes + 1, sizes - shape[0] + 1
        return rates, sizes, torch.where(sizes <= shape[0], (room * spare).long(), -(room * excess).long())

    def neutral(self, count: int, shape: Sequence[int]) -> tuple[Tensor, ...]:
        """Return rates of 1."""
        rates = torch.ones(count, dtype=torch.float64)
        return rates, torch.full((count,), shape[0]), torch.zeros(count, dtype=torch.int64)

    def apply(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return waveforms (B, N) of waveforms (B, N)."""
        rates, sizes, shifts = (p[:, None] for p in parameters)
        at = torch.arange(x.shape[1], device=x.device) - shifts
        source = torch.round(at / rates).long().clamp(0, x.shape[1] - 1)
        return torch.where((at >= 0) & (at < sizes), x.gather(1, source), 0.0)

    def apply_by_rows(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return what `apply` does; a row's places stay in the cache, and none outside are worked out."""
        length = x.shape[1]
        out = torch.zeros_like(x)
        places = torch.arange(int(parameters[1].max()) if len(x) else 0, dtype=torch.float64)
        scratch = torch.empty(length, dtype=torch.float64)
        for row, target, rate, size, shift in zip(x, out, *(p.tolist() for p in parameters), strict=True):
            first, count = max(0, -shift), min(size, length)
            source = torch.div(places[first : first + count], rate, out=scratch[:count]).round_().clamp_(max=length - 1)
            begin = max(0, shift)
            torch.index_select(row, 0, source.int(), out=target[begin : begin + count])
        return out

    def __repr__(self) -> str:
        return f"Stretch(rate={self.rate})"


class Noise(Planned):
    """White noise at a signal-to-noise ratio in dB, relative to each waveform's own power; silence stays silent."""

    domain: ClassVar[Literal["waveform", "log-mel"]] = "waveform"

    def __init__(self, *, snr_db: float = 15.0) -> None:
        self.snr_db = snr_db

    def drawn(self, count: int, shape: Sequence[int], draw: torch.Generator) -> tuple[Tensor, ...]:
        """Return noise of power 1."""
        return (torch.randn(count, *shape, generator=draw),)

    def neutral(self, count: int, shape: Sequence[int]) -> tuple[Tensor, ...]:
        """Return no noise."""
        return (torch.zeros(count, *shape),)

    def apply(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return waveforms (B, N) of waveforms (B, N)."""
        level = x.square().mean(dim=1, keepdim=True).sqrt() * 10 ** (-self.snr_db / 20)
        return x + level * parameters[0].to(x.dtype)

    def __repr__(self) -> str:
        return f"Noise(snr_db={self.snr_db})"


class CutOut(Planned):
    """A rectangle of each log-mel becomes quiet: its sides are shares of both axes, its place is anywhere."""

    domain: ClassVar[Literal["waveform", "log-mel"]] = "log-mel"

    def __init__(self, *, share: Range = (0.1, 0.5), fill_db: float = -80.0) -> None:
        require(0 <= share[0] <= share[1] <= 1, f"cut-out of {share}: the share must lie in [0, 1]")
        self.share, self.fill_db = share, fill_db

    def drawn(self, count: int, shape: Sequence[int], draw: torch.Generator) -> tuple[Tensor, ...]:
        """Return lowest mels, heights, first frames and widths."""
        return tuple(each for n in shape for each in _run(count, n, self.share, draw))

    def neutral(self, count: int, shape: Sequence[int]) -> tuple[Tensor, ...]:
        """Return rectangles of no size."""
        return *_no_run(count), *_no_run(count)

    def apply(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return log-mels in dB (B, M, T) of log-mels in dB (B, M, T)."""
        inside = _mask(x.shape[1], *parameters[:2])[:, :, None] & _mask(x.shape[2], *parameters[2:])[:, None]
        return torch.where(inside, self.fill_db, x)

    def apply_by_rows(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return log-mels in dB (B, M, T) of log-mels in dB (B, M, T)."""
        out = x.clone()
        for row, low, height, start, width in zip(out.unbind(), *(p.tolist() for p in parameters), strict=True):
            row[low : low + height, start : start + width] = self.fill_db
        return out

    def __repr__(self) -> str:
        return f"CutOut(share={self.share}, fill_db={self.fill_db})"


class SpecAugment(Planned):
    """Bands of mels and spans of frames become quiet, each up to its width (Park et al., "SpecAugment", 2019)."""

    domain: ClassVar[Literal["waveform", "log-mel"]] = "log-mel"

    def __init__(
        self, *, mels: int = 8, frames: int = 16, bands: int = 2, spans: int = 2, fill_db: float = -80.0
    ) -> None:
        require(min(mels, frames, bands, spans) >= 0, "widths and counts of SpecAugment must be at least 0")
        self.mels, self.frames, self.bands, self.spans, self.fill_db = mels, frames, bands, spans, fill_db

    def drawn(self, count: int, shape: Sequence[int], draw: torch.Generator) -> tuple[Tensor, ...]:
        """Return lowest mels and heights of all bands, first frames and widths of all spans."""
        parameters: list[Tensor] = []
        for length, widest, number in ((shape[0], self.mels, self.bands), (shape[1], self.frames, self.spans)):
            share = (0.0, min(1.0, widest / length))
            runs = [torch.stack(_run(count, length, share, draw)) for _ in range(number)]
            parameters += torch.stack(runs, dim=2).unbind() if runs else _no_run(count, 0)
        return tuple(parameters)

    def neutral(self, count: int, shape: Sequence[int]) -> tuple[Tensor, ...]:
        """Return bands and spans of no width."""
        return *_no_run(count, self.bands), *_no_run(count, self.spans)

    def apply(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return log-mels in dB (B, M, T) of log-mels in dB (B, M, T)."""
        bands = _mask(x.shape[1], *parameters[:2]).any(dim=1)
        spans = _mask(x.shape[2], *parameters[2:]).any(dim=1)
        return torch.where(bands[:, :, None] | spans[:, None], self.fill_db, x)

    def __repr__(self) -> str:
        return f"SpecAugment(mels={self.mels}, frames={self.frames}, bands={self.bands}, spans={self.spans})"


def _run(count: int, length: int, share: Range, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return where a run in each row begins and how long it is, (count,) each."""
    sizes = (uniform(count, share, draw) * length).long()
    return (torch.rand(count, generator=draw) * (length - sizes + 1)).long(), sizes


def _no_run(count: int, *more: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(count, *more, dtype=torch.int64), torch.zeros(count, *more, dtype=torch.int64)


def _mask(length: int, starts: Tensor, sizes: Tensor) -> Tensor:
    """Return masks (..., length) that are true in each row's run, where the rows' places are."""
    at = torch.arange(length, device=starts.device)
    return (at >= starts[..., None]) & (at < (starts + sizes)[..., None])
