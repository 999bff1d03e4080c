"""Writing a sound of any length block by block; the file appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ossicle.atomic import replacing
from ossicle.audio.files import Samples, WriteReport, check_finite, choose_subtype, reason_of, to_subtype
from ossicle.errors import AudioError


class BlockWriter:
    """Takes blocks (C, n) float32; `report` says how many samples were clipped so far."""

    def __init__(self, file: Any, subtype: str) -> None:
        self._file, self._subtype = file, subtype
        self.report = WriteReport(0, 0.0)
        self.samples = 0

    def write(self, block: Samples) -> None:
        """Write another block, n from 0 up.

        Raises
        ------
        AudioError
            If samples are not finite.
        """
        if block.shape[1] == 0:
            return
        check_finite(block.T, "the sound to write", offset=self.samples)
        out, report = to_subtype(np.ascontiguousarray(block, np.float32), self._subtype)
        self._file.write(out.T)
        self.samples += block.shape[1]
        self.report = WriteReport(self.report.clipped + report.clipped, max(self.report.peak, report.peak))


@contextmanager
def writing(
    path: Path, sample_rate: int, channels: int, *, format: str = "WAV", subtype: str | None = None
) -> Iterator[BlockWriter]:
    """Open a sound file for blocks.

    Raises
    ------
    AudioError
        If the format cannot be written, or nothing was.
    """
    import soundfile

    format, chosen = choose_subtype(format, subtype)
    with replacing(path) as part:
        try:
            file = soundfile.SoundFile(part, "w", int(sample_rate), channels, subtype=chosen, format=format)
        except (soundfile.LibsndfileError, ValueError, TypeError) as error:
            raise AudioError(
                f"cannot write {format} at {sample_rate} Hz", why=reason_of(error), hint="use WAV or FLAC"
            ) from error
        with file:
            writer = BlockWriter(file, chosen)
            yield writer
        if not writer.samples:
            raise AudioError("there are no samples to write")
