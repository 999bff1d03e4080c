"""What a classifier answered, from ``predictions.csv`` and ``summary.json``: confusion, errors by speaker, wrong answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ossicle.errors import OssicleError
from ossicle.runs.comparison import PREDICTED
from ossicle.runs.report.matrix import per_class
from ossicle.runs.report.record import RunRecord
from ossicle.runs.report.sections import Confusion, Section, Table, Text, Value

_MOST_WRONG = 200
_MOST_SPEAKERS = 50
_GUESSES = "guesses_by_true_class"


def confusions(run: RunRecord) -> list[Section]:
    """Return the confusion matrices of a run, each with its table of classes; from the predictions where none is told."""
    labels = run.summary.get("labels")
    found: list[Section] = []
    told = [key for key in run.summary if key.startswith("confusion_")]
    for key in told:
        found += _matrix(f"Confusion, {key.removeprefix('confusion_').replace('_', ' ')}", labels, run.summary[key])
    for column in [] if told else _answers(run):
        names, counts = count_answers(run.predictions, column, labels)
        found += _matrix(f"Confusion, {column.removeprefix(PREDICTED)}", names, counts)
    if _GUESSES in run.summary:
        note = (
            "Guesses on unlabelled clips that counted in the last tenth of the run, "
            "against labels that the method does not see."
        )
        found += _matrix("Guesses by true class", labels, run.summary[_GUESSES], note)[:1]
    return found


def _matrix(title: str, labels: Any, counts: Any, note: str = "") -> list[Section]:
    try:
        names = [str(label) for label in labels] if labels else [str(index) for index in range(len(counts))]
        confusion = Confusion(title, names, [[int(count) for count in row] for row in counts], note)
    except (OssicleError, TypeError, ValueError) as error:
        return [Text(title, [f"It cannot be drawn: {error}"], notice=True)]
    return [confusion, per_class(confusion)] if any(map(any, confusion.counts)) else []


def count_answers(rows: Iterable[Mapping[str, str]], column: str, labels: Any) -> tuple[list[str], list[list[int]]]:
    """Return labels and counts (true class, answer) of one column of predictions; labels may be numbers of `labels`."""
    pairs = [(row["label"], row[column]) for row in rows]
    keys = sorted({key for pair in pairs for key in pair}, key=lambda key: (len(key), key))
    names = [_named(key, labels) for key in keys]
    if isinstance(labels, list) and all(_is_index(key, labels) for key in keys):
        keys, names = [str(index) for index in range(len(labels))], [str(label) for label in labels]
    place = {key: index for index, key in enumerate(keys)}
    counts = [[0] * len(keys) for _ in keys]
    for true, answer in pairs:
        counts[place[true]][place[answer]] += 1
    return names, counts


def _is_index(text: str, labels: list[Any]) -> bool:
    return text.isdecimal() and text == str(int(text)) and int(text) < len(labels)


def _named(text: str, labels: Any) -> str:
    return str(labels[int(text)]) if isinstance(labels, list) and _is_index(text, labels) else text


def _answers(run: RunRecord) -> list[str]:
    first = run.predictions[0] if run.predictions else {}
    return [name for name in first if name.startswith(PREDICTED)] if "label" in first else []


def speakers(run: RunRecord) -> Table | None:
    """Return the error on each speaker's clips, where predictions name several."""
    columns = _answers(run)
    names = sorted({row.get("speaker") or "" for row in run.predictions})
    if not columns or not 1 < len(names) <= _MOST_SPEAKERS:
        return None
    rows: list[list[Value]] = []
    for name in names:
        theirs = [row for row in run.predictions if (row.get("speaker") or "") == name]
        wrong = [sum(row[column] != row["label"] for row in theirs) for column in columns]
        rows.append([name, len(theirs), *(100 * count / len(theirs) for count in wrong)])
    heads = [f"error %, {column.removeprefix(PREDICTED)}" for column in columns]
    return Table("By speaker", ("speaker", "clips", *heads), rows)


def wrong_answers(run: RunRecord) -> Table | None:
    """Return the clips that at least one network got wrong, with what each of them said."""
    columns, labels = _answers(run), run.summary.get("labels")
    wrong = [row for row in run.predictions if any(row[column] != row["label"] for column in columns)]
    if not wrong:
        return None
    rows = [
        [row.get("path"), _named(row["label"], labels), *(_named(row[column], labels) for column in columns)]
        for row in wrong[:_MOST_WRONG]
    ]
    note = f"The first {_MOST_WRONG} of {len(wrong)}." if len(wrong) > _MOST_WRONG else ""
    return Table("Wrong answers", ("clip", "label", *(c.removeprefix(PREDICTED) for c in columns)), rows, note)
