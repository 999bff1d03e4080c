"""What every measure asks of its two sounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.errors import AudioError

Samples = npt.NDArray[np.float32]


def align(reference: Any, estimate: Any) -> tuple[Samples, Samples]:
    """Return two sounds as (N,) float32 cut to the shorter.

    Raises
    ------
    AudioError
        If one is not (N,), is empty, or holds values that are not finite.
    """
    both = [np.asarray(wave, dtype=np.float32) for wave in (reference, estimate)]
    for wave, name in zip(both, ("reference", "estimate"), strict=True):
        if wave.ndim != 1 or wave.size == 0:
            raise AudioError(f"the {name} has shape {wave.shape}", why="a measure takes (N,) samples, at least one")
        if not np.isfinite(wave).all():
            raise AudioError(f"the {name} holds samples that are not numbers")
    length = min(len(wave) for wave in both)
    return both[0][:length], both[1][:length]
