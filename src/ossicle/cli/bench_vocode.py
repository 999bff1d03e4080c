"""`ossicle bench vocode`: analysis, synthesis, and how far the result is from the original."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter

from ossicle.audio.files import SUFFIXES
from ossicle.audio.quality import FIGURES, MEASURES
from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, progress, say, table
from ossicle.cli.inputs import Input, expand
from ossicle.cli.speech import load_sound, pad_for
from ossicle.errors import ConfigError, NoInputError, OssicleError, UsageError
from ossicle.runs.environment import describe
from ossicle.runs.folder import write_json

Speakers = Sequence[tuple[str, Any]]


@dataclass
class Row:
    """What one vocoder made of one file: figures, and reasons for those that could not be measured."""

    vocoder: str
    file: str
    seconds: float
    synthesis_s: float
    figures: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def bench_vocode(
    *,
    reference: Annotated[list[str], Parameter(help="Folder, files, glob or @list.txt of original sound.")],
    vocoder: Annotated[
        list[str] | None,
        Parameter(help="NAME or NAME:KEY=VALUE,...; repeat for several (default: the default vocoder)."),
    ] = None,
    checkpoint: options.Checkpoint = None,
    config: options.Config = None,
    measures: Annotated[str, Parameter(help="Comma-separated: mel_l1, mrstft, pesq, stoi, f0.")] = ",".join(MEASURES),
    limit: Annotated[int | None, Parameter(help="Take the first so many files.")] = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    output: Annotated[str | None, Parameter(name=["--output", "-o"], help="Write the JSON result here too.")] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Measure vocoders' quality and speed on real sound, file by file in turn.

    Each file is analysed by the vocoder's own front end, synthesised, and compared with the original at the vocoder's
    sampling rate: loss-mel L1, multi-resolution STFT distance, wide-band PESQ, STOI, F0 error and voicing F1. Figures
    are means over files with standard deviation. --checkpoint is for the first vocoder named; others may say their own:
    --vocoder griffin-lim:iterations=128.
    """
    chosen = _measures(measures)
    files = expand(reference, SUFFIXES)[:limit]
    torch.manual_seed(seed)
    speakers = _speakers(vocoder, checkpoint, config, device)
    rows, failed = _measure_all(files, speakers, chosen, quiet=quiet)
    if not rows:
        raise NoInputError("no file could be measured", hint="see the errors above")
    summaries = {name: summarise([row for row in rows if row.vocoder == name]) for name, _ in speakers}
    result = {
        "seed": seed,
        "files": len({row.file for row in rows}),
        "failed": failed,
        "vocoders": summaries,
        "rows": [row.__dict__ for row in rows],
        "environment": describe(),
    }
    if output:
        write_json(Path(output), result)
        say(f"wrote {output}", quiet=quiet)
    if json:
        emit_json(result)
    else:
        emit(render(summaries))
    return 3 if failed else 0


def _measures(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in MEASURES]
    if unknown or not names:
        raise UsageError(
            f"no measure is called {', '.join(unknown) or 'nothing'}", hint=f"choose from {', '.join(MEASURES)}"
        )
    return names


def _speakers(specs: list[str] | None, checkpoint: str | None, config: str | None, device: str) -> Speakers:
    speakers: dict[str, Any] = {}
    for index, spec in enumerate(specs or [""]):
        name, settings = options.parse_spec(spec)
        first = {"checkpoint": checkpoint, "config": config} if index == 0 else {}
        found, built = options.build_vocoder(name or None, device=device, **{**first, **settings})
        label = spec or found
        if label in speakers:
            raise ConfigError(f"the vocoder {label} is named twice")
        speakers[label] = built
    return list(speakers.items())


def _measure_all(files: list[Input], speakers: Speakers, measures: list[str], *, quiet: bool) -> tuple[list[Row], int]:
    rows: list[Row] = []
    failed = 0
    with progress(len(files) * len(speakers), "bench", quiet=quiet) as advance:
        for index, file in enumerate(files):
            try:
                # Each file starts with another vocoder, so that none profits from the order.
                turn = index % len(speakers)
                for name, speak in [*speakers[turn:], *speakers[:turn]]:
                    rows.append(measure(name, speak, file, measures))
                    advance(file.label)
            except OssicleError as error:
                failed += 1
                say(f"failed {file.label}: {error}")
    return rows, failed


def measure(name: str, speak: Any, file: Input, measures: Sequence[str]) -> Row:
    """Return what a vocoder makes of one file; a measure that cannot be taken is left out with its reason."""
    sound = load_sound(file, None, speak.front_end, mono=True)
    original = sound.wave[0].numpy()
    mel = speak.mel(pad_for(sound.wave, speak.front_end))
    wave, took = _timed(lambda: speak(mel).cpu())
    row = Row(name, file.below.as_posix(), sound.seconds, took)
    estimate = wave[0, : len(original)].numpy()
    for measure_name in measures:
        try:
            figures = MEASURES[measure_name](original, estimate, speak.sample_rate)
        except OssicleError as error:
            row.reasons[measure_name] = error.what + (f": {error.why}" if error.why else "")
        else:
            row.figures |= {key: value for key, value in figures.items() if np.isfinite(value)}
            row.reasons |= {key: "not finite" for key, value in figures.items() if not np.isfinite(value)}
    return row


def _timed(work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Return mean, standard deviation and 95 % interval (normal) of each figure over files, and the median speed."""
    summary: dict[str, Any] = {}
    for figure in FIGURES:
        values = [row.figures[figure] for row in rows if figure in row.figures]
        if not values:
            continue
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        summary[figure] = {
            "mean": statistics.fmean(values),
            "sd": deviation,
            "ci95": 1.96 * deviation / len(values) ** 0.5,
            "n": len(values),
        }
    summary["times_real_time"] = statistics.median(row.seconds / row.synthesis_s for row in rows)
    summary["not_measured"] = sorted({f"{name}: {why}" for row in rows for name, why in row.reasons.items()})
    return summary


def render(vocoders: dict[str, dict[str, Any]]) -> str:
    """Return the table that people read."""
    figures = [figure for figure in FIGURES if any(figure in summary for summary in vocoders.values())]
    header = ("vocoder", *(f"{FIGURES[f][0]} {'↑' if FIGURES[f][1] else '↓'}" for f in figures), "x real time")
    rows = []
    for name, summary in vocoders.items():
        cells = [f"{summary[f]['mean']:.3f} ± {summary[f]['sd']:.3f}" if f in summary else "-" for f in figures]
        rows.append((name, *cells, f"{summary['times_real_time']:.1f}"))
    notes = [f"{name}: not measured: {note}" for name, summary in vocoders.items() for note in summary["not_measured"]]
    return "\n".join([table(rows, header), *notes])
