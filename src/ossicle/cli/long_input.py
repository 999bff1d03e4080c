"""An input of any length to a sound file in constant memory: read, analyse, speak and write block by block."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.audio import files
from ossicle.audio.block_writer import writing
from ossicle.audio.mel import MelSettings
from ossicle.audio.mel_stream import stream_mels
from ossicle.audio.resample import BlockResampler
from ossicle.cli.console import Ticker
from ossicle.errors import AudioError

_BLOCK = 1 << 16
_LONG_S = 60.0
"""Sounds longer than this go block by block; shorter ones are quicker in one go."""


def can_stream(speak: Any) -> bool:
    """Return whether a vocoder takes mels piece by piece, from an analysis that is known."""
    return hasattr(speak, "stream") and isinstance(speak.front_end, MelSettings)


def is_long(path: Path) -> bool:
    """Return whether a sound file is long enough to go block by block."""
    try:
        info = files.info(path)
    except AudioError:
        return False  # Reading it whole finds the words for what is wrong, or a plugin that knows the format.
    return info.frames > _LONG_S * info.sample_rate


class SoundSource:
    """A sound file at a vocoder's rate, block by block; `samples` counts those that came."""

    def __init__(self, path: Path, sample_rate: int, *, mono: bool) -> None:
        self._path, self._rate, self._mono = path, sample_rate, mono
        self._info = files.info(path)
        self.channels = 1 if mono else self._info.channels
        self.samples = 0
        self.notes: list[str] = []
        if mono and self._info.channels > 1:
            self.notes.append(f"mixed {self._info.channels} channels down")
        if self._info.sample_rate != sample_rate:
            self.notes.append(f"resampled from {self._info.sample_rate} to {sample_rate} Hz")

    def __iter__(self) -> Iterator[Tensor]:
        for block in self._resampled():
            self.samples += block.shape[1]
            yield torch.from_numpy(block)

    def _blocks(self) -> Iterator[np.ndarray]:
        for block in files.blocks(self._path, block_frames=_BLOCK):
            yield block.mean(axis=0, keepdims=True, dtype=np.float32) if self._mono else block

    def _resampled(self) -> Iterator[np.ndarray]:
        if self._info.sample_rate == self._rate:
            yield from self._blocks()
            return
        resampler = BlockResampler(self._info.sample_rate, self._rate, self.channels)
        for block in self._blocks():
            yield resampler.push(block)
        yield resampler.push(np.zeros((self.channels, 0), np.float32), last=True)


def mel_pieces(mel: Tensor, frames: int = 256) -> Iterator[Tensor]:
    """Yield a mel (1, M, T) in pieces."""
    yield from mel.split(frames, dim=2)


def speak_to_file(
    speak: Any,
    source: SoundSource | Tensor,
    target: Path,
    *,
    chunk_frames: int | None,
    format: str,
    subtype: str | None,
    label: str,
    quiet: bool,
) -> dict[str, Any]:
    """Speak a sound or a mel (1, M, T) into a file, and return facts worth reporting."""
    sound = source if isinstance(source, SoundSource) else None
    mels: Iterable[Tensor]
    if isinstance(source, SoundSource):
        mels, channels = stream_mels(speak.mel, speak.front_end, source), source.channels
    else:
        mels, channels = mel_pieces(source), 1
    clock = _Clock()
    options = {} if chunk_frames is None else {"chunk_frames": chunk_frames}
    with (
        Ticker(f"vocode {label}", quiet=quiet) as ticker,
        writing(target, speak.sample_rate, channels, format=format, subtype=subtype) as writer,
    ):
        for wave in clock.timing(speak.stream(clock.waiting(mels), **options)):
            # The last frame is filled with zeros: what it makes beyond the sound's end is not part of it.
            rest = wave.shape[1] if sound is None else sound.samples - writer.samples
            writer.write(wave[:, :rest].cpu().numpy())
            seconds = writer.samples / speak.sample_rate
            ticker.update(f"{seconds:.0f} s of sound, {seconds / max(clock.seconds, 1e-9):.1f}x real time")
    seconds = writer.samples / speak.sample_rate
    return {
        "notes": list(sound.notes) if sound else [],
        "sample_rate": speak.sample_rate,
        "channels": channels,
        "samples": writer.samples,
        "clipped": writer.report.clipped,
        "peak": writer.report.peak,
        "synthesis_s": round(clock.seconds, 4),
        "times_real_time": round(seconds / clock.seconds, 2) if clock.seconds else None,
    }


class _Clock:
    """Time spent in synthesis alone: what waiting for mels takes is taken off."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timing(self, items: Iterable[Tensor]) -> Iterator[Tensor]:
        yield from self._measure(items, 1.0)

    def waiting(self, items: Iterable[Tensor]) -> Iterator[Tensor]:
        yield from self._measure(items, -1.0)

    def _measure(self, items: Iterable[Tensor], sign: float) -> Iterator[Tensor]:
        iterator = iter(items)
        while True:
            started = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                self.seconds += sign * (time.perf_counter() - started)
                return
            self.seconds += sign * (time.perf_counter() - started)
            yield item
