"""Clips decoded once: one length, one rate, int16, memory-mapped; an interrupted preparation goes on where it stopped."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.atomic import write_bytes
from ossicle.audio.files import read
from ossicle.audio.resample import resample_array
from ossicle.errors import InputError, OssicleError

_VERSION = 2
_SAVE_EVERY_S = 2.0


@dataclass(frozen=True)
class ClipCache:
    """Decoded clips.

    Parameters
    ----------
    samples
        (U, N) int16, mapped from the disk.
    failed
        Reasons by index, for files that could not be decoded: their rows are zero.
    sample_rate
        In Hz.
    """

    samples: np.ndarray
    failed: Mapping[int, str]
    sample_rate: int

    def waves(self, indices: Tensor) -> Tensor:
        """Return clips (B, N), float32 in [-1, 1)."""
        return torch.from_numpy(self.samples[indices.cpu().numpy()]).float() / 32768.0


def prepare_clips(
    folder: Path,
    files: Sequence[Path],
    *,
    sample_rate: int,
    n_samples: int,
    progress: Callable[[int, int], None] | None = None,
) -> ClipCache:
    """Decode files into a cache folder, or take what it holds already; changed files are decoded again.

    Sound is mixed to one channel, resampled, cut or padded with zeros at its end. Every list of files has samples of its own,
    so that several data sets can share a folder; of processes that prepare one list, one decodes and the others wait.

    Parameters
    ----------
    progress
        Called with (files done, files in all).

    Raises
    ------
    InputError
        If there are no files, or none of them can be decoded.
    """
    if not files:
        raise InputError("there are no clips to prepare", hint="check the folder of the data set")
    names = [str(file.absolute()) for file in files]
    key = json.dumps([_VERSION, sample_rate, n_samples, names]).encode()
    name = hashlib.blake2b(key, digest_size=8).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / f"{name}.lock"):
        failed = _fill(folder / name, files, sample_rate, n_samples, progress)
    if len(failed) == len(files):
        raise InputError("none of the clips can be decoded", why=f"the first: {failed[0]}")
    samples = np.memmap(folder / f"{name}.int16", np.int16, "r", shape=(len(files), n_samples))
    return ClipCache(samples, failed, sample_rate)


def _fill(
    stem: Path, files: Sequence[Path], sample_rate: int, n_samples: int, progress: Callable[[int, int], None] | None
) -> dict[int, str]:
    """Decode what is not there yet, and return the reasons of those files that cannot be decoded."""
    path, index = stem.with_suffix(".int16"), stem.with_suffix(".json")
    shape = (len(files), n_samples)
    wanted = [_identity(file) for file in files]
    there = path.is_file() and path.stat().st_size == len(files) * n_samples * 2
    decoded, failed = _read_index(index, len(files)) if there else ([None] * len(files), {})
    todo = [i for i, identity in enumerate(wanted) if decoded[i] != identity]
    if not todo:
        return failed
    if not there:
        # First the index, that no older one vouches for samples that are yet to come.
        index.unlink(missing_ok=True)
    samples = np.memmap(path, np.int16, "r+" if there else "w+", shape=shape)

    def save() -> None:
        samples.flush()
        write_bytes(index, json.dumps({"decoded": decoded, "failed": failed}).encode())

    saved = time.monotonic()
    for count, i in enumerate(todo, start=len(files) - len(todo) + 1):
        failed.pop(i, None)
        try:
            samples[i] = _decode(files[i], sample_rate, n_samples)
        except OssicleError as error:
            samples[i] = 0
            failed[i] = str(error).splitlines()[0]
        decoded[i] = wanted[i]
        if progress:
            progress(count, len(files))
        if time.monotonic() - saved > _SAVE_EVERY_S:
            save()
            saved = time.monotonic()
    save()
    return failed


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time inside, where the system has file locks; a process that dies lets go."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _identity(file: Path) -> list[int]:
    try:
        found = file.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _read_index(path: Path, count: int) -> tuple[list[Any], dict[int, str]]:
    """Return the identity of each file when it was decoded (None: not yet), and the reasons of those that failed."""
    try:
        index = json.loads(path.read_text("utf-8"))
        decoded, failed = index["decoded"], {int(i): str(why) for i, why in index["failed"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [None] * count, {}
    sound = isinstance(decoded, list) and len(decoded) == count and all(0 <= i < count for i in failed)
    return (decoded, failed) if sound else ([None] * count, {})


def _decode(file: Path, sample_rate: int, n_samples: int) -> np.ndarray:
    clip = read(file, mono=True)
    wave = resample_array(clip.samples, clip.sample_rate, sample_rate)[0][:n_samples]
    if not np.isfinite(wave).all():
        raise InputError(f"{file} is too loud to be resampled", why="it holds values near the largest float")
    out = np.zeros(n_samples, np.int16)
    out[: len(wave)] = np.clip(np.rint(wave * 32768.0), -32768, 32767)
    return out
