"""`ossicle info`: versions and settings, for a report; imports no torch."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections import Counter

import ossicle
from ossicle.cli import options
from ossicle.cli.console import emit, emit_json
from ossicle.plugin import CONTRACT
from ossicle.registry import default_registry

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


def info(*, json: options.Json = False) -> int:
    """Show versions, settings and how many plugins are in which state. Imports no torch; doctor looks deeper."""
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
    if json:
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
