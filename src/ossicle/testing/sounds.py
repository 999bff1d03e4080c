"""Sounds for tests, the same every time: tones, something like speech, and files of them."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ossicle.errors import ConfigError

_VOWELS = ((700, 1220, 2600), (300, 2300, 3000), (320, 800, 2400), (500, 1800, 2500), (450, 800, 2830))
"""Formants in Hz of five vowels, as a man says them (Peterson and Barney, 1952, rounded)."""
_WIDTHS = (80.0, 110.0, 160.0)


def make_tone(samples: int, rate: int, *, hz: float = 440.0, level: float = 0.3) -> np.ndarray:
    """Return a sine (N,), float32, with `level` as its peak.

    Raises
    ------
    ConfigError
        If `rate` is not positive or `samples` negative.
    """
    return (level * np.sin(2 * np.pi * hz * _seconds(samples, rate))).astype(np.float32)


def make_speech(samples: int, rate: int, *, seed: int = 0) -> np.ndarray:
    """Return something like speech (N,), float32, peaks at 0.5: voiced syllables with a falling pitch, hisses and pauses.

    Harmonics of a pitch near 120 Hz are weighted by the resonances of a vowel a syllable, four syllables a second; every third
    ends in a hiss, every seventh is a pause. Good for front ends and vocoders; no word can be understood.
    """
    time, draw = _seconds(samples, rate), np.random.default_rng(seed)
    syllable = (time * 4).astype(int)
    count = int(syllable[-1]) + 1 if samples else 0
    vowels = np.array(_VOWELS, dtype=np.float64)[draw.integers(0, len(_VOWELS), count)]
    pitch = 120.0 * 2 ** (-0.2 * (time % 2.0)) * (1 + 0.02 * np.sin(2 * np.pi * 5 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    within = (time * 4) % 1.0
    wave = np.zeros(samples)
    for harmonic in range(1, int(min(4000, rate / 2) / 130)):
        hz = harmonic * pitch
        gain = np.zeros(samples)
        for formant, width in enumerate(_WIDTHS):
            gain += 1 / (1 + ((hz - vowels[syllable, formant]) / width) ** 2)
        wave += gain / np.sqrt(harmonic) * np.sin(harmonic * phase)
    wave *= np.sin(np.pi * np.minimum(1.0, within * 1.3)) ** 2
    hiss = 0.5 * draw.standard_normal(samples) * np.sin(np.pi * within) ** 2
    wave = np.where((syllable % 3 == 2) & (within > 0.6), hiss, wave) * (syllable % 7 != 6)
    peak = np.abs(wave).max(initial=0.0)
    return (wave * (0.5 / peak if peak else 0.0)).astype(np.float32)


def write_tone(path: Path, rate: int, seconds: float, hz: float) -> None:
    """Write a tone with a little noise as 16-bit sound, its folder too; the noise is the name's own."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    tone = make_tone(round(rate * seconds), rate, hz=hz)
    noise = np.random.default_rng(zlib.crc32(f"{path.name}{hz}".encode())).standard_normal(len(tone))
    soundfile.write(path, (tone + 0.02 * noise).astype(np.float32), rate, subtype="PCM_16")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a head, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)


def write_class_folders(
    folder: Path,
    classes: Mapping[str, float] | None = None,
    *,
    clips: int = 3,
    rate: int = 8000,
    seconds: float = 0.2,
) -> Path:
    """Write a small data set, a folder a class with tones ``0.wav``, ``1.wav``, ... in it, and return its folder.

    `classes` are names and pitches in Hz; without them there are ``low`` (300) and ``high`` (1500).
    """
    for name, hz in (classes or {"low": 300.0, "high": 1500.0}).items():
        for at in range(clips):
            write_tone(folder / name / f"{at}.wav", rate, seconds, hz)
    return folder


def _seconds(samples: int, rate: int) -> np.ndarray:
    if samples < 0 or rate <= 0:
        raise ConfigError(
            f"{samples} samples at {rate} Hz are no sound", hint="give a length from 0 and a rate above 0"
        )
    return np.arange(samples) / rate
