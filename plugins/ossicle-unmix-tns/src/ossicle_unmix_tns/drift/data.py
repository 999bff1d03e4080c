"""Clips, their windows, and the split into clips to train on, to tune on and to test on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.audio.clip_cache import ClipCache, prepare_clips
from ossicle.audio.log_mel import LogMelSettings, fit_length
from ossicle.errors import ConfigError, InputError
from ossicle.registry import default_registry

_QUIET_DB = 50.0


@dataclass(frozen=True)
class Windows:
    """Stretches of clips that a classifier hears one by one.

    Parameters
    ----------
    clip
        Which clip each is cut from, (W,) int64.
    start
        Its first sample, (W,) int64.
    label
        Class of the clip, (W,) int64.
    size
        Samples of each.
    """

    clip: Tensor
    start: Tensor
    label: Tensor
    size: int

    def __len__(self) -> int:
        return len(self.clip)

    def cut(self, waves: Tensor, clips: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the windows of some clips: which ones, (n,), and their samples (n, size), of waves (B, N)."""
        row = {clip: at for at, clip in enumerate(clips)}
        chosen = [at for at, clip in enumerate(self.clip.tolist()) if clip in row]
        parts = [waves[row[int(self.clip[at])], int(self.start[at]) :][: self.size] for at in chosen]
        cut = [fit_length(part[None], self.size)[0] for part in parts]
        return torch.tensor(chosen, dtype=torch.int64), torch.stack(cut) if cut else waves.new_empty(0, self.size)


@dataclass(frozen=True)
class Clips:
    """A data set decoded.

    Parameters
    ----------
    records
        The data set's own, with ``path`` and ``label``.
    labels
        Names of the K classes.
    cache
        All clips at one rate and length.
    parts
        Indices of clips by name: ``train``, ``tune`` (of which ``train`` holds none while tuning) and ``test``.
    """

    records: Sequence[Any]
    labels: Sequence[str]
    cache: ClipCache
    parts: Mapping[str, Sequence[int]]

    def keys(self, clips: Sequence[int]) -> list[str]:
        """Return the names that corruptions are drawn by: the files'."""
        return [self.records[i].path.name for i in clips]


def load_clips(
    dataset: str, folder: Path, cache: Path, *, sample_rate: int, n_samples: int, split: Mapping[str, Any]
) -> Clips:
    """Decode a data set and split it.

    Parameters
    ----------
    dataset
        A ``dataset`` component.
    cache
        Folder of the decoded clips.
    split
        ``test_folds`` and ``tune_folds`` (lists) where the data set has folds; ``official = true`` where it has lists, whose
        validation clips are tuned on; else ``test_takes`` and ``tune_takes``: how many clips of every class and speaker are
        tested, those of the official test set among them, and tuned on.

    Raises
    ------
    InputError
        If clips are missing.
    """
    found = default_registry().build("dataset", dataset, folder=folder)
    records = found.clips()
    if missing := found.missing():
        raise InputError(
            f"{len(missing)} of {len(records)} clips are missing in {folder}",
            why=f"the first is {missing[0]}",
            hint=f"get the data set at {found.home}",
        )
    decoded = prepare_clips(
        cache / f"{sample_rate}-{n_samples}",
        [record.path for record in records],
        sample_rate=sample_rate,
        n_samples=n_samples,
    )
    parts = {
        name: [i for i in indices if i not in decoded.failed] for name, indices in split_clips(records, split).items()
    }
    return Clips(records, found.labels, decoded, parts)


def split_clips(records: Sequence[Any], split: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return indices of ``train``, ``tune`` and ``test`` clips; see `load_clips`.

    Raises
    ------
    ConfigError
        If a part would be empty.
    """
    if "test_folds" in split:
        named = {name: set(split[f"{name}_folds"]) for name in ("test", "tune")}
        where = ["test" if r.fold in named["test"] else "tune" if r.fold in named["tune"] else "train" for r in records]
    elif split.get("official"):
        where = [{"test": "test", "valid": "tune"}.get(r.split, "train") for r in records]
    else:
        where = _by_takes(records, int(split["test_takes"]), int(split["tune_takes"]))
    parts = {name: [i for i, part in enumerate(where) if part == name] for name in ("train", "tune", "test")}
    if empty := [name for name, indices in parts.items() if not indices]:
        raise ConfigError(f"no clip is left to {' or to '.join(empty)} on", hint="check the recipe's [split]")
    return parts


def _by_takes(records: Sequence[Any], test: int, tune: int) -> list[str]:
    seen: dict[tuple[int, str], int] = {}
    where = ["train"] * len(records)
    # The official test clips come first, so that they are never trained on; then the others, in the order of their names.
    for at in sorted(range(len(records)), key=lambda i: (records[i].split != "test", str(records[i].path))):
        group = (records[at].label, records[at].speaker)
        number = seen.get(group, 0)
        seen[group] = number + 1
        where[at] = "test" if number < test else "tune" if number < test + tune else "train"
    return where


def find_windows(clips: Clips, indices: Sequence[int], front_end: LogMelSettings, *, hop: int) -> Windows:
    """Return the windows of clips that hold sound: those within 50 dB of the clip's loudest window.

    Parameters
    ----------
    front_end
        ``n_samples`` is the size of a window.
    hop
        Samples from one window to the next.
    """
    size, total = front_end.n_samples, clips.cache.samples.shape[1]
    starts = range(0, max(total - size, 0) + 1, hop)
    rows: list[tuple[int, int, int]] = []
    for clip in indices:
        wave = clips.cache.samples[clip].astype(np.float64)
        power = np.array([np.mean(wave[start : start + size] ** 2) for start in starts])
        loud = power > max(power.max() * 10 ** (-_QUIET_DB / 10), 0.0)
        rows += [(clip, start, clips.records[clip].label) for start, kept in zip(starts, loud, strict=True) if kept]
    table = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)
    return Windows(table[:, 0], table[:, 1], table[:, 2], size)
