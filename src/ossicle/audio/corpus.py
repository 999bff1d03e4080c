"""A corpus decoded once: all sound as one run of int16 samples, stored in shards, read without any audio library.

The cache is what travels to a machine that has torch and nothing else, and what stays on the device while training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.atomic import write_bytes
from ossicle.errors import ConfigError, InputError

INDEX = "corpus.json"
_FORMAT = "ossicle-corpus"
_VERSION = 1
SHARD_BYTES = 48_000_000
"""Size at which a new shard is begun: small enough to be carried one at a time where transfers are limited."""


@dataclass(frozen=True)
class Corpus:
    """Utterances of one sampling rate in one int16 tensor.

    Parameters
    ----------
    samples
        All utterances one after the other, (N,) int16.
    starts, lengths
        Where each utterance begins and how long it is, (U,) int64, in samples.
    names
        The utterances' names.
    sample_rate
        In Hz.
    """

    samples: Tensor
    starts: Tensor
    lengths: Tensor
    names: tuple[str, ...]
    sample_rate: int

    def __len__(self) -> int:
        return len(self.names)

    @property
    def seconds(self) -> float:
        """Total length in seconds."""
        return self.samples.numel() / self.sample_rate

    def to(self, device: torch.device | str) -> Corpus:
        """Return the corpus with its tensors on a device."""
        return Corpus(
            self.samples.to(device), self.starts.to(device), self.lengths.to(device), self.names, self.sample_rate
        )

    def utterance(self, index: int) -> Tensor:
        """Return one utterance, (N,) float32 in [-1, 1)."""
        start, length = int(self.starts[index]), int(self.lengths[index])
        return self.samples[start : start + length].float() / 32768.0

    def segments(self, batch: int, length: int, *, overhang: int, generator: torch.Generator) -> Tensor:
        """Return random excerpts (B, N), float32 in [-1, 1), N = `length`.

        Long utterances are drawn more often, so that every sample is about equally likely. An excerpt may reach up
        to `overhang` samples past either end of its utterance; what lies there is digital silence.

        Parameters
        ----------
        generator
            A generator on the CPU.
        """
        chosen = torch.multinomial(self.lengths.cpu().double(), batch, replacement=True, generator=generator)
        chosen = chosen.to(self.starts.device)
        room = (self.lengths[chosen] - length).clamp(min=0) + 2 * overhang
        fractions = torch.rand(batch, dtype=torch.float64, generator=generator).to(room.device)
        offsets = (fractions * (room + 1)).long().clamp(max=room) - overhang
        positions = offsets[:, None] + torch.arange(length, device=room.device)
        inside = (positions >= 0) & (positions < self.lengths[chosen][:, None])
        positions = (positions + self.starts[chosen][:, None]).clamp(0, self.samples.numel() - 1)
        return self.samples[positions].float() / 32768.0 * inside


def write_corpus(
    folder: Path,
    files: Sequence[Path],
    *,
    sample_rate: int,
    read: Callable[[Path], np.ndarray],
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Decode files into a cache folder and return it; a complete cache of the same files is kept.

    Parameters
    ----------
    read
        Returns one file as (N,) float32 in [-1, 1) at `sample_rate`.
    progress
        Called with (files done, files in all).
    """
    index = folder / INDEX
    names = [file.stem for file in files]
    if index.exists() and _matches(json.loads(index.read_text("utf-8")), names, sample_rate):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    lengths: list[int] = []
    shards: list[str] = []
    pending: list[np.ndarray] = []
    for done, file in enumerate(files, start=1):
        samples = np.clip(np.rint(read(file) * 32768.0), -32768, 32767).astype(np.int16)
        lengths.append(len(samples))
        pending.append(samples)
        if sum(part.nbytes for part in pending) >= SHARD_BYTES or done == len(files):
            shards.append(f"shard-{len(shards):03d}.npy")
            np.save(folder / shards[-1], np.concatenate(pending))
            pending = []
        if progress:
            progress(done, len(files))
    record = {
        "format": _FORMAT,
        "version": _VERSION,
        "sample_rate": sample_rate,
        "names": names,
        "lengths": lengths,
        "shards": shards,
    }
    # The index comes last, so that an interrupted preparation is never taken for a whole one.
    write_bytes(index, json.dumps(record).encode())
    return folder


def _matches(record: dict[str, Any], names: Iterable[str], sample_rate: int) -> bool:
    return (
        record.get("version") == _VERSION
        and record.get("names") == list(names)
        and record.get("sample_rate") == sample_rate
    )


def read_corpus(folder: Path, *, limit_shards: int | None = None) -> Corpus:
    """Load a cache folder; with `limit_shards` only the utterances that lie wholly in the first shards.

    Raises
    ------
    InputError
        If the folder holds no cache.
    ConfigError
        If the cache is of another format or version.
    """
    index = folder / INDEX
    if not index.exists():
        raise InputError(
            f"{folder} holds no decoded corpus",
            why=f"there is no {INDEX}",
            hint="prepare it from the sound files first",
        )
    record = json.loads(index.read_text("utf-8"))
    if record.get("format") != _FORMAT or record.get("version") != _VERSION:
        raise ConfigError(
            f"{index} is not an {_FORMAT} of version {_VERSION}", hint="delete the folder and prepare it again"
        )
    shards = [np.load(folder / name, allow_pickle=False) for name in record["shards"][:limit_shards]]
    samples = torch.from_numpy(np.concatenate(shards))
    lengths = torch.tensor(record["lengths"], dtype=torch.int64)
    ends = lengths.cumsum(0)
    whole = int((ends <= samples.numel()).sum())
    if not whole:
        raise InputError(f"{folder} holds no utterance")
    lengths = lengths[:whole]
    return Corpus(samples, ends[:whole] - lengths, lengths, tuple(record["names"][:whole]), record["sample_rate"])
