"""The folder that a run writes: its settings and surroundings first, its results beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ossicle.atomic import write_bytes
from ossicle.errors import ConfigError
from ossicle.runs.environment import describe

RECORD = "run.json"


@dataclass(frozen=True)
class RunFolder:
    """A run's folder; `create` makes one."""

    path: Path

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any], *, resume: bool = False) -> RunFolder:
        """Make a run folder with ``run.json``: settings and environment.

        Raises
        ------
        ConfigError
            If the folder holds a run already and `resume` does not say to go on with it, or it was made with other
            settings.
        """
        record = path / RECORD
        if record.exists():
            if not resume:
                raise ConfigError(
                    f"{path} holds a run already", hint="go on with it (--resume), or name another folder"
                )
            before = json.loads(record.read_text("utf-8")).get("settings")
            changed = sorted(key for key in {*before, *settings} if before.get(key) != _plain(settings.get(key)))
            if changed:
                raise ConfigError(
                    f"{path} was made with other settings",
                    why=f"these sections differ: {', '.join(changed)}",
                    hint="resume with the settings in its run.json, or name another folder",
                )
            return cls(path)
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path)
        folder.write_json(RECORD, {"settings": settings, "environment": describe()})
        return folder

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file into the folder, whole or not at all."""
        return write_json(self.path / name, value)


def write_json(path: Path, value: Any) -> Path:
    """Write a JSON file, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n").encode())
    return path


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
