"""Recordings in a folder, from which noise is cut."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ossicle.audio.files import SUFFIXES, read
from ossicle.audio.resample import resample_array
from ossicle.errors import ConfigError, InputError

_KEPT = 512
_TRIES = 8


class Recordings:
    """Sound files below a folder, decoded when they are first needed; a few hundred stay in memory.

    Parameters
    ----------
    folder
        Where they lie.
    pattern
        Which of them, such as ``1-*.ogg``.
    other_than
        A regular expression with one group: files whose group equals that of a clip's key are not used for the clip.

    Raises
    ------
    InputError
        If there is no such file.
    """

    def __init__(self, folder: str | Path, pattern: str = "*", other_than: str | None = None) -> None:
        self.folder, self.pattern = Path(folder).expanduser(), pattern
        if not self.files:
            raise InputError(
                f"{folder} holds no recording that is called {pattern}", hint="name a folder of sound files"
            )
        try:
            self._group = re.compile(other_than) if other_than is not None else None
        except re.error as error:
            raise ConfigError(f"{other_than!r} is no regular expression", why=str(error)) from error
        if self._group is not None and self._group.groups != 1:
            raise ConfigError(f"{other_than!r} has {self._group.groups} groups", why="it must have one")
        self._sounds: dict[tuple[Path, int], Tensor] = {}

    @cached_property
    def files(self) -> Sequence[Path]:
        """The recordings, by name."""
        found = self.folder.rglob(self.pattern)
        return sorted(p for p in found if p.suffix.lower() in SUFFIXES and p.is_file())

    def stretch(self, total: int, sample_rate: int, key: str, draw: torch.Generator) -> Tensor:
        """Return a stretch (total,) of one recording, repeated where it is too short; silence only if all are silent."""
        out = torch.zeros(total)
        for _ in range(_TRIES):
            sound = self._pick(sample_rate, key, draw)
            start = int(torch.randint(len(sound), (), generator=draw))
            out = sound.roll(-start).repeat(-(-total // len(sound)))[:total]
            if bool(out.any()):
                break
        return out

    def run_on(self, total: int, sample_rate: int, key: str, draw: torch.Generator) -> Tensor:
        """Return recordings one after the other, (total,), the first from somewhere within it."""
        parts = [self._pick(sample_rate, key, draw)]
        parts[0] = parts[0][int(torch.randint(len(parts[0]), (), generator=draw)) :]
        while sum(map(len, parts)) < total:
            parts.append(self._pick(sample_rate, key, draw))
        return torch.cat(parts)[:total]

    def _pick(self, sample_rate: int, key: str, draw: torch.Generator) -> Tensor:
        own = self._of(key)
        # The order of one draw decides, so that files that are left out do not move the choice among the others.
        for at in torch.randperm(len(self.files), generator=draw).tolist():
            if own is None or self._of(self.files[at].name) != own:
                return self._sound(self.files[at], sample_rate)
        raise InputError(
            f"every recording in {self.folder} is left out for {key}", hint="give recordings of other kinds too"
        )

    def _of(self, name: str) -> str | None:
        found = self._group.search(name) if self._group else None
        return found[1] if found else None

    def _sound(self, file: Path, sample_rate: int) -> Tensor:
        if (file, sample_rate) not in self._sounds:
            if len(self._sounds) >= _KEPT:
                self._sounds.pop(next(iter(self._sounds)))
            clip = read(file, mono=True)
            samples = resample_array(clip.samples, clip.sample_rate, sample_rate)[0]
            self._sounds[file, sample_rate] = torch.from_numpy(samples if len(samples) else np.zeros(1, np.float32))
        return self._sounds[file, sample_rate]
