"""A run's log as charts: what belongs together in one, each with a title that says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ossicle.runs.report.record import is_number
from ossicle.runs.report.sections import Chart, Curves, Line

_NOT_DRAWN = {"step", "utc", "elapsed_s"}


def metric_names(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of a log's numbers, in the order in which they first appear."""
    seen = {name: None for line in metrics for name, value in line.items() if is_number(value)}
    return [name for name in seen if name not in _NOT_DRAWN]


def metric_line(metrics: Sequence[Mapping[str, Any]], metric: str, name: str, colour: int | None = None) -> Line:
    """Return a metric over steps; where a line of the log says null there is a gap."""
    lines = [line for line in metrics if metric in line]
    values = [line[metric] if is_number(line[metric]) else None for line in lines]
    return Line(name, [line["step"] for line in lines], values, colour)


def group(names: Sequence[str]) -> dict[str, list[str]]:
    """Return which metrics share a chart: those whose name begins with another's, with or without ``valid_`` before it.

    ``mel`` and ``valid_mel_l1`` do, and ``valid_error_rate`` and ``valid_error_rate_ema``.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda n: (len(n.removeprefix("valid_")), n.startswith("valid_"))):
        bare = name.removeprefix("valid_")
        home = next((g for g in groups if bare == g or bare.startswith(f"{g}_")), None)
        if home is None:
            groups[bare] = [name]
        else:
            groups[home].append(name)
    return {found[0] if len(found) == 1 else key: found for key, found in groups.items()}


def run_curves(metrics: Sequence[Mapping[str, Any]]) -> Curves | None:
    """Return a run's log as charts; None where it holds no number."""
    names = metric_names(metrics)
    if not names:
        return None
    groups = group(names)
    order = {name: index for index, name in enumerate(names)}
    charts = [
        Chart(title, [metric_line(metrics, name, name) for name in sorted(members, key=order.__getitem__)])
        for title, members in sorted(groups.items(), key=lambda item: min(order[name] for name in item[1]))
    ]
    return Curves("Curves", charts)


def shared_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Curves | None:
    """Return a chart for every metric, with a line for every run that logged it; None where no run logged a number."""
    names = {name: None for metrics in runs.values() for name in metric_names(metrics)}
    charts = [
        Chart(
            name,
            [
                metric_line(log, name, run, colour)
                for colour, (run, log) in enumerate(runs.items())
                if name in metric_names(log)
            ],
        )
        for name in names
    ]
    return Curves("Curves", charts) if charts else None
