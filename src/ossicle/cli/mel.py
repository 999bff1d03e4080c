"""`ossicle mel`: sound in, mel spectrograms out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.batch import run_batch
from ossicle.cli.inputs import expand, is_search
from ossicle.cli.outputs import Job, plan
from ossicle.errors import UsageError

_PRESETS = ("hifigan", "vocos")
_FORMATS = ("safetensors", "npy")


def mel(
    inputs: Annotated[list[str], Parameter(name="IN", help="Files, folders, quoted globs, @list.txt, or - for stdin.")],
    /,
    *,
    output: options.Output,
    vocoder: options.VocoderName = None,
    checkpoint: options.Checkpoint = None,
    config: options.Config = None,
    preset: Annotated[str | None, Parameter(help="hifigan or vocos, instead of a vocoder's analysis.")] = None,
    format: Annotated[str | None, Parameter(help="safetensors (keeps the settings) or npy.")] = None,
    device: options.Device = "auto",
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Analyse sound into mel files that vocode takes.

    The analysis is that of the vocoder (so of its checkpoint), or a preset. Channels are mixed down. The end is padded
    with silence to a whole frame.

    Examples:
      ossicle mel speech.flac -o speech.safetensors
      ossicle mel corpus/ -o mels/ --preset vocos --format npy
    """
    # Heavy imports wait until there is work, so that --help is quick.
    from ossicle.audio.mel import MelFrontEnd, MelSettings
    from ossicle.audio.mel_files import encode_mel
    from ossicle.cli.speech import SOUND_SUFFIXES, load_sound, pad_for

    found = expand(inputs, SOUND_SUFFIXES)
    suffix = _suffix(format, output)
    jobs = plan(found, output, suffix=suffix, searched=is_search(inputs))
    place = options.resolve_device(device)
    if preset is not None:
        if preset not in _PRESETS:
            raise UsageError(f"no preset is called {preset!r}", hint=f"use {' or '.join(_PRESETS)}")
        if vocoder or checkpoint:
            raise UsageError("--preset and a vocoder exclude each other", hint="give one of them")
        front_end = MelFrontEnd(MelSettings.vocos() if preset == "vocos" else MelSettings.hifigan()).to(place)
        settings, analyse = front_end.settings, front_end
    else:
        _, speak = options.build_vocoder(vocoder, checkpoint=checkpoint, config=config, device=device)
        settings, analyse = speak.front_end, speak.mel

    def work(job: Job) -> dict[str, Any]:
        data = job.source.read_bytes() if job.source.path is None else None
        sound = load_sound(job.source, data, settings, mono=True)
        values = analyse(pad_for(sound.wave, settings).to(place))[0].cpu().numpy()
        job.write(encode_mel(values, settings.to_dict(), suffix=suffix))
        return {
            "notes": sound.notes,
            "n_mels": values.shape[0],
            "frames": values.shape[1],
            "seconds_of_sound": round(sound.seconds, 4),
        }

    about = {"front_end": settings.to_dict()}
    return run_batch(jobs, work, verb="mel", force=force, quiet=quiet, as_json=json, about=about)


def _suffix(format: str | None, output: str) -> str:
    named = "" if output.endswith("/") else Path(output).suffix.lower().lstrip(".")
    chosen = format or (named if named in _FORMATS else _FORMATS[0])
    if chosen not in _FORMATS:
        raise UsageError(f"mels are not written as {format!r}", hint=f"use --format {' or '.join(_FORMATS)}")
    if format is None and named and named not in _FORMATS and not Path(output).is_dir():
        raise UsageError(
            f"cannot write {output}",
            why=f"mels are not written as .{named}",
            hint="use .safetensors or .npy, or end the name of a folder with /",
        )
    return f".{chosen}"
