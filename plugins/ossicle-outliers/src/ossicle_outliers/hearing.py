"""Sound files as a report plays them: short, and with those named that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ossicle.errors import OssicleError
from ossicle.runs.report import Sound, Sounds

SECONDS = 10.0
"""Of each file, so that twenty of them stay a few megabytes."""
_RATE = 16_000


def beginning(label: str, path: Path) -> Sound:
    """Return the first ten seconds of a sound file, at 16 kHz at most.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    from ossicle.audio.files import info, read
    from ossicle.audio.resample import resample_array

    known = info(path)
    clip = read(path, mono=True, frames=round(SECONDS * known.sample_rate))
    rate = min(known.sample_rate, _RATE)
    return Sound(label, resample_array(clip.samples, clip.sample_rate, rate)[0], rate)


def heard(title: str, clips: Mapping[str, Mapping[str, Path]], note: str = "") -> Sounds:
    """Return groups of sound files by label; those that cannot be read are named."""
    found: dict[str, list[Sound]] = {}
    unread = []
    for group, labels in clips.items():
        for label, path in labels.items():
            try:
                found.setdefault(group, []).append(beginning(label, path))
            except OssicleError as error:
                unread.append(f"{label} ({error.what})")
    notes = [note, f"Could not be read: {', '.join(unread)}." if unread else ""]
    return Sounds(title, found, seconds=SECONDS, note=" ".join(filter(None, notes)))
