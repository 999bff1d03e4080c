"""What `ossicle bench` measured, as a page beside its JSON: tables, pictures, and sound to hear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ossicle.audio.quality import FIGURES
from ossicle.errors import UsageError
from ossicle.runs.folder import write_json
from ossicle.runs.report import Chart, Curves, Line, Page, Section, Sound, Sounds, Table, Text, write_page
from ossicle.runs.report.from_files import command_section, environment_section
from ossicle.runs.report.record import flat

HEARD = 4
"""Files that a page holds sound of."""

_SPEEDS = (
    ("times_real_time", "× real time", 1.0),
    ("first_sample_s", "first sample (ms)", 1000.0),
    ("first_sample_computing_s", "of it computing (ms)", 1000.0),
    ("snr_db", "SNR (dB)", 1.0),
    ("peak_memory_mib", "peak memory (MiB)", 1.0),
)


def check_output(output: str | None) -> None:
    """Refuse a result that would be written over by its own page, before anything is measured.

    Raises
    ------
    UsageError
        If the name ends with ``.html``.
    """
    if output and Path(output).suffix.lower() == ".html":
        raise UsageError(
            f"the result cannot be called {output}",
            why="-o names the JSON result",
            hint="its page gets .html by itself",
        )


def write_result(output: str, result: Mapping[str, Any], page: Page) -> str:
    """Write a measurement as JSON and its page beside it; return what to tell."""
    path = write_json(Path(output), result)
    return f"wrote {path} and {write_page(path.with_suffix('.html'), page)}"


def vocode_page(result: Mapping[str, Any], heard: Mapping[str, Sequence[Sound]]) -> Page:
    """Return the page of `ossicle bench vocode`."""
    vocoders: Mapping[str, Mapping[str, Any]] = result["vocoders"]
    figures = [name for name in FIGURES if any(name in summary for summary in vocoders.values())]
    found: list[Section] = []
    if vocoders:
        found += [_quality(vocoders, figures, result["files"]), _against_speed(vocoders, figures, result["speed"])]
    found.append(_speed(result["speed"]))
    notes = [f"{name}: {why}" for name, summary in vocoders.items() for why in summary["not_measured"]]
    if notes:
        found.append(Text("Not measured", notes, notice=True))
    if heard:
        found.append(Sounds("Sounds", heard, limit=HEARD, note=_of(len(heard), result["files"])))
    if figures:
        rows = [
            [r["file"], r["vocoder"], r["seconds"], *(r["figures"].get(f) for f in figures)] for r in result["rows"]
        ]
        found.append(Table("File by file", ("file", "vocoder", "seconds", *map(_head, figures)), rows))
    return Page("Vocoders, measured", [*found, *_origin(result)], _what(result))


def kernels_page(result: Mapping[str, Any]) -> Page:
    """Return the page of `ossicle bench kernels`."""
    rows = [
        [
            r["kernel"],
            r["arguments"],
            _scaled(r["reference_s"], 1e6),
            _scaled(r["accelerated_s"], 1e6),
            r["ratio"],
            r["reason"],
        ]
        for r in result["rows"]
    ]
    columns = ("kernel", "arguments", "reference (µs)", "fast (µs)", "times as fast", "why not")
    table = Table("Kernels", columns, rows, f"Medians of {result['rounds']} rounds, in turn, on {result['device']}.")
    return Page("Kernels, measured", [table, *_origin(result)], "Every fast path beside its reference.")


def _quality(vocoders: Mapping[str, Mapping[str, Any]], figures: Sequence[str], files: int) -> Table:
    rows = []
    for name, summary in vocoders.items():
        measured = [summary.get(f, {}) for f in figures]
        # One file has no spread.
        cells = [cell for m in measured for cell in (m.get("mean"), m["sd"] if m.get("n", 0) > 1 else None)]
        tone = summary.get("tone") or {}
        rows.append(
            [name, *cells, tone.get("db"), tone.get("hz") if tone.get("found") else None, summary["times_real_time"]]
        )
    heads = [head for f in figures for head in (_head(f), "sd")]
    note = f"Means and standard deviations over {_files(files)}; arrows point to the better side."
    return Table("Quality", ("vocoder", *heads, "tone (dB) ↓", "at (Hz)", "× real time ↑"), rows, note)


def _against_speed(
    vocoders: Mapping[str, Mapping[str, Any]], figures: Sequence[str], speed: Sequence[Mapping[str, Any]]
) -> Curves:
    """Return a chart for each figure with a dot for each vocoder."""
    fast = {row["name"]: row["times_real_time"] for row in speed}
    charts = [
        Chart(
            _head(figure),
            [
                Line(name, [fast[name]], [summary.get(figure, {}).get("mean")], colour)
                for colour, (name, summary) in enumerate(vocoders.items())
            ],
            "times real time",
        )
        for figure in figures
    ]
    return Curves("Quality against speed", charts)


def _speed(rows: Sequence[Mapping[str, Any]]) -> Table:
    cells = [[row["name"], *(_scaled(row[key], factor) for key, _, factor in _SPEEDS)] for row in rows]
    note = "Every vocoder speaks the same length of mel, in alternating order; medians."
    return Table("Speed", ("vocoder", *(head for _, head, _ in _SPEEDS)), cells, note)


def _head(figure: str) -> str:
    name, higher_is_better = FIGURES[figure]
    return f"{name} {'↑' if higher_is_better else '↓'}"


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _of(heard: int, files: int) -> str:
    return f"The first {heard} of {files} files." if files > heard else ""


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


def _what(result: Mapping[str, Any]) -> str:
    failed = f", {result['failed']} failed" if result["failed"] else ""
    return f"{_files(result['files'])}{failed}, seed {result['seed']}." if result["files"] else "Speed alone."


def _origin(result: Mapping[str, Any]) -> list[Section]:
    environment = flat(result["environment"])
    return [command_section(environment.pop("command")), environment_section(environment)]
