"""How a registered component is built for its checks: by its example, by its kind's rule, or without settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ossicle.registry import Found, Registry
from ossicle.targets import load_target
from ossicle.testing.networks import CLASSES, make_network
from ossicle.testing.subject import Skipped

_GIVEN: dict[str, dict[str, Any]] = {
    "ssl-method": {"make_network": make_network, "classes": CLASSES},
    "backbone": {"classes": CLASSES},
}
"""What a kind's page promises to every constructor of the kind."""


def example_factory(found: Found, registry: Registry, folder: Path) -> Callable[[], Any]:
    """Return what builds a component small and always the same; `folder` is there for its files.

    Raises
    ------
    Skipped
        If it needs settings that nobody names.
    """
    component = found.component
    if component.example:
        make = load_target(component.example)
        return lambda: make(folder)
    settings = _GIVEN.get(component.kind, {})
    lacking = _lacking(registry.get(component.kind, found.qualified), settings)
    if lacking:
        raise Skipped(
            f"it cannot be built without {', '.join(lacking)}: name a function that builds a small one, Component(example=...)"
        )
    return lambda: registry.build(component.kind, found.qualified, **settings)


def _lacking(factory: Any, settings: dict[str, Any]) -> list[str]:
    """Return the arguments that a factory demands and nobody gives."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in variable and p.name not in settings]
