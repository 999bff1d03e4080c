"""What people call most, without the option parser: its import costs more than the answer.

`QUICK` maps the words of a call to its function; `--json` may follow. Everything else goes through cyclopts, which calls
the same functions.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections import Counter
from collections.abc import Callable

import ossicle
from ossicle.cli.console import emit, emit_json, table
from ossicle.plugin import CONTRACT
from ossicle.registry import default_registry
from ossicle.status import PluginStatus

_PACKAGES = (
    "torch",
    "torchaudio",
    "triton",
    "numpy",
    "librosa",
    "soundfile",
    "soxr",
    "pluggy",
    "safetensors",
    "cyclopts",
)


def list_plugins(as_json: bool) -> int:
    """Show every plugin that is installed, loaded or not."""
    statuses = default_registry().host.statuses
    if as_json:
        emit_json([status.as_dict() for status in statuses])
        return 0
    if not statuses:
        emit("no plugins are installed")
        return 0
    emit(table([(s.name, s.version, s.state, _brings(s)) for s in statuses], ("plugin", "version", "state", "brings")))
    for status in statuses:
        for line in trouble(status):
            emit(f"{status.name}: {line}")
    return 0


def _brings(status: PluginStatus) -> str:
    names = [f"{c.kind}/{c.name}" for c in status.components]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "-"


def trouble(status: PluginStatus) -> list[str]:
    """Return what is wrong or remarkable about a plugin, a line each."""
    lines = [f"cause: {status.cause}"] if status.cause else []
    lines += [f"do: {status.hint}"] if status.hint else []
    return lines + [f"note: {note}" for note in status.notes]


def show_info(as_json: bool) -> int:
    """Show versions, settings and how many plugins are in which state."""
    states = Counter(status.state for status in default_registry().host.statuses)
    facts = {
        "ossicle": ossicle.__version__,
        "contract": CONTRACT,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith("OSSICLE_")},
        "plugins": dict(states),
    }
    if as_json:
        emit_json(facts)
        return 0
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items()) or "none"
        emit(f"{name:<12} {value}")
    return 0


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


QUICK: dict[tuple[str, ...], Callable[[bool], int]] = {("plugins", "list"): list_plugins, ("info",): show_info}
