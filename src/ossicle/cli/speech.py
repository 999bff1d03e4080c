"""From an input, whatever it is, to mels: what `vocode` and `mel` share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from ossicle.audio import files, mel_files
from ossicle.audio.mel import MelSettings, check_same
from ossicle.audio.resample import resample_array
from ossicle.cli.inputs import Input
from ossicle.errors import ConfigError, MelError

SOUND_SUFFIXES = files.SUFFIXES


@dataclass
class Sound:
    """A sound at a front end's rate, (C, N) float32, with remarks on what was done to it."""

    wave: torch.Tensor
    seconds: float
    notes: list[str] = field(default_factory=list)


def is_mel(source: Input, data: bytes | None) -> bool:
    """Return whether an input holds a mel: by suffix, or by content for standard input."""
    if source.path is not None:
        return source.path.suffix.lower() in mel_files.SUFFIXES
    return data is not None and (data[:6] == b"\x93NUMPY" or data[8:9] == b"{")


def load_sound(source: Input, data: bytes | None, settings: MelSettings, *, mono: bool) -> Sound:
    """Read a sound and bring it to a front end's rate."""
    clip = files.decode(data) if data is not None else files.read(source.path or "-")
    notes = []
    if mono and clip.samples.shape[0] > 1:
        notes.append(f"mixed {clip.samples.shape[0]} channels down")
        clip = clip.mono()
    samples = clip.samples
    if clip.sample_rate != settings.sample_rate:
        notes.append(f"resampled from {clip.sample_rate} to {settings.sample_rate} Hz")
        samples = resample_array(samples, clip.sample_rate, settings.sample_rate)
    return Sound(torch.from_numpy(samples), clip.seconds, notes)


def pad_for(wave: torch.Tensor, settings: MelSettings) -> torch.Tensor:
    """Return samples (C, N) padded with zeros to the next length that the analysis takes and that loses no sample."""
    missing = settings.padded(wave.shape[1]) - wave.shape[1]
    return torch.nn.functional.pad(wave, (0, missing)) if missing else wave


def load_mel(source: Input, data: bytes | None, settings: Any, *, wanted_by: str) -> tuple[torch.Tensor, list[str]]:
    """Read a mel for a vocoder: (1, M, T), with remarks. Settings that the file carries must be the vocoder's."""
    name = source.label
    values, carried = (
        mel_files.decode_mel(data, name=name) if data is not None else mel_files.read_mel(source.path or "-")
    )
    if carried is not None and isinstance(settings, MelSettings):
        try:
            check_same(settings, MelSettings.from_dict(carried), wanted_by=wanted_by, found_in=name)
        except ConfigError as error:
            raise MelError(f"{name} carries settings that make no sense", why=str(error.what)) from error
    mel, notes = mel_files.check_mel(values, settings.n_mels, name=name)
    return torch.from_numpy(mel)[None], notes
