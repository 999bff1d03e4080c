"""What the author of a plugin imports: the hook marker and the records that hooks yield.

Importing this module costs next to nothing: a plugin's entry-point module should import it and little else, and name
its code by target (``"package.module:Attribute"``), which is imported on first use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pluggy

from ossicle.errors import InvalidRecordError

CONTRACT = "ossicle.v1"
"""The entry-point group; its suffix is the version of the contract between host and plugins."""

KINDS = (
    "vocoder",
    "ssl-method",
    "adapter",
    "outlier-detector",
    "backbone",
    "dataset",
    "mixer",
    "augmentation",
    "corruption",
    "kernel",
)
"""The kinds of component that this contract knows."""

hookimpl = pluggy.HookimplMarker("ossicle")

_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*")
_RECIPE = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def _require(pattern: re.Pattern[str], record: object, attribute: str, shape: str) -> None:
    value = getattr(record, attribute)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        kind = type(record).__name__
        raise InvalidRecordError(f"{kind}.{attribute} is {value!r}", why=f"it must look like {shape}")


@dataclass(frozen=True)
class Component:
    """Something the registry can load: a vocoder, a method, a kernel.

    Parameters
    ----------
    kind
        One of `KINDS`.
    name
        Lower case letters, digits, ``.``, ``_``, ``-``, and ``+`` between the names of a combination; unique within the
        distribution and kind.
    target
        ``"package.module:Attribute"``, imported on first use; calling it with a configuration builds the component.
    summary
        One line for listings.
    default
        Whether a command that names no component of this kind means this one.
    example
        ``"package.module:function"``, called with an empty folder (a `pathlib.Path`) and giving a small component ready for
        use; empty: ``ossicle plugins check`` builds it without settings. A data set's writes a small copy there.
    """

    kind: str
    name: str
    target: str
    summary: str = ""
    default: bool = False
    example: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidRecordError(f"Component.kind is {self.kind!r}", why=f"the kinds are {', '.join(KINDS)}")
        _require(_NAME, self, "name", "'my-vocoder'")
        _require(_TARGET, self, "target", "'package.module:Attribute'")
        if self.example:
            _require(_TARGET, self, "example", "'package.module:function'")


@dataclass(frozen=True)
class Command:
    """A command of the command line; the target is a function or a cyclopts ``App``."""

    name: str
    target: str
    summary: str = ""

    def __post_init__(self) -> None:
        _require(_NAME, self, "name", "'my-command'")
        _require(_TARGET, self, "target", "'package.module:function'")


@dataclass(frozen=True)
class Recipe:
    """A recipe ``dataset/task``; its folder (a path, or ``"package:subfolder"``) holds ``run.py`` and ``recipe.toml``."""

    name: str
    folder: str
    summary: str = ""

    def __post_init__(self) -> None:
        _require(_RECIPE, self, "name", "'dataset/task'")
        if not isinstance(self.folder, str) or not self.folder:
            raise InvalidRecordError(
                f"Recipe.folder is {self.folder!r}", why="it must be a path or 'package:subfolder'"
            )


@dataclass(frozen=True)
class Check:
    """A check that ``ossicle doctor`` runs; the target is a callable of no arguments that returns a `CheckResult`."""

    name: str
    target: str
    summary: str = ""

    def __post_init__(self) -> None:
        _require(_NAME, self, "name", "'my-check'")
        _require(_TARGET, self, "target", "'package.module:function'")


@dataclass(frozen=True)
class CheckResult:
    """What a check found: ``ok``, ``warn`` or ``fail``, one line of detail, and what to do about it."""

    status: Literal["ok", "warn", "fail"]
    detail: str
    hint: str | None = None


@dataclass(frozen=True)
class RunEvent:
    """Something that happened in a run, handed to every ``ossicle_run_event`` hook.

    Parameters
    ----------
    what
        ``started``, ``metrics``, ``checkpoint`` or ``ended``.
    folder
        The run's folder.
    step
        The training step, where there is one.
    values
        Metrics by name, or details of the event.
    """

    what: Literal["started", "metrics", "checkpoint", "ended"]
    folder: str
    step: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
