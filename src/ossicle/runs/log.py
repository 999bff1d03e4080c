"""A run's metrics: one JSON object a line, and every plugin that listens hears it too."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from ossicle.plugin import RunEvent
from ossicle.registry import default_registry

METRICS = "metrics.jsonl"


class MetricsLog:
    """Appends ``{"step", "utc", name: value, ...}`` lines to a file and tells ``ossicle_run_event`` hooks.

    Parameters
    ----------
    path
        The file; made where missing.
    resume_step
        Lines of later steps are dropped: the run goes on from here.
    """

    def __init__(self, path: Path, *, resume_step: int = 0) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_log(path) if line["step"] <= resume_step] if path.exists() else []
        path.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")
        self.event("started", resume_step)

    def write(self, step: int, **values: float) -> None:
        """Append one line; a value that is not finite becomes null."""
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "utc": round(time.time(), 3), **finite}) + "\n")
        self.event("metrics", step, finite)

    def event(self, what: Any, step: int, values: dict[str, Any] | None = None) -> None:
        """Tell listening plugins; one that raises is set aside and the run goes on."""
        event = RunEvent(what, str(self.path.parent), step, values or {})
        default_registry().host.call("ossicle_run_event", event=event)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return a log's lines; a last line that a crash cut off is left out."""
    lines = []
    for text in path.read_text("utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines
