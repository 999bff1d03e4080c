"""Clips decoded once: one length, one rate, int16, memory-mapped; an interrupted preparation goes on where it stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
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

INDEX = "clips.json"
SAMPLES = "clips.int16"
_VERSION = 1
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

    Sound is mixed to one channel, resampled, cut or padded with zeros at its end.

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
    wanted: dict[str, Any] = {
        "version": _VERSION,
        "sample_rate": sample_rate,
        "n_samples": n_samples,
        "files": [_identity(file) for file in files],
    }
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(files), n_samples)
    before = _read_index(folder / INDEX)
    same = before is not None and all(before.get(key) == wanted[key] for key in ("version", "sample_rate", "n_samples"))
    kept: set[int] = set()
    failed: dict[int, str] = {}
    path = folder / SAMPLES
    if same and before is not None and len(before["files"]) == len(files) and path.exists():
        done = before["done"]
        kept = {i for i in range(done) if before["files"][i] == wanted["files"][i]}
        failed = {int(i): why for i, why in before["failed"].items() if int(i) in kept}
        samples = np.memmap(path, np.int16, "r+", shape=shape)
    else:
        samples = np.memmap(path, np.int16, "w+", shape=shape)
    saved = time.monotonic()
    for index, file in enumerate(files):
        if index in kept:
            continue
        try:
            samples[index] = _decode(file, sample_rate, n_samples)
        except OssicleError as error:
            samples[index] = 0
            failed[index] = str(error).splitlines()[0]
        if progress:
            progress(index + 1, len(files))
        if time.monotonic() - saved > _SAVE_EVERY_S:
            samples.flush()
            # What lies beyond this point may be of an older list: it is decoded again.
            _write_index(folder, wanted, index + 1, failed)
            saved = time.monotonic()
    samples.flush()
    _write_index(folder, wanted, len(files), failed)
    if len(failed) == len(files):
        raise InputError("none of the clips can be decoded", why=f"the first: {failed[0]}")
    return ClipCache(np.memmap(path, np.int16, "r", shape=shape), failed, sample_rate)


def _identity(file: Path) -> list[Any]:
    try:
        found = file.stat()
    except OSError:
        return [str(file), None, None]
    return [str(file), found.st_size, found.st_mtime_ns]


def _read_index(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return None


def _write_index(folder: Path, wanted: Mapping[str, Any], done: int, failed: Mapping[int, str]) -> None:
    write_bytes(folder / INDEX, json.dumps({**wanted, "done": done, "failed": failed}).encode())


def _decode(file: Path, sample_rate: int, n_samples: int) -> np.ndarray:
    clip = read(file, mono=True)
    wave = resample_array(clip.samples, clip.sample_rate, sample_rate)[0][:n_samples]
    if not np.isfinite(wave).all():
        raise InputError(f"{file} holds values that are not numbers")
    out = np.zeros(n_samples, np.int16)
    out[: len(wave)] = np.clip(np.rint(wave * 32768.0), -32768, 32767)
    return out
