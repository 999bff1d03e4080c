"""What a report is made of: records of plain values, each checked when it is made, that know nothing of HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from ossicle.errors import ConfigError

Value = Union[str, int, float, None, "Link"]
"""What a cell or a fact holds; None, and a number that is not finite, is shown as a dash."""


@dataclass(frozen=True)
class Link:
    """Text that leads somewhere: a file beside the report."""

    text: str
    href: str

    def __post_init__(self) -> None:
        # A report is opened by whoever gets it: nothing in it may run a script or leave the folder for the network.
        if ":" in self.href or self.href.startswith(("/", "\\")):
            raise ConfigError(
                f"a report cannot link to {self.href!r}",
                why="only files beside the report can be linked to",
                hint="give a path relative to the report",
            )


@dataclass(frozen=True)
class Text:
    """Paragraphs, and lines to be copied as they are (`code`). A `notice` stands out."""

    title: str
    paragraphs: Sequence[str] = ()
    code: str | None = None
    notice: bool = False


@dataclass(frozen=True)
class Facts:
    """Names and values, a line each."""

    title: str
    items: Mapping[str, Value]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows that can be sorted by any column.

    Raises
    ------
    ConfigError
        If a row has not as many cells as there are columns.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ConfigError(
                    f"the table {self.title!r} has a row of {len(row)} cells", why=f"it has {len(self.columns)} columns"
                )


@dataclass(frozen=True)
class Line:
    """One line of a chart: x, and y where it is known (None or not finite: a gap).

    `colour` is a number: lines of several charts that are of one thing get the same; None takes the line's place in its chart.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: int | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ConfigError(f"the line {self.name!r} has {len(self.x)} places and {len(self.y)} values")

    @property
    def points(self) -> list[tuple[float, float | None]]:
        """Its points in order; a value that is no finite number is None."""
        known = [(float(x), y) for x, y in zip(self.x, self.y, strict=True) if math.isfinite(x)]
        return [(x, float(y) if y is not None and math.isfinite(y) else None) for x, y in known]


@dataclass(frozen=True)
class Chart:
    """Lines over one pair of axes; `marks` are (x, name) of upright lines: where something changed.

    `x_log` makes the axis along the foot logarithmic, where all its values are above zero.
    """

    title: str
    lines: Sequence[Line]
    x_label: str = "step"
    y_label: str = ""
    marks: Sequence[tuple[float, str]] = ()
    x_log: bool = False


@dataclass(frozen=True)
class Curves:
    """Charts side by side."""

    title: str
    charts: Sequence[Chart]
    note: str = ""


@dataclass(frozen=True)
class Stream:
    """A stream's error over time, for one method or several beside each other.

    Parameters
    ----------
    errors
        Of each method, in the order of the stream: 1 (or True) where it was wrong, 0 where it was right, or an error between;
        not a number where it did not answer.
    window
        Samples that the running mean goes over; at the beginning, all so far.
    marks
        (position, name) of what comes from there on: a domain, a corruption.
    """

    title: str
    errors: Mapping[str, Sequence[float]]
    window: int = 100
    marks: Sequence[tuple[float, str]] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ConfigError(f"the stream {self.title!r} has a window of {self.window}", hint="take one or more")

    def chart(self) -> Chart:
        """Return the running means as lines over the number of samples seen."""
        lines = [
            Line(name, range(1, len(values) + 1), running_error(values, self.window))
            for name, values in self.errors.items()
        ]
        return Chart(self.title, lines, "samples seen", f"error %, mean of {self.window}", self.marks)


def running_error(values: Sequence[float], window: int) -> list[float | None]:
    """Return after each value the mean of the last `window` in per cent; None while none of them is a number."""
    sums, counts = [0.0], [0]
    means: list[float | None] = []
    for at, value in enumerate(map(float, values)):
        known = math.isfinite(value)
        sums.append(sums[-1] + (value if known else 0.0))
        counts.append(counts[-1] + known)
        first = max(at + 1 - window, 0)
        count = counts[-1] - counts[first]
        means.append(100 * (sums[-1] - sums[first]) / count if count else None)
    return means


@dataclass(frozen=True)
class Confusion:
    """How often each true class (row) was answered by each class (column).

    Raises
    ------
    ConfigError
        If the counts are not one row and one column a label, or below zero.
    """

    title: str
    labels: Sequence[str]
    counts: Sequence[Sequence[int]]
    note: str = ""

    def __post_init__(self) -> None:
        size = len(self.labels)
        if len(self.counts) != size or any(len(row) != size for row in self.counts):
            raise ConfigError(
                f"the confusion matrix {self.title!r} does not fit its {size} labels",
                why=f"it has rows of {sorted({len(row) for row in self.counts})} and {len(self.counts)} of them",
            )
        if any(count < 0 for row in self.counts for count in row):
            raise ConfigError(f"the confusion matrix {self.title!r} has a count below zero")


@dataclass(frozen=True)
class Histogram:
    """How values are spread, group beside group over the same bins; what is not finite is counted and left out."""

    title: str
    groups: Mapping[str, Sequence[float]]
    bins: int = 40
    x_label: str = "score"
    threshold: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise ConfigError(f"the histogram {self.title!r} has {self.bins} bins", hint="take one or more")


@dataclass(frozen=True)
class Sound:
    """A sound to hear and to look at: samples (N,) in [-1, 1]; what it is called is shown above it."""

    label: str
    samples: Any
    sample_rate: int


@dataclass(frozen=True)
class Sounds:
    """Clips, each as several sounds side by side: the original first, then what was made of it.

    Parameters
    ----------
    seconds
        The longest that is kept of a sound; the page says what was cut.
    limit
        The most clips that are kept: a page with everything inside it must stay small enough to open.
    """

    title: str
    clips: Mapping[str, Sequence[Sound]]
    seconds: float = 10.0
    limit: int = 8
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture: SVG text or PNG bytes. It is shown as a picture, so that no script in it runs."""

    title: str
    picture: str | bytes
    alt: str
    note: str = ""


Section = Text | Facts | Table | Curves | Stream | Confusion | Histogram | Sounds | Figure


@dataclass(frozen=True)
class Page:
    """A whole report: `summary` is the line below its title, `headline` the few numbers that everyone looks for."""

    title: str
    sections: Sequence[Section]
    summary: str = ""
    headline: Mapping[str, Value] = field(default_factory=dict)
    footer: str = ""
