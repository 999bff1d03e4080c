"""`ossicle corrupt`: sound in, worse sound out."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.batch import run_batch
from ossicle.cli.inputs import expand, is_search
from ossicle.cli.outputs import Job, plan, sound_format
from ossicle.errors import UsageError
from ossicle.registry import default_registry


def corrupt(
    inputs: Annotated[list[str], Parameter(name="IN", help="Files, folders, quoted globs, @list.txt, or - for stdin.")],
    /,
    *,
    output: options.Output,
    type: Annotated[str, Parameter(help="A corruption, with settings where it takes any: environment:folder=noises/.")],
    severity: Annotated[int, Parameter(help="1 (slight) to 5 (hard).")] = 3,
    format: options.SoundFormat = None,
    subtype: options.Subtype = None,
    seed: options.Seed = 0,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Make sound worse, as rooms, devices, codecs and noise do.

    Rate, length and channels stay. What is random depends on a file's name, the type, the severity and the seed alone: the same
    file is changed in the same way every time.

    Examples:
      ossicle corrupt speech.flac -o noisy.wav --type white-noise --severity 4
      ossicle corrupt clips/ -o worse/ --type environment:folder=noises/ --severity 2
    """
    # Heavy imports wait until there is work, so that --help is quick.
    import torch

    from ossicle.audio import files

    name, settings = options.parse_spec(type)
    change = default_registry().build("corruption", name, **settings)
    if severity not in range(1, 6):
        raise UsageError(f"--severity {severity}", why="severities go from 1 (slight) to 5 (hard)")
    found = expand(inputs, files.SUFFIXES)
    chosen = sound_format(format, output)
    jobs = plan(found, output, suffix=f".{chosen}", searched=is_search(inputs))

    def work(job: Job) -> dict[str, Any]:
        source = job.source
        clip = files.decode(source.read_bytes()) if source.path is None else files.read(source.path)
        key = source.below.name if seed == 0 else f"{source.below.name}/{seed}"
        # Channels share a key: noise and losses reach both ears alike.
        keys = [key] * len(clip.samples)
        worse = change(torch.from_numpy(clip.samples), sample_rate=clip.sample_rate, severity=severity, keys=keys)
        data, report = files.encode(worse.numpy(), clip.sample_rate, format=chosen, subtype=subtype)
        job.write(data)
        return {"sample_rate": clip.sample_rate, "samples": worse.shape[1], "clipped": report.clipped}

    about = {"type": name, "settings": settings, "severity": severity, "seed": seed}
    return run_batch(jobs, work, verb="corrupt", force=force, quiet=quiet, as_json=json, about=about)
