"""Tables of the site, from the results that recipes have committed."""

from __future__ import annotations

import csv
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from site_pages import ROOT, page_of

from ossicle.toml import read_toml

NOT_RUN = "Not run yet: its table of results is empty."
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
    """What the front page shows of a plugin: a recipe's table, some of its columns and rows, the smallest of `best` first."""

    plugin: str
    recipe: str
    what: str
    columns: Sequence[str] = ()
    where: tuple[tuple[str, str], ...] = ()
    best: str = ""


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
        ("method", "error_rate_ema", "rows"),
        best="error_rate_ema",
    ),
    Front(
        "ossicle-unmix-tns",
        "fsdd/drift",
        "A classifier of digits hears each of 14 corruptions at severity 5, labels in runs: error in percent, mean ± standard "
        "deviation over corruptions, one seed.",
        ("adapter", "error", "batch_size", "rows"),
        (("severity", "5"),),
        best="error",
    ),
    Front(
        "ossicle-outliers",
        "odds/outliers",
        "Thirty tables without labels: how well outliers are ranked (AUC 1 is perfect, 0.5 is chance), mean ± standard "
        "deviation over tables. The default's settings were chosen on fifteen of them; the recipe shows the others apart.",
        ("method", "auc", "ap", "rows"),
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
        one = dict(zip(summary.by, key, strict=True))
        for name in summary.of:
            values = [float(member[name]) * summary.unit for member in members if member[name]]
            one[name] = f"{statistics.fmean(values):.{summary.places}f}" if values else ""
            if len(values) > 1:
                one[name] += f" ± {statistics.stdev(values):.{summary.places}f}"
        found.append({**one, "rows": str(len(members))})
    return found


def recipe_rows(recipe: str) -> list[dict[str, str]]:
    """Return what is shown of a recipe: averages where it is said how to take them, else its rows."""
    rows = read_rows(recipe)
    if not rows:
        return []
    summary = SUMMARIES.get(recipe.partition("/")[2])
    if summary is None or not {*summary.by, *summary.of} <= set(rows[0]):
        return [_with_spread(row) for row in rows]
    return summarise(rows, summary)


def _with_spread(row: Mapping[str, str]) -> dict[str, str]:
    """Return a row as it is shown: a standard deviation beside what it is of, nothing too long for a table."""
    spread = {name for name in row if name.removesuffix("_sd") in row and name.endswith("_sd")}
    kept = {name: value for name, value in row.items() if name not in spread and name not in _TOO_LONG}
    return {name: f"{value} ± {row[f'{name}_sd']}" if row.get(f"{name}_sd") else value for name, value in kept.items()}


def shown(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = ()) -> str:
    """Return a table of rows, or that there are none."""
    return as_table(rows, columns) if rows else f"{NOT_RUN}\n"


def as_table(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = ()) -> str:
    """Return rows as a Markdown table; numbers stand to the right."""
    wanted = [name for name in columns or rows[0] if name in rows[0]]
    # Words first: on a narrow screen the figures are what is scrolled to.
    columns = sorted(wanted, key=lambda name: all(_is_number(row[name]) for row in rows))
    right = [all(_is_number(row[name]) for row in rows) for name in columns]
    lines = [
        [_HEADINGS.get(name, name.replace("_", " ")) for name in columns],
        ["---:" if number else "---" for number in right],
        *([_cell(row[name]) for name in columns] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, in a table too."""
    return re.sub(r"([|<*_`\[\]\\])", r"\\\1", text)


def _cell(value: str) -> str:
    text = plain(value).replace(" ± ", "\u00a0±\u00a0")
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
        "# Results\n\nWhat the recipes have measured, made from the `results.csv` that each has committed. Most are averages, and ± is the standard deviation over the rows that are averaged. Each recipe's page says "
        "what was measured, on what, and with which command.\n"
    ]
    for settings in sorted(ROOT.glob("recipes/*/*/recipe.toml")):
        recipe = settings.parent.relative_to(ROOT / "recipes").as_posix()
        summary = read_toml(settings)["recipe"]["summary"]
        parts.append(
            f"## {recipe}\n\n{summary}: [the recipe]({page_of(f'recipes/{recipe}')}).\n\n{shown(recipe_rows(recipe))}"
        )
    return "\n".join(parts)


def front_tables() -> str:
    """Return a table of measured results for every plugin of the house."""
    parts = []
    for front in FRONT:
        rows = [
            row
            for row in recipe_rows(front.recipe)
            if all(row[name] == value for name, value in front.where if name in row)
        ]
        if front.best:
            rows.sort(key=lambda row: float(row[front.best].partition(" ")[0]))
        page = page_of(f"recipes/{front.recipe}")
        parts.append(
            f"### [{front.plugin}](plugins/{front.plugin}.md)\n\n{front.what}\n\n{shown(rows, front.columns)}\nFrom [{front.recipe}]({page}).\n"
        )
    return "\n".join(parts)
