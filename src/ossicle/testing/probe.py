"""A plugin as an interpreter of its own sees it: what this process has imported already would hide heavy imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_MARK = "ossicle-probe:"
_PATIENCE_S = 120
_SCRIPT = f"""
import json, sys
from ossicle.host import Host
found = [status.as_dict() for status in Host.discover().statuses]
print("\\n{_MARK}" + json.dumps(found), flush=True)
"""


def fresh_environment(**changes: str) -> dict[str, str]:
    """Return this process's environment for a child that finds the same modules, without ossicle's own switches."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OSSICLE_")}
    return kept | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)} | changes


def look_afresh(name: str) -> dict[str, dict[str, Any]]:
    """Return the states of a distribution's entry points, by name, as a new interpreter with no other plugin finds them.

    Each is `PluginStatus.as_dict()`. An interpreter that does not live to tell gives one entry, ``""``, with state and cause.
    """
    command = [sys.executable, "-c", _SCRIPT]
    environment = fresh_environment(OSSICLE_PLUGINS=name)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return {"": _dead(f"importing it takes more than {_PATIENCE_S} s")}
    told = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not told:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        return {"": _dead(f"importing it ends the interpreter with code {done.returncode}: {last}")}
    found = json.loads(told[-1].removeprefix(_MARK))
    return {status["entry_point"]: status for status in found if status["name"] == name}


def _dead(cause: str) -> dict[str, Any]:
    return {"state": "broken", "stage": "import", "cause": cause, "notes": []}
