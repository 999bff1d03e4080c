"""What `vocode` does with one input, in this process or in a worker."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import torch

from ossicle.audio.files import encode
from ossicle.cli import options
from ossicle.cli.long_input import SoundSource, can_stream, is_long, speak_to_file
from ossicle.cli.outputs import Job
from ossicle.cli.raw import speak_raw
from ossicle.cli.speech import is_mel, load_mel, load_sound, pad_for
from ossicle.errors import AudioError, UsageError

_LONG_FRAMES = 4096


@dataclass
class VocodeWork:
    """The options of `ossicle vocode`; picklable, each process builds its own vocoder once."""

    vocoder: str | None
    checkpoint: str | None
    config: str | None
    device: str
    dtype: str
    seed: int
    format: str
    subtype: str | None
    mono: bool
    chunk_frames: int | None
    raw: bool
    quiet: bool
    _voice: tuple[str, Any] | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the vocoder behind: a worker builds its own."""
        return {**self.__dict__, "_voice": None}

    def voice(self) -> tuple[str, Any]:
        """Return the vocoder's name and the vocoder."""
        if self._voice is None:
            torch.manual_seed(self.seed)
            self._voice = options.build_vocoder(
                self.vocoder, checkpoint=self.checkpoint, config=self.config, device=self.device, dtype=self.dtype
            )
            name, speak = self._voice
            if self.chunk_frames is not None and not can_stream(speak):
                raise UsageError(f"the vocoder {name} cannot go chunk by chunk", hint="leave --chunk-frames out")
        return self._voice

    def __call__(self, job: Job) -> dict[str, Any]:
        """Speak one input and return facts worth reporting."""
        name, speak = self.voice()
        if self.raw:
            return speak_raw(speak, job, chunk_frames=self.chunk_frames)
        data = job.source.read_bytes() if job.source.path is None else None
        if is_mel(job.source, data):
            mel, notes = load_mel(job.source, data, speak.front_end, wanted_by=f"the vocoder {name}")
            long = mel.shape[2] > _LONG_FRAMES
            facts = (
                self._by_chunks(speak, job, mel) if self._chunked(speak, job, long) else self._whole(speak, job, mel)
            )
            facts["notes"] = notes + facts["notes"]
            return facts
        if job.source.path is not None and self._chunked(speak, job, is_long(job.source.path)):
            return self._by_chunks(speak, job, SoundSource(job.source.path, speak.sample_rate, mono=self.mono))
        sound = load_sound(job.source, data, speak.front_end, mono=self.mono)
        mel = speak.mel(pad_for(sound.wave, speak.front_end))
        facts = self._whole(speak, job, mel, length=sound.wave.shape[1])
        facts["notes"] = sound.notes + facts["notes"]
        return facts

    def _chunked(self, speak: Any, job: Job, long: bool) -> bool:
        # A sound file on standard output is made in memory: its header is written last.
        return job.output is not None and can_stream(speak) and (long or self.chunk_frames is not None)

    def _by_chunks(self, speak: Any, job: Job, source: SoundSource | torch.Tensor) -> dict[str, Any]:
        assert job.output is not None
        facts = speak_to_file(
            speak, source, job.output, chunk_frames=self.chunk_frames, format=self.format, subtype=self.subtype,
            label=job.source.label, quiet=self.quiet,
        )  # fmt: skip
        facts["notes"] += _clip_note(facts["clipped"], facts.pop("peak"))
        return facts

    def _whole(self, speak: Any, job: Job, mel: torch.Tensor, *, length: int | None = None) -> dict[str, Any]:
        started = time.perf_counter()
        # A stream gives the same samples; here it only keeps the chunks that were asked for.
        chunked = self.chunk_frames is not None
        wave = torch.cat(list(speak.stream([mel], chunk_frames=self.chunk_frames)), 1) if chunked else speak(mel)
        wave = wave.cpu()[:, :length]
        took = time.perf_counter() - started
        if not bool(torch.isfinite(wave).all()):
            raise AudioError(
                "the vocoder made samples that are not numbers", hint="the mel may be far too loud; look at its values"
            )
        encoded, report = encode(wave.numpy(), speak.sample_rate, format=self.format, subtype=self.subtype)
        job.write(encoded)
        seconds = wave.shape[1] / speak.sample_rate
        return {
            "notes": _clip_note(report.clipped, report.peak),
            "sample_rate": speak.sample_rate,
            "channels": wave.shape[0],
            "samples": wave.shape[1],
            "clipped": report.clipped,
            "synthesis_s": round(took, 4),
            "times_real_time": round(seconds / took, 2) if took else None,
        }


def _clip_note(clipped: int, peak: float) -> list[str]:
    if not clipped:
        return []
    return [f"{clipped} samples were beyond full scale (peak {peak:.2f}) and clipped; --subtype FLOAT keeps them"]
