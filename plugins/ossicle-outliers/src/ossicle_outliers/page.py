"""The page of `ossicle outliers score`: the worst clips to hear and to look at, or the worst rows, made of the report's parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.runs.environment import describe
from ossicle.runs.report import Histogram, Page, Section, Table, Text, write_page
from ossicle_outliers.hearing import heard
from ossicle_outliers.manifest import Entry

_DRAWN = 20_000
"""Scores of each group that the histogram goes over: of more, as many at even places of the sorted ones."""
_FAR = 12
"""Quartile ranges above the median where the histogram ends: one far score would squeeze the others into a single bar."""


def write_scores_page(
    path: Path,
    entries: Sequence[Entry],
    *,
    scores: npt.NDArray[np.float64],
    left_out: int,
    threshold: float | None,
    about: Mapping[str, Any],
    sounds: bool,
) -> None:
    """Write the page.

    Parameters
    ----------
    entries
        The ones to show, the worst first.
    scores
        Of everything that was scored, for the histogram.
    left_out
        How many of the highest are to be left out.
    threshold
        Where the line is drawn; None: none is.
    about
        Facts for the head: name and value.
    sounds
        Whether entries are sound files, to be heard and seen.
    """
    found: list[Section] = [histogram(scores, left_out, threshold)]
    if sounds:
        groups = {"To be left out": [e for e in entries if not e.keep], "Kept": [e for e in entries if e.keep]}
        clips = {
            name: {f"{e.rank}. {Path(e.path).name}, score {e.score:.5g}": Path(e.path) for e in own}
            for name, own in groups.items()
            if own
        }
        found.append(heard("To hear", clips, "The first ten seconds of each at most, at 16 kHz at most."))
    found += [_ranking(entries, sounds), Text("Command", code=describe()["command"])]
    title = f"What does not belong: the {len(entries)} highest of {len(scores)} scores"
    write_page(path, Page(title, found, "Higher is more abnormal; nothing was deleted.", about))


def _ranking(entries: Sequence[Entry], sounds: bool) -> Table:
    columns = ["rank", "score", "keep", "clip" if sounds else "row"]
    if not any(entry.terms for entry in entries):
        return Table("Ranking", columns, [_cells(entry) for entry in entries])
    columns += ["what stands out", "by distance", "by uncertainty"]
    rows: list[list[Any]] = []
    for entry in entries:
        first = entry.terms[0] if entry.terms else None
        others = ", ".join(term.column for term in entry.terms[:3])
        parts = (first.bias, first.uncertainty) if first else (None, None)
        rows.append([*_cells(entry), others or None, *parts])
    note = "The three columns that add most to a score; what the first of them adds by its distance and by how sure the model was."
    return Table("Ranking", columns, rows, note)


def _cells(entry: Entry) -> list[Any]:
    return [entry.rank, entry.score, entry.keep, entry.path if entry.row is None else entry.row]


def histogram(scores: npt.NDArray[np.float64], left_out: int, threshold: float | None) -> Histogram:
    """Return how scores are spread, those that are kept beside those to be left out."""
    ordered = np.sort(scores)
    quartiles = np.percentile(ordered, [25, 75])
    cut = float(np.median(ordered) + _FAR * max(quartiles[1] - quartiles[0], 1e-12))
    far = int((ordered > cut).sum())
    # A threshold far off stays where it is, and what is above it with it.
    if threshold is not None and threshold > cut:
        cut, far = float(ordered[-1]), 0
    split = len(ordered) - left_out
    groups = {"kept": _some(ordered[:split]), "left out": _some(ordered[split:])}
    note = f"The last bar holds {far} scores up to {ordered[-1]:.4g}." if far else ""
    drawn = {name: np.minimum(own, cut).tolist() for name, own in groups.items() if len(own)}
    return Histogram("Scores", drawn, threshold=threshold, note=note)


def _some(ordered: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    places = np.linspace(0, len(ordered) - 1, min(len(ordered), _DRAWN)).round().astype(int)
    return ordered[places]
