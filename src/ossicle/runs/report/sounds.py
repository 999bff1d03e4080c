"""Sounds inside a page: a player and a spectrogram of each."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.errors import AudioError
from ossicle.runs.report.picture import spectrogram_png
from ossicle.runs.report.sections import Sound, Sounds

_SHORT = 16384
"""Samples below which a sound is kept as WAV: Chromium cannot go back to the start of a FLAC of one block (4,096)."""


@dataclass(frozen=True)
class Player:
    """What a page needs of one sound: `source` and `picture` are data URIs, `seconds` is how long it is in all.

    `fault` says why it cannot be played: one bad sound must not cost the page.
    """

    label: str
    source: str = ""
    picture: str = ""
    seconds: float = 0.0
    fault: str = ""


def players(section: Sounds) -> dict[str, list[Player]]:
    """Return the players of every clip that is kept."""
    kept = list(section.clips.items())[: section.limit]
    return {name: [_player(sound, section.seconds) for sound in sounds] for name, sounds in kept}


def left_out(section: Sounds) -> str:
    """Return what the page does not hold, in words; empty where it holds everything."""
    parts = []
    if len(section.clips) > section.limit:
        parts.append(f"the first {section.limit} of {len(section.clips)} clips")
    kept = list(section.clips.values())[: section.limit]
    if any(np.size(sound.samples) > section.seconds * sound.sample_rate for sounds in kept for sound in sounds):
        parts.append(f"the first {section.seconds:g} seconds of longer sounds")
    return f"Kept small: {', '.join(parts)}." if parts else ""


def encoded(sound: Sound, seconds: float) -> tuple[bytes, str]:
    """Return at most so many seconds of a sound as a file, and ``WAV`` or ``FLAC``.

    Raises
    ------
    AudioError
        If it is empty, of several channels, or no number somewhere.
    """
    from ossicle.audio.files import encode

    cut = _cut(_mono(sound), sound.sample_rate, seconds)
    kind = "WAV" if cut.size < _SHORT else "FLAC"
    return encode(cut, sound.sample_rate, format=kind, subtype="PCM_16")[0], kind


def _cut(wave: npt.NDArray[np.float32], rate: int, seconds: float) -> npt.NDArray[np.float32]:
    return wave[: max(round(seconds * rate), 1)]


def _player(sound: Sound, seconds: float) -> Player:
    try:
        data, kind = encoded(sound, seconds)
    except AudioError as error:
        return Player(sound.label, fault=f"{error.what}: {error.why}")
    wave = _mono(sound)
    return Player(
        sound.label,
        data_uri(f"audio/{kind.lower()}", data),
        data_uri("image/png", spectrogram_png(log_mel(_cut(wave, sound.sample_rate, seconds), sound.sample_rate))),
        wave.size / sound.sample_rate,
    )


def data_uri(kind: str, data: bytes) -> str:
    """Return data as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _mono(sound: Sound) -> npt.NDArray[np.float32]:
    wave = np.asarray(sound.samples, dtype=np.float32)
    if wave.ndim != 1 or not wave.size:
        raise AudioError(
            f"the sound {sound.label!r} cannot be shown",
            why=f"it has shape {wave.shape}",
            hint="give samples of one channel, as (N,)",
        )
    return wave


def log_mel(wave: npt.NDArray[np.float32], sample_rate: int) -> npt.NDArray[Any]:
    """Return natural-log mels (80, T) up to half the rate: the same analysis for every sound of a page.

    Windows are about 46 ms long at any rate, and move by a quarter.
    """
    import torch

    from ossicle.audio.mel import MelFrontEnd, MelSettings

    n_fft = 2 ** max(round(np.log2(0.046 * sample_rate)), 7)
    settings = MelSettings.hifigan(sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 4, fmax=None)
    padded = np.pad(wave, (0, max(n_fft - wave.size, 0)))
    with torch.no_grad():
        return np.asarray(MelFrontEnd(settings)(torch.from_numpy(padded)[None])[0])
