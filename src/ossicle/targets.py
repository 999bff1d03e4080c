"""Targets, ``"package.module:Attribute"``: imported on first use, looked for without importing."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any


def load_target(target: str) -> Any:
    """Import a target and return the object it names; whatever the import raises comes through."""
    module_name, _, path = target.partition(":")
    found: Any = importlib.import_module(module_name)
    for attribute in path.split("."):
        found = getattr(found, attribute)
    return found


def missing_reason(target: str) -> str | None:
    """Tell in one line why a target cannot exist, or None where it may; nothing is imported.

    The module is looked for on the path by hand, since `importlib.util.find_spec` would run its parent packages. The
    attribute is looked for as a word in the source: enough to catch a typing error, at no cost at start.
    """
    module_name, _, path = target.partition(":")
    if module_name in sys.modules:
        first = path.split(".")[0]
        module = sys.modules[module_name]
        known = hasattr(module, first) or hasattr(module, "__getattr__")
        return None if known else f"module {module_name} has no attribute {first}"
    source = _find_source(module_name)
    if source is None:
        return f"there is no module {module_name}"
    if source.suffix != ".py":
        return None
    text = source.read_text("utf-8", errors="replace")
    first = path.split(".")[0]
    if re.search(rf"\b{re.escape(first)}\b", text) or "import *" in text or "def __getattr__" in text:
        return None
    return f"module {module_name} has no attribute {first}"


def _find_source(module_name: str) -> Path | None:
    top, *rest = module_name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    for depth, name in enumerate(rest):
        if spec is None or spec.submodule_search_locations is None:
            return None
        full = ".".join([top, *rest[: depth + 1]])
        spec = importlib.machinery.PathFinder.find_spec(full, list(spec.submodule_search_locations))
        del name
    if spec is None:
        return None
    return Path(spec.origin) if spec.origin and Path(spec.origin).exists() else Path("builtin")
