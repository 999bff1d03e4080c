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

from ossicle.atomic import write_bytes
from ossicle.audio.files import SUFFIXES
from ossicle.audio.quality import FIGURES, MEASURES
from ossicle.audio.quality.tone import ToneDetector
from ossicle.cli import options
from ossicle.cli.bench_figure import quality_against_speed
from ossicle.cli.bench_report import HEARD, check_output, vocode_page, write_result
from ossicle.cli.bench_speed import measure_speed
from ossicle.cli.console import emit, emit_json, progress, say, table
from ossicle.cli.inputs import Input, expand
from ossicle.cli.speech import load_sound, pad_for
from ossicle.errors import ConfigError, NoInputError, OssicleError, UsageError
from ossicle.runs.environment import describe
from ossicle.runs.report import ORIGINAL, Sound

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
    reference: Annotated[
        list[str] | None, Parameter(help="Folder, files, glob or @list.txt of original sound (default: speed alone).")
    ] = None,
    vocoder: Annotated[
        list[str] | None,
        Parameter(help="NAME or NAME:KEY=VALUE,...; repeat for several (default: the default vocoder)."),
    ] = None,
    checkpoint: options.Checkpoint = None,
    config: options.Config = None,
    measures: Annotated[str, Parameter(help="Comma-separated: mel_l1, mrstft, pesq, stoi, f0.")] = ",".join(MEASURES),
    peer: Annotated[
        list[str] | None, Parameter(help="vocos, speechbrain: published networks with random weights, for speed.")
    ] = None,
    seconds: Annotated[float, Parameter(help="Length of the mel that speed is measured on.")] = 5.0,
    rounds: Annotated[int, Parameter(help="Rounds of the speed measurement; medians are reported.")] = 5,
    threads: Annotated[int | None, Parameter(help="Threads of torch (default: as torch finds them).")] = None,
    memory: Annotated[bool, Parameter(negative="", help="Measure peak memory too, in a process for each.")] = False,
    figure: Annotated[
        str | None, Parameter(help="Write a picture of PESQ (or loss-mel L1) against speed, as .svg.")
    ] = None,
    limit: Annotated[int | None, Parameter(help="Take the first so many files.")] = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    output: Annotated[
        str | None, Parameter(name=["--output", "-o"], help="Write the JSON result here too, and its page beside it.")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Measure vocoders' speed, and their quality on real sound, file by file in turn.

    Speed: every vocoder and peer speaks the same length of mel, in alternating order; beside it the time to a stream's
    first sample. Quality, where --reference is given: each file is analysed by the vocoder's own front end, synthesised, and compared with the original at the vocoder's
    sampling rate: loss-mel L1, multi-resolution STFT distance, wide-band PESQ, STOI, F0 error and voicing F1. Figures
    are means over files with standard deviation. --checkpoint is for the first vocoder named; others may say their own:
    --vocoder griffin-lim:iterations=128, --vocoder istftnet:dtype=bf16. Tones are looked for over all files together.
    """
    chosen = _measures(measures)
    check_output(output)
    files = expand(reference, SUFFIXES)[:limit] if reference else []
    torch.manual_seed(seed)
    if threads is not None:
        torch.set_num_threads(threads)
    speakers = _speakers(vocoder, checkpoint, config, device)
    tones = {name: ToneDetector(speak.sample_rate, speak.hop_length) for name, speak in speakers}
    heard: dict[str, list[Sound]] = {}
    rows, failed = _measure_all(files, speakers, chosen, tones, heard if output else None, quiet=quiet)
    if files and not rows:
        raise NoInputError("no file could be measured", hint="see the errors above")
    summaries = {name: summarise([r for r in rows if r.vocoder == name]) for name, _ in speakers} if rows else {}
    for name, summary in summaries.items():
        summary["tone"] = _tone(tones[name])
    say("measuring speed", quiet=quiet)
    place = options.resolve_device(device)
    speed = measure_speed(speakers, peer or [], seconds=seconds, device=place, rounds=rounds, memory=memory)
    result = {
        "seed": seed,
        "files": len({row.file for row in rows}),
        "failed": failed,
        "vocoders": summaries,
        "speed": speed,
        "rows": [row.__dict__ for row in rows],
        "environment": describe(),
    }
    if output:
        say(write_result(output, result, vocode_page(result, heard)), quiet=quiet)
    if figure:
        write_bytes(Path(figure), _figure(summaries, speed).encode())
        say(f"wrote {figure}", quiet=quiet)
    if json:
        emit_json(result)
    else:
        emit("\n\n".join(filter(None, [render(summaries) if summaries else "", render_speed(speed)])))
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


def _measure_all(
    files: list[Input],
    speakers: Speakers,
    measures: list[str],
    tones: dict[str, ToneDetector],
    heard: dict[str, list[Sound]] | None,
    *,
    quiet: bool,
) -> tuple[list[Row], int]:
    rows: list[Row] = []
    failed = 0
    with progress(len(files) * len(speakers), "bench", quiet=quiet) as advance:
        for index, file in enumerate(files):
            try:
                # Each file starts with another vocoder, so that none profits from the order.
                turn = index % len(speakers)
                for name, speak in [*speakers[turn:], *speakers[:turn]]:
                    kept = _kept(heard, file)
                    rows.append(measure(name, speak, file, measures, tones[name], kept))
                    advance(file.label)
            except OssicleError as error:
                failed += 1
                say(f"failed {file.label}: {error}")
    return rows, failed


def _kept(heard: dict[str, list[Sound]] | None, file: Input) -> list[Sound] | None:
    name = file.below.as_posix()
    if heard is None or (name not in heard and len(heard) >= HEARD):
        return None
    return heard.setdefault(name, [])


def measure(
    name: str, speak: Any, file: Input, measures: Sequence[str], tones: ToneDetector, heard: list[Sound] | None = None
) -> Row:
    """Return what a vocoder makes of one file; a measure that cannot be taken is left out with its reason.

    `heard` receives the sound: the original once, then what each vocoder makes of it.
    """
    sound = load_sound(file, None, speak.front_end, mono=True)
    original = sound.wave[0].numpy()
    mel = speak.mel(pad_for(sound.wave, speak.front_end))
    wave, took = _timed(lambda: speak(mel).cpu())
    row = Row(name, file.below.as_posix(), sound.seconds, took)
    estimate = wave[0, : len(original)].numpy()
    tones.add(original, estimate)
    if heard is not None:
        heard += [] if heard else [Sound(ORIGINAL, original, speak.sample_rate)]
        heard.append(Sound(name, estimate, speak.sample_rate))
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
    tones = {name: summary.get("tone") or {} for name, summary in vocoders.items()}
    header = (
        "vocoder",
        *(f"{FIGURES[f][0]} {'↑' if FIGURES[f][1] else '↓'}" for f in figures),
        "tone (dB)",
        "x real time",
    )
    rows = []
    for name, summary in vocoders.items():
        cells = [f"{summary[f]['mean']:.3f} ± {summary[f]['sd']:.3f}" if f in summary else "-" for f in figures]
        tone = (
            f"{tones[name]['db']:.1f}" + (f" at {tones[name]['hz']:.0f} Hz" if tones[name]["found"] else "")
            if tones[name]
            else "-"
        )
        rows.append((name, *cells, tone, f"{summary['times_real_time']:.1f}"))
    notes = [f"{name}: not measured: {note}" for name, summary in vocoders.items() for note in summary["not_measured"]]
    return "\n".join([table(rows, header), *notes])


def render_speed(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of speeds that people read."""
    header = ("vocoder", "x real time", "first sample (ms)", "of it computing", "SNR (dB)", "peak memory (MiB)")
    cells = [
        (
            row["name"],
            f"{row['times_real_time']:.1f}",
            _number(row["first_sample_s"], 1000, 0),
            _number(row["first_sample_computing_s"], 1000, 1),
            _number(row["snr_db"], 1, 1),
            _number(row["peak_memory_mib"], 1, 0),
        )
        for row in rows
    ]
    return table(cells, header)


def _number(value: float | None, factor: float, digits: int) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"


def _tone(detector: ToneDetector) -> dict[str, Any] | None:
    try:
        tone = detector.result()
    except OssicleError:
        return None
    return {"db": tone.db, "hz": tone.hz, "found": tone.found}


def _figure(vocoders: dict[str, dict[str, Any]], speed: Sequence[dict[str, Any]]) -> str:
    quality = next((f for f in ("pesq_wb", "mel_l1") if any(f in summary for summary in vocoders.values())), None)
    if quality is None:
        raise UsageError("there is no quality to draw", hint="give --reference, and pesq or mel_l1 among --measures")
    points = [
        (row["name"], row["times_real_time"], vocoders[row["name"]][quality]["mean"])
        for row in speed
        if quality in vocoders.get(row["name"], {})
    ]
    return quality_against_speed(points, FIGURES[quality][0])
