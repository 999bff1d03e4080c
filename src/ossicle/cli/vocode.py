"""`ossicle vocode`: sound or mels in, speech out."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.batch import run_batch
from ossicle.cli.console import say
from ossicle.cli.inputs import expand, is_search
from ossicle.cli.outputs import plan, sound_format
from ossicle.errors import UsageError


def vocode(
    inputs: Annotated[list[str], Parameter(name="IN", help="Files, folders, quoted globs, @list.txt, or - for stdin.")],
    /,
    *,
    output: options.Output,
    vocoder: options.VocoderName = None,
    checkpoint: options.Checkpoint = None,
    config: options.Config = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "fp32",
    chunk_frames: Annotated[
        int | None, Parameter(help="Go through every input by so many mel frames at a time (default: long ones alone).")
    ] = None,
    raw: Annotated[
        bool, Parameter(negative="", help="Pipe: float32 little-endian mels in, frame by frame; samples out.")
    ] = False,
    workers: Annotated[
        int | None, Parameter(help="Processes for many files (default: all cores from eight files on, one on a GPU).")
    ] = None,
    engine: Annotated[
        str, Parameter(help="local: processes here; ray: a Ray cluster (RAY_ADDRESS), or a local one.")
    ] = "local",
    mono: Annotated[bool, Parameter(negative="", help="Mix channels down; else each is vocoded by itself.")] = False,
    format: options.SoundFormat = None,
    subtype: options.Subtype = None,
    seed: options.Seed = 0,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Turn sound or mel spectrograms into speech.

    Sound is analysed into the vocoder's own mels and synthesised again, at the vocoder's sampling rate and the input's
    length. Mels are natural-log, (M, T) or (1, M, T), in .npy or .safetensors. Long inputs go through in constant
    memory, with the same samples; in a pipe, --raw speaks mels as they come.

    Examples:
      ossicle vocode speech.flac -o out.wav
      ossicle vocode mels/ -o speech/ --checkpoint g_00975000
      ossicle vocode '*.wav' -o out/ --vocoder griffin-lim
      acoustic-model | ossicle vocode - -o - --raw | aplay -f FLOAT_LE -r 22050
    """
    # Heavy imports wait until there is work, so that --help is quick.
    from ossicle.audio.mel_files import SUFFIXES as MEL_SUFFIXES
    from ossicle.cli.pool import cores, default_workers
    from ossicle.cli.speech import SOUND_SUFFIXES
    from ossicle.cli.vocode_work import VocodeWork

    if chunk_frames is not None and chunk_frames < 1:
        raise UsageError(f"--chunk-frames {chunk_frames}", why="a chunk has at least one frame")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}", why="there must be at least one")
    if raw and (format or subtype or mono):
        raise UsageError("--raw goes without --format, --subtype and --mono", why="it writes bare float32 samples")
    found = expand(inputs, (".raw", ".f32") if raw else (*SOUND_SUFFIXES, *MEL_SUFFIXES))
    if engine not in ("local", "ray"):
        raise UsageError(f"no engine is called {engine!r}", hint="use local or ray")
    if engine == "ray" and any(source.path is None for source in found):
        raise UsageError("standard input cannot go to a cluster", hint="name files, or use --engine local")
    chosen = "raw" if raw else sound_format(format, output)
    jobs = plan(found, output, suffix=f".{chosen}", searched=is_search(inputs))
    place = options.resolve_device(device)
    if workers is None:
        workers = cores() if engine == "ray" else default_workers(len(jobs), place)
    work = VocodeWork(
        vocoder=vocoder, checkpoint=checkpoint, config=config, device=place, dtype=dtype, seed=seed, format=chosen,
        subtype=subtype, mono=mono, chunk_frames=chunk_frames, raw=raw, quiet=quiet or len(jobs) > 1,
    )  # fmt: skip
    # Built here even where workers build their own, so that a wrong name or checkpoint is told once, and first.
    name, speak = work.voice()
    precision = getattr(speak, "precision", None)
    if precision is not None and precision.dtype != "fp32":
        say(precision.describe(), quiet=quiet)
    if raw and hasattr(speak, "stream"):
        frames = speak.receptive_field[1]
        say(f"latency: {frames} frames, {1000 * frames * speak.hop_length / speak.sample_rate:.0f} ms", quiet=quiet)
    about = {
        "vocoder": name,
        "checkpoint": checkpoint,
        "device": place,
        "dtype": getattr(precision, "dtype", "fp32"),
        "snr_db": getattr(precision, "snr_db", None),
        "workers": workers,
    }
    # With raw samples on stdout there is no room for JSON.
    as_json = json and not (raw and output in ("-", options.STDIO))
    return run_batch(
        jobs,
        work,
        verb="vocode",
        force=force,
        quiet=quiet,
        as_json=as_json,
        about=about,
        workers=workers,
        engine=engine,
    )
