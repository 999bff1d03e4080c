"""A pool of sound files as one matrix: what a detector is fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ossicle.audio.files import info
from ossicle.errors import NoInputError, OssicleError
from ossicle_outliers.sound.analysis import Analysis, load_wave


@dataclass(frozen=True)
class Pool:
    """Rows of many clips.

    Parameters
    ----------
    rows
        (R, D) float32.
    clips
        Which path a row belongs to, (R,) int64, ascending.
    paths
        Of the clips that could be read.
    failed
        Why others could not, by path.
    """

    rows: npt.NDArray[np.float32]
    clips: npt.NDArray[np.int64]
    paths: tuple[Path, ...]
    failed: dict[Path, OssicleError]


def lowest_rates(paths: Sequence[Path]) -> list[int]:
    """Return the sampling rates of the files that say one, in Hz.

    Raises
    ------
    NoInputError
        If none does.
    """
    rates = []
    for path in paths:
        try:
            rates.append(info(path).sample_rate)
        except OssicleError:
            continue
    if not rates:
        raise NoInputError(f"none of {len(paths)} files is sound that can be read")
    return rates


def read_pool(
    paths: Sequence[Path],
    analysis: Analysis,
    *,
    max_rows: int | None = None,
    seed: int = 0,
    advance: Callable[[str], None] | None = None,
) -> Pool:
    """Analyse files one after the other; those that cannot be read are set aside, and the others go on.

    Parameters
    ----------
    max_rows
        A bound on the memory: every clip gives an equal share of so many rows, drawn without replacement; a clip gives one at least.
    seed
        Of that draw.
    advance
        Told each path when it is done.

    Raises
    ------
    NoInputError
        If no file can be read.
    """
    draw = torch.Generator().manual_seed(seed)
    share = None if max_rows is None else max(1, max_rows // max(1, len(paths)))
    found: list[torch.Tensor] = []
    read: list[Path] = []
    failed: dict[Path, OssicleError] = {}
    for path in paths:
        try:
            rows = analysis(load_wave(path, analysis.sample_rate))
        except OssicleError as error:
            failed[path] = error
        else:
            if share is not None and len(rows) > share:
                rows = rows[torch.randperm(len(rows), generator=draw)[:share].sort().values]
            found.append(rows)
            read.append(path)
        if advance:
            advance(str(path))
    if not read:
        first = next(iter(failed.values()), None)
        raise NoInputError(f"none of {len(paths)} files can be used", why=f"the first: {first and first.what}")
    counts = [len(rows) for rows in found]
    return Pool(torch.cat(found).numpy(), np.repeat(np.arange(len(read)), counts), tuple(read), failed)
