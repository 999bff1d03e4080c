"""Pitch and voicing, by librosa's pYIN."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.audio.quality.align import align
from ossicle.errors import AudioError

F_MIN, F_MAX = 50.0, 550.0
"""Range of F0 in Hz."""

_HOP = 256
_FRAME = 2048


def f0(reference: npt.ArrayLike, estimate: npt.ArrayLike, sample_rate: int) -> dict[str, float]:
    """Return the F0 error in cents (root mean square over frames voiced in both) and the F1 of voiced frames.

    Source: Mauch and Dixon, "pYIN" (2014), as librosa has it; 50 to 550 Hz, hop 256 samples. The error is NaN where no
    frame is voiced in both.

    Raises
    ------
    AudioError
        If the sound is shorter than one frame of 2048 samples.
    """
    wanted, found = align(reference, estimate)
    if len(wanted) < _FRAME:
        raise AudioError("F0 cannot be measured here", why=f"{len(wanted)} samples are fewer than a frame of {_FRAME}")
    pitch_a, voiced_a = _track(wanted.tobytes(), sample_rate)
    pitch_b, voiced_b = _track(found.tobytes(), sample_rate)
    both = voiced_a & voiced_b
    cents = 1200.0 * np.log2(pitch_a[both] / pitch_b[both])
    rmse = float(np.sqrt(np.mean(cents**2))) if both.any() else float("nan")
    in_either = int(voiced_a.sum() + voiced_b.sum())
    return {"f0_rmse_cents": rmse, "voicing_f1": 2.0 * int(both.sum()) / in_either if in_either else 1.0}


@lru_cache(maxsize=8)
def _track(samples: bytes, sample_rate: int) -> tuple[Any, Any]:
    # pYIN takes longer than the sound lasts, and one reference is compared with several estimates.
    import librosa

    wave = np.frombuffer(samples, dtype=np.float32)
    pitch, voiced, _ = librosa.pyin(wave, fmin=F_MIN, fmax=F_MAX, sr=sample_rate, frame_length=_FRAME, hop_length=_HOP)
    return pitch, voiced
