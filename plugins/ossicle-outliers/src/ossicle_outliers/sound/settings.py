"""How a sound becomes rows of numbers: what is heard, and what a clip's score is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ossicle.errors import ConfigError
from ossicle_outliers.sound.front_end import SoundLogMel

VECTORS = ("statistics", "frames", "embedding")
AGGREGATES = ("mean", "max", "top")
_HIGHEST_RATE = 16_000
_LARGEST = 2**20
_LONGEST_S = 86_400


@dataclass(frozen=True, kw_only=True)
class SoundSettings:
    """Everything that decides which rows a clip becomes, and which score its rows become.

    Parameters
    ----------
    vectors
        ``statistics``: one row, the mean and standard deviation of every log-mel band over the clip. ``frames``: a row for
        every run of `context` frames, all bands of the first one first, as DCASE's Task 2 baseline has it. ``embedding``: one row,
        the mean of a trained classifier's features over its windows.
    sample_rate, n_fft, hop_length, n_mels
        In Hz and samples. An embedding takes its classifier's own.
    seconds
        Clips are cut or padded with silence to this length, as a learner may hear them; 0: they are as long as they are.
    context
        Consecutive frames a row; 1 and unused but for ``frames``.
    aggregate, top_share
        A clip's score: the ``mean`` or the ``max`` of its rows' scores, or the mean of the ``top`` share of them, in (0, 1].
    """

    vectors: str = "statistics"
    sample_rate: int = 16_000
    n_fft: int = 1024
    hop_length: int = 320
    n_mels: int = 40
    seconds: float = 0.0
    context: int = 1
    aggregate: str = "mean"
    top_share: float = 0.1

    def __post_init__(self) -> None:
        for name, known in (("vectors", VECTORS), ("aggregate", AGGREGATES)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}", hint=f"use {', '.join(known)}")
        for name in ("sample_rate", "n_fft", "hop_length", "n_mels", "context"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 < value <= _LARGEST:
                raise ConfigError(f"{name} is {value!r}", why=f"it must be a whole number from 1 to {_LARGEST}")
        if self.n_fft % 2:
            raise ConfigError(f"n_fft is {self.n_fft}", why="it must be even")
        if not 0 <= self.seconds <= _LONGEST_S:
            raise ConfigError(f"seconds is {self.seconds}", why=f"it must be from 0 to {_LONGEST_S}")
        if not 0 < self.top_share <= 1:
            raise ConfigError(f"top_share is {self.top_share}", why="it must lie above 0 and not above 1")

    def log_mel(self, **filters: Any) -> SoundLogMel:
        """Return the front end; `filters` are the scale and norm of its filters."""
        return SoundLogMel(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            n_mels=self.n_mels,
            n_samples=round(self.seconds * self.sample_rate),
            **filters,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SoundSettings:
        """Return settings of plain values.

        Raises
        ------
        ConfigError
            If a name is not known.
        """
        if unknown := sorted(set(values) - {field.name for field in fields(cls)}):
            raise ConfigError(f"sound settings that are not known: {', '.join(unknown)}")
        return cls(**values)


def settings_for(vectors: str, rates: Sequence[int], **given: Any) -> SoundSettings:
    """Return settings that suit a pool of clips.

    The rate is the lowest of the pool's, at most 16 kHz, so that nobody is an outlier for the bandwidth of the recorder alone.
    Statistics: 40 bands, FFT of about 64 ms, hop of 20 ms. Frames: 128 bands, the same FFT, hop of half of it, 5 frames a row
    (1024, 512 and 640 values at 16 kHz, DCASE 2020's).

    Parameters
    ----------
    rates
        Of the clips, in Hz; at least one.
    given
        Settings that overrule these.
    """
    rate = int(given.get("sample_rate") or min(_HIGHEST_RATE, min(rates)))
    n_fft = 1 << max(4, round(0.064 * rate).bit_length() - 1)
    chosen: dict[str, Any] = {"vectors": vectors, "sample_rate": rate, "n_fft": n_fft}
    if vectors == "frames":
        chosen |= {"hop_length": n_fft // 2, "n_mels": 128, "context": 5}
    else:
        chosen |= {"hop_length": max(1, round(0.02 * rate)), "n_mels": 40}
    return SoundSettings(**{**chosen, **{key: value for key, value in given.items() if value is not None}})
