"""A machine that hums, made up: recordings for tests and for the smoke run of a recipe, in DCASE Task 2's layout.

The normal sound is a hum with harmonics that decline, slowly swelling, over noise in a band. Every unit has its own pitch, balance
and band. Four faults: a harmonic is missing, clicks, the pitch drifts away, something rattles.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ossicle.audio.files import write
from ossicle.errors import ConfigError

FAULTS = ("missing-harmonic", "clicks", "pitch-drift", "rattle")
_HARMONICS = 8


def machine_sound(
    unit: int, *, seed: int, fault: str | None = None, seconds: float = 2.0, sample_rate: int = 16_000
) -> npt.NDArray[np.float32]:
    """Return a recording (N,), float32 in [-1, 1].

    Parameters
    ----------
    unit
        Which machine: its pitch, balance of harmonics and noise band follow from it alone.
    seed
        Of this recording.
    fault
        One of `FAULTS`, or None: all is well.
    """
    if fault not in (None, *FAULTS):
        raise ConfigError(f"no fault is called {fault!r}", hint=f"use {', '.join(FAULTS)}")
    own, draw = np.random.default_rng([unit, 7]), np.random.default_rng([unit, seed, 11])
    n = round(seconds * sample_rate)
    at = np.arange(n) / sample_rate
    hum_hz = own.uniform(90, 180)
    levels = own.uniform(0.5, 1.0, _HARMONICS) / np.arange(1, _HARMONICS + 1)
    band = own.uniform(1500, 4000)
    pitch = hum_hz * (1 + 0.003 * draw.standard_normal() + 0.002 * np.sin(2 * np.pi * 0.7 * at + draw.uniform(0, 6)))
    if fault == "pitch-drift":
        pitch = pitch * (1 + draw.uniform(0.08, 0.15) * at / max(seconds, 1e-9))
    if fault == "missing-harmonic":
        levels = levels * (np.arange(_HARMONICS) != draw.integers(1, 4))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    swell = 1 + 0.1 * np.sin(2 * np.pi * draw.uniform(0.5, 1.5) * at + draw.uniform(0, 6))
    hum = sum(level * np.sin((h + 1) * phase + draw.uniform(0, 2 * np.pi)) for h, level in enumerate(levels))
    sound = 0.1 * swell * hum + 0.02 * _band_noise(draw, n, band, 800.0, sample_rate) + 0.003 * draw.standard_normal(n)
    if fault == "clicks":
        decay = np.exp(-np.arange(round(0.004 * sample_rate)) / (0.0008 * sample_rate))
        for start in draw.integers(0, max(1, n - len(decay)), max(3, round(4 * seconds))):
            burst = decay * draw.standard_normal(len(decay))
            sound[start : start + len(decay)] += 0.25 * burst[: n - start]
    if fault == "rattle":
        beats = (np.sin(2 * np.pi * draw.uniform(12, 20) * at) > 0.6).astype(float)
        sound = sound + 0.05 * beats * _band_noise(draw, n, 5500.0, 1500.0, sample_rate)
    return np.clip(0.5 * sound, -1, 1).astype(np.float32)


def write_machine(
    folder: Path,
    *,
    units: int = 2,
    train: int = 40,
    test: int = 16,
    machine: str = "hum",
    seconds: float = 2.0,
    seed: int = 0,
) -> Path:
    """Write recordings as DCASE 2020's Task 2 names them and return the machine's folder.

    ``MACHINE/train/normal_id_00_00000000.wav`` and ``MACHINE/test/{normal,anomaly}_id_00_00000000.wav``; half of the test recordings of
    a unit are anomalies, the faults in turn.
    """
    place = folder / machine
    for unit in range(units):
        for at in range(train):
            _write(
                place / "train", f"normal_id_{unit:02d}_{at:08d}", machine_sound(unit, seed=seed + at, seconds=seconds)
            )
        for at in range(test):
            fault = FAULTS[at // 2 % len(FAULTS)] if at % 2 else None
            name = f"{'anomaly' if fault else 'normal'}_id_{unit:02d}_{at // 2:08d}"
            sound = machine_sound(unit, seed=seed + 10_000 + at, fault=fault, seconds=seconds)
            _write(place / "test", name, sound)
    return place


def _write(folder: Path, name: str, sound: npt.NDArray[np.float32]) -> None:
    write(folder / f"{name}.wav", sound, 16_000, subtype="PCM_16")


def _band_noise(
    draw: np.random.Generator, n: int, centre_hz: float, width_hz: float, sample_rate: int
) -> npt.NDArray[np.float64]:
    spectrum = np.fft.rfft(draw.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / sample_rate)
    shaped = np.fft.irfft(spectrum * np.exp(-0.5 * ((hz - centre_hz) / (width_hz / 2)) ** 2), n)
    return shaped / max(float(shaped.std()), 1e-12)
