"""From rows to clips: the score of a clip is made of the scores of its rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ossicle.errors import ConfigError, InputError

Floats = npt.NDArray[np.float64]


def clip_scores(
    scores: npt.ArrayLike, clips: npt.ArrayLike, n_clips: int, *, aggregate: str = "mean", top_share: float = 0.1
) -> Floats:
    """Return a score for every clip, (n_clips,) float64.

    Parameters
    ----------
    scores
        Of rows, (R,).
    clips
        Which clip a row belongs to, (R,) int; rows of one clip need not be neighbours. Every clip needs a row.
    aggregate
        ``mean``, ``max``, or ``top``: the mean of the largest ceil(`top_share` x rows) of them, so that a fault of a moment counts in
        a long clip.

    Raises
    ------
    InputError, ConfigError
        If shapes differ, a clip has no row, or the aggregate is not known.
    """
    values, owners = np.asarray(scores, dtype=np.float64), np.asarray(clips, dtype=np.int64)
    if values.ndim != 1 or values.shape != owners.shape:
        raise InputError(f"scores of shape {values.shape} and clips of shape {owners.shape}", why="both must be (R,)")
    counts = np.bincount(owners, minlength=n_clips)
    if len(counts) != n_clips or (counts == 0).any():
        raise InputError(f"rows of {n_clips} clips are wanted", why="a clip has no row, or a row has no clip")
    if aggregate == "mean":
        return np.bincount(owners, values, minlength=n_clips) / counts
    if aggregate not in ("max", "top"):
        raise ConfigError(f"no aggregate is called {aggregate!r}", hint="use mean, max or top")
    # Clip by clip, the largest first.
    order = np.lexsort((-values, owners))
    starts = np.cumsum(counts) - counts
    if aggregate == "max":
        return values[order][starts]
    place = np.arange(len(values)) - np.repeat(starts, counts)
    chosen = place < np.repeat(np.ceil(top_share * counts - 1e-9), counts)
    return np.bincount(owners[order][chosen], values[order][chosen], minlength=n_clips) / np.bincount(
        owners[order][chosen], minlength=n_clips
    )
