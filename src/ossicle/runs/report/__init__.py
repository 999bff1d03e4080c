"""The report of a run: one page with everything inside it, of what a run's files tell and of sections that a recipe adds.

A recipe calls `write_report(folder, sections)`; a measurement without a run's folder builds a `Page` and calls `write_page`.
"""

from __future__ import annotations

from ossicle.runs.report.html import render, write_page
from ossicle.runs.report.measurement import write_measurement
from ossicle.runs.report.run import REPORT, leave_report, run_page, write_report
from ossicle.runs.report.samples import ORIGINAL, write_samples
from ossicle.runs.report.sections import (
    Chart,
    Confusion,
    Curves,
    Facts,
    Figure,
    Histogram,
    Line,
    Link,
    Page,
    Section,
    Sound,
    Sounds,
    Stream,
    Table,
    Text,
)

__all__ = [
    "ORIGINAL",
    "REPORT",
    "Chart",
    "Confusion",
    "Curves",
    "Facts",
    "Figure",
    "Histogram",
    "Line",
    "Link",
    "Page",
    "Section",
    "Sound",
    "Sounds",
    "Stream",
    "Table",
    "Text",
    "leave_report",
    "render",
    "run_page",
    "write_measurement",
    "write_page",
    "write_report",
    "write_samples",
]
