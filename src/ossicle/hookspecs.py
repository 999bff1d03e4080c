"""The hooks of contract `ossicle.v1`. A plugin implements those it needs; none may import torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pluggy

from ossicle.plugin import Check, Command, Component, Recipe, RunEvent

hookspec = pluggy.HookspecMarker("ossicle")


@hookspec
def ossicle_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Yield the components that this plugin brings.

    Example::

        @hookimpl
        def ossicle_components():
            yield Component("vocoder", "buzz", "my_package.buzz:Buzz", "A sawtooth for every frame")
    """


@hookspec
def ossicle_commands() -> Iterable[Command]:  # type: ignore[empty-body]
    """Yield commands for the command line; the name of a core command cannot be taken.

    Example::

        @hookimpl
        def ossicle_commands():
            yield Command("hum", "my_package.cli:hum", "Hum a tone")
    """


@hookspec
def ossicle_recipes() -> Iterable[Recipe]:  # type: ignore[empty-body]
    """Yield recipes that travel inside the package.

    Example::

        @hookimpl
        def ossicle_recipes():
            yield Recipe("mydata/vocoder", "my_package:recipes/mydata/vocoder")
    """


@hookspec
def ossicle_checks() -> Iterable[Check]:  # type: ignore[empty-body]
    """Yield checks for ``ossicle doctor``.

    Example::

        @hookimpl
        def ossicle_checks():
            yield Check("buzz-weights", "my_package.doctor:weights")
    """


@hookspec
def ossicle_run_event(event: RunEvent) -> None:
    """Hear that a run started, logged metrics, wrote a checkpoint or ended.

    Example::

        @hookimpl
        def ossicle_run_event(event):
            if event.what == "ended":
                print(event.folder)
    """


@hookspec(firstresult=True)
def ossicle_open_audio(path: Path) -> tuple[Any, int] | None:
    """Read a sound file that libsndfile cannot: return ((C, N) float32 samples, sample rate), or None to pass.

    Example::

        @hookimpl
        def ossicle_open_audio(path):
            return read_m4a(path) if path.suffix == ".m4a" else None
    """
