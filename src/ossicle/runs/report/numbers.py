"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ossicle.runs.report.sections import Link, Value

DASH = "–"


def unboxed(value: Any) -> Any:
    """Return a plain number for one that numpy or torch has wrapped, and everything else as it is."""
    return value.item() if hasattr(value, "item") else value


def shown(value: Value) -> str:
    """Return a value as text: four significant digits, thousands apart, a dash for what is not known."""
    value = unboxed(value)
    if isinstance(value, Link):
        return value.text
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float):
        return _float(value)
    return str(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        return DASH
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.3e}"
    whole = abs(value) >= 1000
    return f"{value:,.0f}".replace(",", "\u202f") if whole else f"{value:.4g}"


def column_texts(values: Sequence[Value]) -> list[str]:
    """Return a column's values as texts: where there are fractions of like size, all with as many digits after the point."""
    values = [unboxed(value) for value in values]
    sizes = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value) and value]
    if not sizes or max(sizes) >= 1000 or min(sizes) < 1e-3:
        return [shown(value) for value in values]
    digits = min(max(4 - math.ceil(math.log10(max(sizes))), 0), 4)
    return [
        f"{value:.{digits}f}" if isinstance(value, float) and math.isfinite(value) else shown(value) for value in values
    ]


def sort_key(value: Value) -> str:
    """Return what the page's script sorts a cell by: a plain number, or text; empty comes last."""
    value = unboxed(value)
    if isinstance(value, Link):
        return value.text
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(float(value)) if isinstance(value, int | float) else str(value)
