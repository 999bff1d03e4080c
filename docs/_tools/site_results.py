"""Tables of the site, from the results that recipes have committed."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from site_pages import ROOT, page_of

from ossicle.toml import read_toml

NOT_RUN = "Not run yet: its table of results is empty."
_FEW = 20
"""Rows that are shown as they are; more are averaged."""

_TOO_LONG = ("over_stream", "protocol", "result")


@dataclass(frozen=True)
class Summary:
    """How the rows of a table are averaged: over all that are alike in `by`; `of` are the measures, `unit` their factor."""

    by: Sequence[str]
    of: Sequence[str]
    unit: float = 1.0
    places: int = 3


SUMMARIES = {
    "semisup": Summary(("method", "labels"), ("error_rate_ema", "error_rate"), 100.0, 2),
    "drift": Summary(("stream", "batch_size", "adapter", "severity"), ("error",), 1.0, 2),
    "outliers": Summary(("method",), ("auc", "pauc", "ap")),
}
_HEADINGS = {
    "error_rate_ema": "error of the average, %",
    "error_rate": "error, %",
    "error": "error, %",
    "batch_size": "batch",
    "rows": "averaged over",
}


@dataclass(frozen=True)
class Front:
    """What the front page shows of a plugin: a recipe's table, some of its columns and rows."""

    plugin: str
    recipe: str
    what: str
    columns: Sequence[str] = ()
    where: tuple[tuple[str, str], ...] = ()


FRONT = (
    Front(
        "ossicle-istftnet",
        "kerstin/vocoder",
        "The voice that ships inside, spoken from the true mels of 24 sentences that it has never heard. The baseline "
        "needs no weights and starts from the same mels.",
        ("model", "mel_l1", "pesq_wb", "stoi", "files"),
    ),
    Front(
        "ossicle-semisup",
        "fsdd/semisup",
        "Spoken digits with ten labels a class: test error of the last step, mean ± standard deviation over seeds.",
        ("method", "rows", "error_rate_ema"),
    ),
    Front(
        "ossicle-unmix-tns",
        "fsdd/drift",
        "A classifier of digits hears 14 corruptions at severity 5, one after another, labels in runs: windows named wrongly.",
        ("adapter", "batch_size", "rows", "error"),
        (("severity", "5"),),
    ),
    Front(
        "ossicle-outliers",
        "odds/outliers",
        "Thirty tables without labels: mean over tables of how well outliers are ranked (1 is perfect, 0.5 is chance).",
        ("method", "rows", "auc", "ap"),
    ),
)
"""The four plugins of the house, in the order of the page."""


def read_rows(recipe: str) -> list[dict[str, str]]:
    """Return the rows of a recipe's ``results.csv``."""
    with (ROOT / "recipes" / recipe / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def summarise(rows: Sequence[Mapping[str, str]], summary: Summary) -> list[dict[str, str]]:
    """Return a row for every group: what they have in common, how many they are, mean ± standard deviation of measures."""
    groups: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in summary.by), []).append(row)
    found = []
    for key, members in groups.items():
        one = {**dict(zip(summary.by, key, strict=True)), "rows": str(len(members))}
        for name in summary.of:
            values = [float(member[name]) * summary.unit for member in members if member[name]]
            one[name] = f"{statistics.fmean(values):.{summary.places}f}" if values else ""
            if len(values) > 1:
                one[name] += f" ± {statistics.stdev(values):.{summary.places}f}"
        found.append(one)
    return found


def recipe_rows(recipe: str, *, few: int = _FEW) -> list[dict[str, str]]:
    """Return what is shown of a recipe: its rows where they are few or nobody has said how to average them."""
    rows = read_rows(recipe)
    summary = SUMMARIES.get(recipe.partition("/")[2])
    if summary is None or len(rows) <= few or not {*summary.by, *summary.of} <= set(rows[0]):
        return [{name: value for name, value in row.items() if name not in _TOO_LONG} for row in rows]
    return summarise(rows, summary)


def shown(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = ()) -> str:
    """Return a table of rows, or that there are none."""
    return as_table(rows, columns) if rows else f"{NOT_RUN}\n"


def as_table(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = ()) -> str:
    """Return rows as a Markdown table; numbers stand to the right."""
    columns = [name for name in columns or rows[0] if name in rows[0]]
    right = [all(_is_number(row[name]) for row in rows) for name in columns]
    lines = [
        [_HEADINGS.get(name, name.replace("_", " ")) for name in columns],
        ["---:" if number else "---" for number in right],
        *([_cell(row[name]) for name in columns] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: str) -> str:
    text = value.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
    # As many digits as a committed float has are more than anybody measured.
    return f"{float(value):.4f}" if "." in value and _is_number(value) and "±" not in value and len(value) > 8 else text


def _is_number(value: str) -> bool:
    try:
        float(value.partition(" ± ")[0] or 0)
    except ValueError:
        return False
    return True


def results_page() -> str:
    """Return the page with a table of every recipe."""
    parts = [
        "# Results\n\nWhat the recipes have measured, made from the `results.csv` that each has committed. Where there are many rows, "
        "they are averaged, and ± is the standard deviation over the rows that are averaged. Each recipe's page says "
        "what was measured, on what, and with which command.\n"
    ]
    for settings in sorted(ROOT.glob("recipes/*/*/recipe.toml")):
        recipe = settings.parent.relative_to(ROOT / "recipes").as_posix()
        summary = read_toml(settings)["recipe"]["summary"]
        parts.append(f"## {recipe}\n\n{summary}: [the recipe]({page_of(f'recipes/{recipe}')}).\n\n{shown(recipe_rows(recipe))}")
    return "\n".join(parts)


def front_tables() -> str:
    """Return a table of measured results for every plugin of the house."""
    parts = []
    for front in FRONT:
        rows = [
            row
            for row in recipe_rows(front.recipe, few=0)
            if all(row[name] == value for name, value in front.where if name in row)
        ]
        table = as_table(rows, front.columns) if rows else f"{NOT_RUN}\n"
        page = page_of(f"recipes/{front.recipe}/README.md")
        parts.append(
            f"### [{front.plugin}](plugins/{front.plugin}.md)\n\n{front.what}\n\n{shown(rows, front.columns)}\nFrom [{front.recipe}]({page}).\n"
        )
    return "\n".join(parts)
