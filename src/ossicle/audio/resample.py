"""Resampling: soxr for sound from files, a Kaiser-windowed sinc of torchaudio for tensors.

torchaudio's default filter leaves an error of -25 dB at 6.4 kHz from 44.1 to 16 kHz; the settings here are librosa's
``kaiser_best``, and soxr's HQ is better still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ossicle.audio.files import Samples
from ossicle.errors import AudioError, MissingPackageError

if TYPE_CHECKING:
    import torch


def resample_array(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """Return samples (C, N) at another rate, (C, round(N * to / from)) float32; equal rates return them unchanged."""
    _check_rates(from_rate, to_rate)
    if from_rate == to_rate:
        return samples
    import soxr

    return np.ascontiguousarray(soxr.resample(samples.T, from_rate, to_rate, quality="HQ").T, dtype=np.float32)


class BlockResampler:
    """Resamples a long sound block by block, as `resample_array` would the whole."""

    def __init__(self, from_rate: int, to_rate: int, channels: int) -> None:
        _check_rates(from_rate, to_rate)
        import soxr

        self._stream = soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality="HQ")

    def push(self, block: Samples, *, last: bool = False) -> Samples:
        """Return what is ready, (C, n), after another block (C, N); `last` flushes the filter."""
        return np.ascontiguousarray(self._stream.resample_chunk(np.ascontiguousarray(block.T), last=last).T)


def resample(wave: torch.Tensor, from_rate: int, to_rate: int) -> torch.Tensor:
    """Return a tensor (..., N) at another rate, differentiable and on its device; equal rates return it unchanged.

    Raises
    ------
    MissingPackageError
        If torchaudio cannot be imported; the cause is named.
    """
    _check_rates(from_rate, to_rate)
    if from_rate == to_rate:
        return wave
    try:
        import torchaudio.functional as functional
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingPackageError(
            "torchaudio cannot be imported",
            why=str(error).splitlines()[0] if str(error) else type(error).__name__,
            hint="install the torchaudio that fits this torch: pip install 'torch>=2.11,<2.15' 'torchaudio>=2.11,<2.12'",
        ) from error
    return functional.resample(
        wave,
        from_rate,
        to_rate,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    )


def _check_rates(from_rate: int, to_rate: int) -> None:
    if from_rate < 1 or to_rate < 1:
        raise AudioError(f"cannot resample from {from_rate} to {to_rate} Hz", why="a sampling rate is at least 1 Hz")
