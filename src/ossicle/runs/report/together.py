"""Sections that recipes added, of several runs: what can share a table or a chart does, the rest stands run after run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ossicle.runs.report.drawing import COLOURS
from ossicle.runs.report.samples import ORIGINAL
from ossicle.runs.report.sections import Chart, Curves, Facts, Histogram, Section, Sound, Sounds, Stream, Table

_LINES = 2 * COLOURS
"""Lines of one chart that can be told apart: every colour, plain and dashed."""


def together(runs: Mapping[str, Sequence[Section]]) -> list[Section]:
    """Return the sections of runs by name: those of one title and kind together, in the order in which titles first appear."""
    order = {(type(one), one.title): None for sections in runs.values() for one in sections}
    found: list[Section] = []
    for kind, title in order:
        # A run that has a title twice has its sections run after run too.
        named = [(run, one) for run, own in runs.items() for one in own if (type(one), one.title) == (kind, title)]
        alone = len({run for run, _ in named}) < len(named)
        merged = None if alone or len(named) < 2 else _merged(title, dict(named))
        found += [merged] if merged else [replace(one, title=f"{title}: {run}") for run, one in named]
    return found


def _merged(title: str, sections: Mapping[str, Section]) -> Section | None:
    """Return one section of several of one kind, or None where they cannot share one."""
    first = next(iter(sections.values()))
    note = _notes(getattr(one, "note", "") for one in sections.values())
    if isinstance(first, Facts):
        facts = {run: one for run, one in sections.items() if isinstance(one, Facts)}
        keys = {key: None for one in facts.values() for key in one.items}
        return Table(title, ("name", *facts), [[k, *(one.items.get(k) for one in facts.values())] for k in keys], note)
    if isinstance(first, Table):
        tables = {run: one for run, one in sections.items() if isinstance(one, Table)}
        if len({tuple(one.columns) for one in tables.values()}) > 1:
            return None
        return Table(
            title, ("run", *first.columns), [[run, *row] for run, one in tables.items() for row in one.rows], note
        )
    if isinstance(first, Histogram):
        histograms = {run: one for run, one in sections.items() if isinstance(one, Histogram)}
        groups = {f"{run}: {name}": values for run, one in histograms.items() for name, values in one.groups.items()}
        alike = len({(one.threshold, one.x_label, one.bins) for one in histograms.values()}) == 1
        return replace(first, groups=groups, note=note) if alike and len(groups) <= COLOURS else None
    if isinstance(first, Stream):
        streams = {run: one for run, one in sections.items() if isinstance(one, Stream)}
        errors = {f"{run}: {name}": values for run, one in streams.items() for name, values in one.errors.items()}
        alike = len({(one.window, tuple(map(tuple, one.marks))) for one in streams.values()}) == 1
        return replace(first, errors=errors, note=note) if alike and len(errors) <= _LINES else None
    if isinstance(first, Curves):
        return _curves(title, {run: one for run, one in sections.items() if isinstance(one, Curves)}, note)
    if isinstance(first, Sounds):
        return _sounds(first, {run: one for run, one in sections.items() if isinstance(one, Sounds)}, note)
    return None


def _notes(notes: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(filter(None, notes)))


def _curves(title: str, sections: Mapping[str, Curves], note: str) -> Curves:
    """Return a chart with every run's lines where they can be told apart, else a chart of each run."""
    names = {chart.title: None for one in sections.values() for chart in one.charts}
    charts: list[Chart] = []
    for name in names:
        own = [(run, chart) for run, one in sections.items() for chart in one.charts if chart.title == name]
        lines = [replace(line, name=f"{run}: {line.name}", colour=None) for run, chart in own for line in chart.lines]
        axes = {(c.x_label, c.y_label, c.x_log, tuple(map(tuple, c.marks))) for _, c in own}
        if len(axes) == 1 and len(lines) <= _LINES:
            charts.append(replace(own[0][1], lines=lines))
        else:
            charts += [replace(chart, title=f"{name}: {run}") for run, chart in own]
    return Curves(title, charts, note)


def _sounds(first: Sounds, sections: Mapping[str, Sounds], note: str) -> Sounds:
    clips: dict[str, list[Sound]] = {}
    for run, one in sections.items():
        for clip, sounds in one.clips.items():
            heard = clips.setdefault(clip, [])
            for sound in sounds:
                shared = sound.label == ORIGINAL and any(known.label == ORIGINAL for known in heard)
                if not shared:
                    label = sound.label if sound.label == ORIGINAL else f"{run}: {sound.label}"
                    heard.append(replace(sound, label=label))
    return replace(first, clips=clips, note=note)
