"""Results of a drift recipe: a row for every adapter, stream and domain, and tables of means over them."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from ossicle.atomic import write_bytes
from ossicle.runs.environment import PACKAGES, describe
from ossicle.runs.folder import write_json
from ossicle.runs.report import leave_report
from ossicle_unmix_tns.drift import page
from ossicle_unmix_tns.drift.claims import check_claims
from ossicle_unmix_tns.drift.evaluate import DomainResult
from ossicle_unmix_tns.drift.features import Features
from ossicle_unmix_tns.drift.figures import draw_lines
from ossicle_unmix_tns.drift.rows import COLUMNS, Row, corrupted, read_rows, summarise
from ossicle_unmix_tns.streams.protocol import StreamProtocol

RESULTS, SUMMARY, PROTOCOLS = "results.csv", "summary.csv", "protocols.json"
_PLUGIN = "ossicle-unmix-tns"


class ResultTable:
    """Rows in ``results.csv``, and the protocols of their streams beside it; what is there is taken up again.

    Parameters
    ----------
    folder
        Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows = folder, read_rows(folder / RESULTS)
        self._done = {(row.seed, row.adapter, row.stream) for row in self.rows}

    def has(self, seed: int, adapter: str, stream: str) -> bool:
        """Return whether a stream's rows are there."""
        return (seed, adapter, stream) in self._done

    def add(
        self, seed: int, adapter: str, stream: str, protocol: StreamProtocol, results: Sequence[DomainResult]
    ) -> None:
        """Add a stream's rows and write the file, whole or not at all."""
        for r in results:
            own = (r.corruption, r.severity, r.windows, r.error, r.over_stream, protocol.name)
            self.rows.append(Row(seed, stream, protocol.batch_size, adapter, *own))
        self._done.add((seed, adapter, stream))
        write_table(self.folder / RESULTS, COLUMNS, [row.cells() for row in self.rows])
        file = self.folder / PROTOCOLS
        known = read_protocols(file)
        known[protocol.name] = protocol
        write_json(file, {name: known[name].to_dict() for name in sorted(known)})


def read_protocols(file: Path) -> dict[str, StreamProtocol]:
    """Return the protocols beside a results file, by name."""
    import json

    found = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return {name: StreamProtocol.from_dict(values) for name, values in found.items()}


def write_table(file: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a CSV file, whole or not at all."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    write_bytes(file, text.getvalue().encode())


def write_results(
    folder: Path, table: ResultTable, say: Callable[[str], None], features: Features | None = None
) -> None:
    """Write ``summary.csv``, ``claims.json``, ``environment.json``, the figures and ``report.html`` of what is there.

    `features` are what was heard, for sounds in the report; None leaves them out.
    """
    rows = table.rows
    streams, adapters = _in_order(row.stream for row in rows), _in_order(row.adapter for row in rows)
    summaries, claims = summarise(rows), check_claims(rows)
    lines = [
        [
            s.stream,
            str(s.batch_size),
            s.adapter,
            str(s.seeds),
            "" if s.clean is None else f"{s.clean:.2f}",
            f"{s.corrupted:.2f}",
            f"{s.spread:.2f}",
        ]
        for s in summaries
    ]
    columns = ("stream", "batch_size", "adapter", "seeds", "clean_error", "corrupted_error", "spread_over_seeds")
    write_table(folder / SUMMARY, columns, lines)
    write_json(folder / "claims.json", claims)
    write_json(folder / "environment.json", describe((*PACKAGES, _PLUGIN)))
    protocols = read_protocols(folder / PROTOCOLS)
    _figure_over_stream(folder, rows, streams, adapters)
    drawn = {}
    for what, label in (("delta", "delta"), ("batch_size", "batch size")):
        if against := _against(rows, protocols, adapters, what):
            drawn[label] = against
            title = f"error against {label}, mean of all corruptions"
            text = draw_lines(against, title=title, x=label, y="error (%)", log=True)
            write_bytes(folder / f"error-against-{label.replace(' ', '-')}.svg", text.encode())
    found = page.sections(rows, protocols, summaries, claims, drawn)
    heard = page.sounds(features, rows) if features is not None else None
    leave_report(folder, [*found, heard] if heard else found, say=say)


def _in_order(names: object) -> list[str]:
    return list(dict.fromkeys(names))  # type: ignore[call-overload]


def _figure_over_stream(folder: Path, rows: Sequence[Row], streams: Sequence[str], adapters: Sequence[str]) -> None:
    for stream in streams:
        lines = {}
        for adapter in adapters:
            own = [r.over_stream for r in rows if (r.stream, r.adapter) == (stream, adapter) and corrupted(r)]
            if own:
                lines[adapter] = [(at + 0.5, statistics.fmean(c)) for at, c in enumerate(zip(*own, strict=False))]
        if lines:
            title = f"error over the stream, mean of all corruptions: {stream}"
            text = draw_lines(lines, title=title, x="eighth of the stream", y="error (%)")
            write_bytes(folder / f"error-over-stream-{stream}.svg", text.encode())


def _against(
    rows: Sequence[Row], protocols: dict[str, StreamProtocol], adapters: Sequence[str], what: str
) -> dict[str, list[tuple[float, float]]]:
    """Return by adapter the error against delta (at batch 64), or against the batch size (at delta 0.1), in Dirichlet orders.

    Nothing where there is one value of it alone.
    """
    fixed = {"delta": ("batch_size", 64), "batch_size": ("delta", 0.1)}[what]
    chosen = {
        name: float(getattr(p, what))
        for name, p in protocols.items()
        if p.setting == "single" and p.order.startswith("dirichlet") and getattr(p, fixed[0]) == fixed[1]
    }
    if len(set(chosen.values())) < 2:
        return {}
    lines = {}
    for adapter in adapters:
        points: dict[float, list[float]] = {}
        for row in rows:
            if row.adapter == adapter and row.protocol in chosen and corrupted(row):
                points.setdefault(chosen[row.protocol], []).append(row.error)
        if points:
            lines[adapter] = [(x, statistics.fmean(points[x])) for x in sorted(points)]
    return lines
