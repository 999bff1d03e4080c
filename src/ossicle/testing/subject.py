"""What a check gets to see: a component that can be built anew, and how its kind is exercised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


class Skipped(Exception):
    """A check does not apply here; the message says why."""


@dataclass
class Subject:
    """A component under test.

    Parameters
    ----------
    factory
        Builds the component anew, each time the same.
    expected
        Facts that the author declares and the checks hold the component to, such as ``{"sample_rate": 22050}``.
    """

    factory: Callable[[], Any]
    expected: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def instance(self) -> Any:
        """One built component, shared by checks that leave it as it is."""
        return self.factory()


@dataclass(frozen=True)
class ConformanceCheck:
    """One check: its name, what it asks, and what to do when it fails.

    `ask` raises AssertionError with what it saw, or `Skipped`.
    """

    name: str
    ask: Callable[[Subject], None]
    mend: str


Exercise = Callable[[Any], Any]
"""Uses a component once, on input that is always the same, and returns tensors that tell what it did."""
