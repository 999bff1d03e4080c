"""`ossicle vocode`: sound or mels in, speech out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.batch import run_batch
from ossicle.cli.inputs import expand, is_search
from ossicle.cli.outputs import Job, plan
from ossicle.errors import AudioError, UsageError

_FORMATS = ("wav", "flac", "ogg", "mp3")


def vocode(
    inputs: Annotated[list[str], Parameter(name="IN", help="Files, folders, quoted globs, @list.txt, or - for stdin.")],
    /,
    *,
    output: options.Output,
    vocoder: options.VocoderName = None,
    checkpoint: options.Checkpoint = None,
    config: options.Config = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    mono: Annotated[bool, Parameter(negative="", help="Mix channels down; else each is vocoded by itself.")] = False,
    format: Annotated[str | None, Parameter(help="wav, flac, ogg or mp3 (default: by -o's suffix, else wav).")] = None,
    subtype: Annotated[str | None, Parameter(help="PCM_16, PCM_24, FLOAT, ... (default: the format's).")] = None,
    seed: options.Seed = 0,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Turn sound or mel spectrograms into speech.

    Sound is analysed into the vocoder's own mels and synthesised again, at the vocoder's sampling rate and the input's
    length. Mels are natural-log, (M, T) or (1, M, T), in .npy or .safetensors.

    Examples:
      ossicle vocode speech.flac -o out.wav
      ossicle vocode mels/ -o speech/ --checkpoint g_00975000
      ossicle vocode '*.wav' -o out/ --vocoder griffin-lim
    """
    # Heavy imports wait until there is work, so that --help is quick.
    import torch

    from ossicle.audio.files import encode
    from ossicle.audio.mel_files import SUFFIXES as MEL_SUFFIXES
    from ossicle.cli.speech import SOUND_SUFFIXES, is_mel, load_mel, load_sound, pad_for

    found = expand(inputs, (*SOUND_SUFFIXES, *MEL_SUFFIXES))
    chosen = _format(format, output)
    jobs = plan(found, output, suffix=f".{chosen}", searched=is_search(inputs))
    torch.manual_seed(seed)
    name, speak = options.build_vocoder(vocoder, checkpoint=checkpoint, config=config, device=device, dtype=dtype)

    def work(job: Job) -> dict[str, Any]:
        data = job.source.read_bytes() if job.source.path is None else None
        if is_mel(job.source, data):
            mel, notes = load_mel(job.source, data, speak.front_end, wanted_by=f"the vocoder {name}")
            length = None
        else:
            sound = load_sound(job.source, data, speak.front_end, mono=mono)
            notes, length = sound.notes, sound.wave.shape[1]
            mel = speak.mel(pad_for(sound.wave, speak.front_end))
        started = time.perf_counter()
        wave = speak(mel).cpu()[:, :length]
        took = time.perf_counter() - started
        if not bool(torch.isfinite(wave).all()):
            raise AudioError(
                "the vocoder made samples that are not numbers", hint="the mel may be far too loud; look at its values"
            )
        encoded, report = encode(wave.numpy(), speak.sample_rate, format=chosen, subtype=subtype)
        job.write(encoded)
        if report.clipped:
            notes.append(
                f"{report.clipped} samples were beyond full scale (peak {report.peak:.2f}) and clipped; --subtype FLOAT keeps them"
            )
        seconds = wave.shape[1] / speak.sample_rate
        return {
            "notes": notes,
            "sample_rate": speak.sample_rate,
            "channels": wave.shape[0],
            "samples": wave.shape[1],
            "clipped": report.clipped,
            "synthesis_s": round(took, 4),
            "times_real_time": round(seconds / took, 2) if took else None,
        }

    about = {"vocoder": name, "checkpoint": checkpoint, "device": str(options.resolve_device(device))}
    return run_batch(jobs, work, verb="vocode", force=force, quiet=quiet, as_json=json, about=about)


def _format(format: str | None, output: str) -> str:
    named = "" if output.endswith("/") else Path(output).suffix.lower().lstrip(".")
    chosen = (format or (named if named in _FORMATS else _FORMATS[0])).lower()
    if chosen not in _FORMATS:
        raise UsageError(f"cannot write {chosen!r}", hint=f"use --format {', '.join(_FORMATS)}")
    if format is None and named and named not in _FORMATS and not Path(output).is_dir():
        raise UsageError(
            f"cannot write {output}",
            why=f"the suffix .{named} stands for no format",
            hint=f"use .{', .'.join(_FORMATS)}, or end the name of a folder with /",
        )
    return chosen
