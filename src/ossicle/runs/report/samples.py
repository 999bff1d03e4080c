"""Sounds that a run left: ``samples/VERSION/CLIP.flac``, the version ``original`` and one for each checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ossicle.errors import OssicleError
from ossicle.runs.report.record import RunRecord
from ossicle.runs.report.sections import Sound, Sounds

SAMPLES = "samples"
ORIGINAL = "original"
_SUFFIXES = (".flac", ".wav")


def write_samples(folder: Path, version: str, sounds: Mapping[str, Any], sample_rate: int) -> None:
    """Write sounds (N,) into a run's folder, as one version of the clips that they are named by."""
    from ossicle.audio.files import write

    for clip, wave in sounds.items():
        write(folder / SAMPLES / version / f"{clip}.flac", wave, sample_rate)


def find_samples(folder: Path) -> dict[str, dict[str, Path]]:
    """Return a run's sound files by version and clip; the original comes first, the others by name."""
    place = folder / SAMPLES
    versions = [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []
    found: dict[str, dict[str, Path]] = {}
    for version in sorted(versions, key=lambda path: (path.name != ORIGINAL, path.name)):
        clips = {path.stem: path for path in sorted(version.iterdir()) if path.suffix.lower() in _SUFFIXES}
        if clips:
            found[version.name] = clips
    return found


def sample_sounds(runs: Mapping[str, RunRecord]) -> Sounds | None:
    """Return the clips of runs side by side: the original once, then the latest version of each run."""
    clips: dict[str, list[Sound]] = {}
    unread: list[str] = []
    for name, run in runs.items():
        samples = find_samples(run.folder)
        for version in [ORIGINAL, *[v for v in samples if v != ORIGINAL][-1:]]:
            label = version if version == ORIGINAL or len(runs) == 1 else f"{name}, {version}"
            for clip, path in samples.get(version, {}).items():
                heard = clips.setdefault(clip, [])
                if all(sound.label != label for sound in heard):
                    _hear(path, label, heard, unread)
    kept = {clip: heard for clip, heard in sorted(clips.items()) if heard}
    note = f"Could not be read: {', '.join(unread)}." if unread else ""
    return Sounds("Sounds", kept, note=note) if kept or note else None


def _hear(path: Path, label: str, heard: list[Sound], unread: list[str]) -> None:
    from ossicle.audio.files import read

    try:
        clip = read(path, mono=True)
    except OssicleError as error:
        unread.append(f"{label}/{path.name} ({error.what})")
    else:
        heard.append(Sound(label, clip.samples[0], clip.sample_rate))
