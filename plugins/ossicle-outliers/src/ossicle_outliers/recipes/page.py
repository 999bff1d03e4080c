"""What the reports of the outlier recipes are made of."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ossicle.runs.report import Histogram, Section, Table

_HISTOGRAMS = 8
_PREFERRED = "default"


def side_by_side(title: str, rows: Sequence[Mapping[str, Any]], by: str, *, measure: str = "auc") -> Table:
    """Return a measure with a row for each value of `by` and a column for each method, and the means over the rows below."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    values: dict[Any, dict[str, float]] = {}
    for row in rows:
        values.setdefault(row[by], {})[row["method"]] = row[measure]
    cells: list[list[Any]] = [[name, *(own.get(method) for method in methods)] for name, own in values.items()]
    if len(cells) > 1:
        columns = ([own[method] for own in values.values() if method in own] for method in methods)
        cells.append([f"mean of {len(cells)}", *map(statistics.fmean, columns)])
    return Table(title, (by, *methods), cells, "ROC AUC, means over seeds; labels are for this table alone.")


def shown_method(methods: Sequence[str]) -> str:
    """Return the method whose scores and clips a report shows: ``default`` where there is one, else the first."""
    return _PREFERRED if _PREFERRED in methods else methods[0]


def histograms(rows: Iterable[Mapping[str, Any]], by: str, methods: Sequence[str]) -> list[Section]:
    """Return how scores of what belongs and of outliers are spread: of one method, for the first values of `by`, first seed."""
    method = shown_method(methods)
    first: dict[Any, Mapping[str, Any]] = {}
    for row in rows:
        # Lines of runs from before scores were kept have none.
        if row.get("method") == method and "scores" in row:
            first.setdefault(row[by], row["scores"])
    left = len(first) - _HISTOGRAMS
    note = f"Of {method}, first seed; at most 200 scores of each group, evenly drawn from the sorted ones."
    found: list[Section] = [
        Histogram(f"Scores: {name}", scores, note=note) for name, scores in list(first.items())[:_HISTOGRAMS]
    ]
    if found and left > 0:
        names = [[name] for name in list(first)[_HISTOGRAMS:]]
        found.append(Table("Scores that are not drawn", (by,), names, "results.jsonl has them."))
    return found
