"""Axes of a chart: where a value lies, and round numbers to write beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """From `low` to `high` in values, from `start` to `end` in the picture; logarithmic where it says so."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def around(cls, values: Iterable[float], start: float, end: float, *, log: bool = False, pad: float = 0.05) -> Axis:
        """Return the axis that shows all values, with a little room at both ends; one value lies in the middle."""
        found = list(values) or [0.0, 1.0]
        low, high = min(found), max(found)
        if log:
            room = pad * math.log(high / low) if high > low else math.log(2)
            return cls(low / math.exp(room), high * math.exp(room), start, end, log=True)
        room = pad * (high - low) if high > low else abs(low) / 2 or 0.5
        return cls(low - room, high + room, start, end)

    def place(self, value: float) -> float:
        """Return where a value lies in the picture."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values within the axis: powers of ten, with 2 and 5 where few, on a logarithmic one."""
        if self.log:
            return self._powers(most)
        size = (self.high - self.low) / max(most - 1, 1)
        unit = 10.0 ** math.floor(math.log10(size))
        step = next(r for r in _ROUND if r * unit >= size * (1 - 1e-9)) * unit
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 12) for index in range(first, last + 1)]

    def _powers(self, most: int) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            found = [f * 10.0**p for p in powers for f in factors if self.low <= f * 10.0**p <= self.high]
            if len(found) <= most:
                break
        every = math.ceil(len(found) / most)
        # Less than a factor of two leaves no such number: the round ones of a straight axis serve.
        return found[::every] if len(found) > 1 else Axis(self.low, self.high, self.start, self.end).ticks(most)


def label(value: float) -> str:
    """Return a tick's text, thousands and millions by letter."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:g}"
