"""Corruptions by codecs, through libsndfile in memory: MP3, Opus, telephone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.errors import AudioError
from ossicle_unmix_tns.corruptions.base import Corruption, protect
from ossicle_unmix_tns.corruptions.gaps import silence_packets
from ossicle_unmix_tns.corruptions.spectrum import high_pass_gain, low_pass_gain, shape_spectrum, through_rate

_GRID_RATE = 16_000
_MP3_DELAY = 1105
"""Samples by which LAME's and mpg123's filters delay a sound, where no header tells the decoder to cut them."""


def through_codec(
    wave: Tensor, sample_rate: int, *, format: str, subtype: str, delay: int = 0, **options: Any
) -> Tensor:
    """Return clips (B, N) encoded and decoded one by one, as long as they were and in step with them.

    Parameters
    ----------
    delay
        Samples to skip at the start where the decoded clip is longer than the clip.
    options
        Passed on to ``soundfile.write``.
    """
    import soundfile

    rows = []
    # Encoders clip above full scale: louder clips go through them at a lower level.
    level = wave.abs().amax(dim=1, keepdim=True).clamp(min=1.0)
    for row in (wave / level).cpu().numpy():
        buffer = io.BytesIO()
        try:
            soundfile.write(buffer, row, sample_rate, format=format, subtype=subtype, **options)
            buffer.seek(0)
            decoded, _ = soundfile.read(buffer, dtype="float32")
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"libsndfile cannot encode {format} {subtype}",
                why=str(getattr(error, "error_string", error)),
                hint="install a soundfile wheel of 0.13 or newer, which brings libsndfile 1.2 with MP3 and Opus",
            ) from error
        start = delay if len(decoded) > len(row) else 0
        kept = decoded[start : start + len(row)]
        rows.append(np.pad(kept, (0, len(row) - len(kept))))
    return torch.from_numpy(np.stack(rows)).to(wave.device) * level


class MP3(Corruption):
    """MP3 at a constant rate.

    The encoder takes every clip for one of 16 kHz: the bits a sample, and the share of the band that survives, are the same at
    any sampling rate.
    """

    name = "mp3"
    grid = (64, 32, 24, 16, 8)
    unit = "kbit/s at 16 kHz"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Encode and decode."""
        # libsndfile spreads its level over 160 to 8 kbit/s at this rate, and refuses 1 itself.
        level = min((160 - self.setting(severity)) / 152, 0.999)
        options = {"compression_level": level, "bitrate_mode": "CONSTANT"}
        return through_codec(wave, _GRID_RATE, format="MP3", subtype="MPEG_LAYER_III", delay=_MP3_DELAY, **options)


class Opus(Corruption):
    """Opus in Ogg; the encoder takes every clip for one of 16 kHz, as with MP3."""

    name = "opus"
    grid = (32, 24, 16, 12, 6)
    unit = "kbit/s at 16 kHz"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Encode and decode."""
        # libsndfile spreads its level over 256 to 6 kbit/s a channel.
        level = (256 - self.setting(severity)) / 250
        return through_codec(wave, _GRID_RATE, format="OGG", subtype="OPUS", compression_level=level)


class Telephone(Corruption):
    """A telephone line: 300 to 3400 Hz at 8 kHz; then mu-law; ADPCM (G.721); GSM 06.10; GSM with 5 % of its packets lost."""

    name = "telephone"
    grid = (1, 2, 3, 4, 5)
    unit = "kind of line"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Filter and encode at 8 kHz, on the CPU."""

        def line(slow: Tensor) -> Tensor:
            heard = shape_spectrum(slow, 8000, lambda hz: low_pass_gain(hz, 3400) * high_pass_gain(hz, 300))
            heard = protect(heard, torch.ones_like(heard))
            if severity == 1:
                return heard
            kinds = {2: ("WAV", "ULAW"), 3: ("AU", "G721_32")}
            format, subtype = kinds.get(severity, ("WAV", "GSM610"))
            coded = through_codec(heard, 8000, format=format, subtype=subtype)
            return silence_packets(coded, 8000, 0.05, 1.0, draws) if severity == 5 else coded

        return through_rate(wave, sample_rate, 8000, line)
