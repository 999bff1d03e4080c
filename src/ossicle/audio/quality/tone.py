"""A detector of the steady tones that up-sampling networks leave: narrow lines where their strides fold together.

Users of iSTFTNet hear them at a quarter of the sampling rate, others at multiples of sampling rate / hop. A line counts as
far as it stands out from its neighbourhood in the long-term spectrum, further than the original's does: the harmonics of
real speech move, and average out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ossicle.audio.quality.align import align
from ossicle.errors import AudioError

THRESHOLD_DB = 6.0
"""A line that stands out by more is a tone; Griffin-Lim's speech, which has none, reads 4 to 5 dB from ten seconds on."""

_FFT = 4096
_LINE = 1
_NEAR, _FAR = 3, 7


@dataclass(frozen=True)
class Tone:
    """The line that stands out most: by how many dB more than in the original, and where in Hz."""

    db: float
    hz: float

    @property
    def found(self) -> bool:
        """Whether it is a tone."""
        return self.db > THRESHOLD_DB


class ToneDetector:
    """Gathers originals and estimates, and names the line that stands out most."""

    def __init__(self, sample_rate: int, hop_length: int) -> None:
        spacing = sample_rate / hop_length
        count = int(sample_rate / 2 / spacing)
        candidates = {sample_rate / 4, *(spacing * k for k in range(1, count + 1))}
        bins = [round(hz * _FFT / sample_rate) for hz in sorted(candidates)]
        self._bins = np.array([b for b in bins if _FAR < b < _FFT // 2 - _FAR])
        self._hz_per_bin = sample_rate / _FFT
        self._power = np.zeros((2, _FFT // 2 + 1))

    def add(self, reference: npt.ArrayLike, estimate: npt.ArrayLike) -> None:
        """Take in another pair of (N,) samples; less than 4096 of them say nothing of lines, and are passed over."""
        for index, samples in enumerate(align(reference, estimate)):
            self._power[index] += _power(samples.astype(np.float64))

    def result(self) -> Tone:
        """Return the line that stands out most.

        Raises
        ------
        AudioError
            If there was too little sound.
        """
        if not self._power[1].any():
            raise AudioError(
                "there is too little sound to look for tones", why=f"it takes {_FFT} samples and no silence"
            )
        excess = self._prominence(self._power[1]) - np.maximum(self._prominence(self._power[0]), 0.0)
        worst = int(excess.argmax())
        return Tone(float(excess[worst]), float(self._bins[worst] * self._hz_per_bin))

    def _prominence(self, power: np.ndarray) -> np.ndarray:
        floor = 1e-12 * power.max() + 1e-30
        level = np.maximum.reduce([power[self._bins + offset] for offset in range(-_LINE, _LINE + 1)])
        sides = [power[self._bins + sign * offset] for sign in (-1, 1) for offset in range(_NEAR, _FAR + 1)]
        return 10 * np.log10((level + floor) / (np.median(sides, axis=0) + floor))


def _power(samples: np.ndarray) -> np.ndarray:
    if len(samples) < _FFT:
        return np.zeros(_FFT // 2 + 1)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FFT)[:: _FFT // 2]
    return (np.abs(np.fft.rfft(frames * np.hanning(_FFT), axis=1)) ** 2).sum(axis=0)
