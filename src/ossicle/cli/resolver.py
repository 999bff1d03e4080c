"""The package installer that is there, pip or uv: asked what it would do, and told to do it.

Resolving is theirs; here their plans are read, and what ossicle stands on is kept as it is.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ossicle.errors import MissingPackageError, PluginError
from ossicle.host import canonicalize_name

PROTECTED = ("torch", "torchaudio", "numpy", "ossicle")
"""What every plugin stands on: one that changes it for itself changes it for all."""

_UV_LINE = re.compile(r"\s*(?P<sign>[+~-])\s+(?P<name>[\w.-]+)==(?P<version>[^\s(]+)")


@dataclass(frozen=True)
class Change:
    """One distribution that the installer would touch.

    Parameters
    ----------
    name, version
        What would be installed.
    before
        The version that is installed now, or None.
    wanted_by
        Who of the plan asks for it and how, as far as the installer tells.
    """

    name: str
    version: str
    before: str | None = None
    wanted_by: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["new", "again", "change"]:
        """Whether it is new, comes again in the same version, or takes another's place."""
        if self.before is None:
            return "new"
        return "again" if self.before == self.version else "change"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "name": self.name, "version": self.version, "before": self.before, "kind": self.kind,
            "wanted_by": list(self.wanted_by),
        }  # fmt: skip


@dataclass(frozen=True)
class Installer:
    """pip or uv, working on this interpreter's environment.

    Parameters
    ----------
    name
        Which of them.
    command
        How it is called, up to the word that says what to do.
    """

    name: Literal["pip", "uv"]
    command: tuple[str, ...]

    def plan(self, arguments: Sequence[str]) -> list[Change]:
        """Return what installing would change; nothing is.

        Raises
        ------
        PluginError
            If the installer finds no way to install it.
        """
        if self.name == "uv":
            return _read_uv(self._run(["install", "--dry-run", *self._place(), *arguments]))
        with tempfile.TemporaryDirectory(prefix="ossicle-plan-") as folder:
            report = Path(folder) / "report.json"
            self._run(["install", "--dry-run", "--no-input", "--report", str(report), *arguments])
            return _read_pip(json.loads(report.read_text("utf-8")))

    def install(self, arguments: Sequence[str], *, free: Collection[str] = ()) -> None:
        """Install; what is protected and installed keeps its version, except for the names in `free`.

        Raises
        ------
        PluginError
            If it fails; what the installer said last is in the message.
        """
        held = {name: installed_version(name) for name in PROTECTED if name not in free}
        with tempfile.TemporaryDirectory(prefix="ossicle-install-") as folder:
            constraints = Path(folder) / "constraints.txt"
            constraints.write_text("".join(f"{n}=={version}\n" for n, version in held.items() if version), "utf-8")
            self._run(["install", *self._place(), "--constraint", str(constraints), *arguments])

    def uninstall(self, names: Sequence[str]) -> None:
        """Remove distributions.

        Raises
        ------
        PluginError
            If it fails.
        """
        self._run(["uninstall", *(self._place() if self.name == "uv" else ["--yes"]), *names])

    def _place(self) -> list[str]:
        return ["--python", sys.executable] if self.name == "uv" else []

    def _run(self, words: list[str]) -> str:
        done = subprocess.run([*self.command, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            # Without our own file's name, since it is gone when the line is tried.
            shown = [word for word in words if word != "--report" and not word.endswith("report.json")]
            said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            told = [line for line in said if line.lower().startswith("error")] or said[-2:]
            raise PluginError(
                f"{self.name} could not {words[0]} it",
                why="; ".join(line.removeprefix("ERROR: ") for line in told) or f"it ended with code {done.returncode}",
                hint=f"the whole story: {' '.join([*self.command, *shown])}",
            )
        return done.stdout + done.stderr


def find_installer() -> Installer:
    """Return pip where this interpreter has it, else uv.

    Raises
    ------
    MissingPackageError
        If there is neither.
    """
    if importlib.util.find_spec("pip") is not None:
        return Installer("pip", (sys.executable, "-m", "pip", "--disable-pip-version-check"))
    if found := shutil.which("uv"):
        return Installer("uv", (found, "pip"))
    raise MissingPackageError(
        "there is neither pip nor uv",
        why=f"{sys.executable} has no module pip, and no uv is on the PATH",
        hint=f"{sys.executable} -m ensurepip, or install uv",
    )


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _read_pip(report: dict[str, Any]) -> list[Change]:
    planned = [item["metadata"] for item in report["install"]]
    changes = []
    for metadata in planned:
        name = canonicalize_name(metadata["name"])
        wanted_by = [
            f"{other['name']} {other['version']} requires {text}"
            for other in planned
            for text in other.get("requires_dist", ())
            if canonicalize_name(re.split(r"[^\w.-]", text, maxsplit=1)[0]) == name
        ]
        changes.append(Change(name, metadata["version"], installed_version(name), tuple(wanted_by)))
    return sorted(changes, key=lambda change: change.name)


def _read_uv(text: str) -> list[Change]:
    lines = [found for found in map(_UV_LINE.fullmatch, (line.split(" (")[0] for line in text.splitlines())) if found]
    gone = {canonicalize_name(found["name"]): found["version"] for found in lines if found["sign"] == "-"}
    changes = []
    for found in lines:
        name = canonicalize_name(found["name"])
        if found["sign"] != "-":
            before = found["version"] if found["sign"] == "~" else gone.get(name)
            changes.append(Change(name, found["version"], before))
    return sorted(changes, key=lambda change: change.name)
