"""A drift run's report: errors of every stream and adapter, how they go over the stream, and what the corruptions sound like."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ossicle.runs.report import ORIGINAL, Chart, Curves, Line, Section, Sound, Sounds, Table, Text
from ossicle_unmix_tns.drift.features import Features
from ossicle_unmix_tns.drift.rows import Row, Summary, corrupted
from ossicle_unmix_tns.streams.protocol import CLEAN, StreamProtocol

_SECONDS = 5.0
"""Of each corrupted sound: a run has some fifteen of them."""


def sections(
    rows: Sequence[Row],
    protocols: Mapping[str, StreamProtocol],
    summaries: Sequence[Summary],
    claims: Mapping[str, Mapping[str, Any]],
    against: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
) -> list[Section]:
    """Return the sections of what is there.

    Parameters
    ----------
    rows, protocols
        Of a results file, and of the file beside it.
    summaries
        Means over corruptions and seeds.
    claims
        See `ossicle_unmix_tns.drift.claims.check_claims`.
    against
        By what it is drawn against, lines by adapter.
    """
    if not rows:
        return [Text("Errors", ["No stream has been measured."], notice=True)]
    columns = ("stream", "batch", "adapter", "seeds", "clean, error %", "corrupted, error %", "spread over seeds")
    cells = [(s.stream, s.batch_size, s.adapter, s.seeds, s.clean, s.corrupted, s.spread) for s in summaries]
    note = "Means over corruptions and seeds; the spread is the standard deviation of the seeds' means."
    found: list[Section] = [Table("Errors", columns, cells, note)]
    if claims:
        found.append(_claims(claims))
    found.append(_over_stream(rows, protocols))
    charts = [
        Chart(
            f"against {what}",
            [Line(name, *_split(points)) for name, points in lines.items()],
            what,
            "error %",
            (),
            True,
        )
        for what, lines in against.items()
    ]
    if charts:
        found.append(
            Curves("Error against delta and batch size", charts, "Means of all corruptions, Dirichlet orders.")
        )
    return [*found, *_by_corruption(rows)]


def _split(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _claims(claims: Mapping[str, Mapping[str, Any]]) -> Table:
    rows: list[list[str | bool]] = []
    for claim, told in claims.items():
        figures = ", ".join(
            f"{name}: {_told(value)}" for name, value in told.items() if name != "holds" and value != []
        )
        rows.append([claim, bool(told["holds"]), figures])
    return Table("Claims", ("claim", "holds", "figures"), rows, "Of the streams and adapters that are there.")


def _told(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _over_stream(rows: Sequence[Row], protocols: Mapping[str, StreamProtocol]) -> Curves:
    """Return a chart of each stream: eighths of it in the mean of the corruptions, or one corruption after the other."""
    colours = {adapter: at for at, adapter in enumerate(dict.fromkeys(row.adapter for row in rows))}
    charts = []
    for stream in dict.fromkeys(row.stream for row in rows):
        own = [row for row in rows if row.stream == stream and row.over_stream]
        protocol = protocols.get(own[0].protocol) if own else None
        if protocol is not None and protocol.setting == "continual":
            charts.append(_one_after_the_other(stream, own, protocol, colours))
            continue
        if protocol is not None and protocol.setting == "gradual":
            charts.append(_by_severity(stream, own, colours))
            continue
        lines = []
        for adapter in dict.fromkeys(row.adapter for row in own):
            parts = [row.over_stream for row in own if row.adapter == adapter and corrupted(row)]
            if parts:
                means = [statistics.fmean(column) for column in zip(*parts, strict=False)]
                lines.append(Line(adapter, range(1, len(means) + 1), means, colours[adapter]))
        if lines:
            charts.append(Chart(stream, lines, "eighth of the stream", "error %"))
    note = (
        "Each adapter starts anew for each corruption, but in streams with upright lines: there they follow each other."
    )
    return Curves("Error over the stream", charts, note)


def _by_severity(stream: str, rows: Sequence[Row], colours: Mapping[str, int]) -> Chart:
    """Return the error at each severity of a gradual stream, which goes up to the highest and down again."""
    levels = sorted({row.severity for row in rows if corrupted(row)})
    lines = []
    for adapter in dict.fromkeys(row.adapter for row in rows):
        by_level = [[r.error for r in rows if (r.adapter, r.severity) == (adapter, level)] for level in levels]
        means = [statistics.fmean(errors) if errors else None for errors in by_level]
        lines.append(Line(adapter, levels, means, colours[adapter]))
    return Chart(stream, lines, "severity", "error %")


def _one_after_the_other(
    stream: str, rows: Sequence[Row], protocol: StreamProtocol, colours: Mapping[str, int]
) -> Chart:
    lines: list[Line] = []
    marks: list[tuple[float, str]] = []
    for adapter in dict.fromkeys(row.adapter for row in rows):
        means: list[float] = []
        marks = []
        for domain in protocol.heard():
            own = (row for row in rows if (row.adapter, row.corruption, row.severity) == (adapter, *domain))
            marks.append((len(means) + 1, f"{domain[0]} {domain[1]}"))
            means += [statistics.fmean(column) for column in zip(*(row.over_stream for row in own), strict=False)]
        lines.append(Line(adapter, range(1, len(means) + 1), means, colours[adapter]))
    return Chart(stream, lines, "eighths of each corruption", "error %", marks)


def _by_corruption(rows: Sequence[Row]) -> list[Section]:
    tables: list[Section] = []
    for stream in dict.fromkeys(row.stream for row in rows):
        own = [row for row in rows if row.stream == stream]
        adapters = list(dict.fromkeys(row.adapter for row in own))
        errors: dict[tuple[str, int], dict[str, list[float]]] = {}
        for row in own:
            errors.setdefault((row.corruption, row.severity), {}).setdefault(row.adapter, []).append(row.error)
        cells = [
            [
                name,
                severity,
                *(statistics.fmean(found[adapter]) if adapter in found else None for adapter in adapters),
            ]
            for (name, severity), found in errors.items()
        ]
        columns = ("corruption", "severity", *adapters)
        tables.append(Table(f"By corruption: {stream}", columns, cells, "Error in %, means over seeds."))
    return tables


def sounds(features: Features, rows: Sequence[Row]) -> Sounds | None:
    """Return a clip that was heard, as it is and through the corruptions of the rows; the highest severity of each."""
    if not len(features.windows):
        return None
    worst: dict[str, int] = {}
    for row in rows:
        if corrupted(row):
            worst[row.corruption] = max(row.severity, worst.get(row.corruption, 0))
    clip, rate = int(features.windows.clip[0]), features.front_end.sample_rate
    heard = [Sound(ORIGINAL, features.waves([clip], *CLEAN)[0].numpy(), rate)]
    for name, severity in worst.items():
        heard.append(Sound(f"{name} {severity}", features.waves([clip], name, severity)[0].numpy(), rate))
    return Sounds("Corruptions", {features.clips.keys([clip])[0]: heard}, seconds=_SECONDS)
