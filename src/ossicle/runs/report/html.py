"""A page as HTML: one file with everything inside it, that asks the network for nothing and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ossicle.atomic import write_bytes
from ossicle.runs.report import sections as kinds
from ossicle.runs.report.bars import draw_histogram, finite
from ossicle.runs.report.drawing import style_of, styled
from ossicle.runs.report.lines import draw_lines
from ossicle.runs.report.matrix import draw_confusion
from ossicle.runs.report.numbers import column_texts, shown, sort_key, unboxed
from ossicle.runs.report.sections import running_error
from ossicle.runs.report.sounds import data_uri, left_out, players

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "template"


def write_page(path: Path, page: kinds.Page) -> Path:
    """Write a page, whole or not at all, and return where it is."""
    write_bytes(path, render(page).encode())
    return path


def render(page: kinds.Page) -> str:
    """Return a page's HTML; a sound that is empty, of several channels or no number somewhere is named, not played."""
    style, script = (_part(name) for name in ("style.css", "script.js"))
    # Whatever text came from a run, the browser loads nothing and runs nothing that is not ours.
    policy = (
        "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )
    return (
        _environment()
        .get_template("page.html")
        .render(page=page, sections=_views(page.sections), style=style, script=script, policy=policy)
    )


def _part(name: str) -> str:
    return (_TEMPLATES / name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "sort_key": sort_key, "numeric": _numeric}
    environment.tests["link"] = lambda value: isinstance(value, kinds.Link)
    return environment


def _numeric(value: Any) -> bool:
    return isinstance(unboxed(value), int | float) or value is None


def _views(sections: Any) -> list[dict[str, Any]]:
    views: list[dict[str, Any]] = []
    taken: set[str] = set()
    for section in sections:
        name, prepare = _VIEWS[type(section)]
        anchor = base = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") or "section"
        number = 2
        while anchor in taken:
            anchor, number = f"{base}-{number}", number + 1
        taken.add(anchor)
        views.append({"kind": name, "section": section, "anchor": anchor, **prepare(section)})
    return views


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # Drawn by us, with every name in it escaped.


def _table(section: kinds.Table) -> dict[str, Any]:
    texts = [column_texts([row[at] for row in section.rows]) for at in range(len(section.columns))]
    return {
        "rows": [[(value, texts[at][index]) for at, value in enumerate(row)] for index, row in enumerate(section.rows)]
    }


def _curves(section: kinds.Curves) -> dict[str, Any]:
    return {"charts": [_chart(chart) for chart in section.charts]}


def _chart(chart: kinds.Chart) -> dict[str, Any]:
    names = [(line.name, style) for line, style in styled(chart.lines)]
    legend = names if [name for name, _ in names] != [chart.title] else []
    return {"title": chart.title, "svg": _markup(draw_lines(chart)), "legend": legend, "marks": chart.marks}


def _stream(section: kinds.Stream) -> dict[str, Any]:
    overall = {
        name: running_error(values, len(values))[-1] if len(values) else None for name, values in section.errors.items()
    }
    return {"chart": _chart(section.chart()), "overall": overall}


def _histogram(section: kinds.Histogram) -> dict[str, Any]:
    lost = {name: len(values) - len(finite(values)) for name, values in section.groups.items()}
    names = [(name, style_of(index)) for index, name in enumerate(section.groups)]
    return {"svg": _markup(draw_histogram(section)), "legend": names, "lost": {n: k for n, k in lost.items() if k}}


def _figure(section: kinds.Figure) -> dict[str, Any]:
    if isinstance(section.picture, bytes):
        return {"source": data_uri("image/png", section.picture)}
    return {"source": data_uri("image/svg+xml", section.picture.encode())}


def _nothing(section: Any) -> dict[str, Any]:
    return {}


_VIEWS: dict[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    kinds.Text: ("text", _nothing),
    kinds.Facts: ("facts", _nothing),
    kinds.Table: ("table", _table),
    kinds.Curves: ("curves", _curves),
    kinds.Stream: ("stream", _stream),
    kinds.Confusion: ("confusion", lambda section: {"svg": _markup(draw_confusion(section))}),
    kinds.Histogram: ("histogram", _histogram),
    kinds.Sounds: ("sounds", lambda section: {"players": players(section), "left_out": left_out(section)}),
    kinds.Figure: ("figure", _figure),
}
"""The template block of each kind of section, and what it needs beside the section."""
