"""`ossicle plugins`: what is installed, in which state, and why."""

from __future__ import annotations

import difflib
from typing import Annotated

from cyclopts import App, Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json
from ossicle.cli.installed import requirement_lines
from ossicle.cli.plain import list_plugins, trouble
from ossicle.errors import UnknownNameError
from ossicle.registry import default_registry
from ossicle.status import PluginStatus

app = App(
    name="plugins", help="List plugins, look into them, check them, write, install and remove them.", version_flags=[]
)
app.command("ossicle.cli.plugins_new:new", name="new", help="Write a small package with a component of a kind.")
app.command(
    "ossicle.cli.plugins_check:check",
    name="check",
    help="Check plugins and what they bring; say what mends each fault.",
)
app.command(
    "ossicle.cli.plugins_install:install", name="install", help="Install plugins: show the plan, ask, and do it."
)
app.command("ossicle.cli.plugins_install:uninstall", name="uninstall", help="Remove plugins; none is loaded for it.")


@app.command(name="list")
def list_(
    *,
    requirements: Annotated[
        bool, Parameter(name="--requirements", negative="", help="As a requirements file, for install -r; loads none.")
    ] = False,
    json: options.Json = False,
) -> int:
    """List every plugin that is installed, loaded or not, with its components and the cause of any trouble."""
    if not requirements:
        return list_plugins(json)
    lines = requirement_lines()
    if json:
        emit_json([line for line in lines if not line.startswith("#")])
    elif lines:
        emit("\n".join(lines))
    return 0


@app.command
def show(
    name: Annotated[str, Parameter(help="A plugin's distribution or entry-point name.")],
    /,
    *,
    json: options.Json = False,
) -> int:
    """Show everything about one plugin."""
    statuses = default_registry().host.statuses
    found = find_plugins(name, statuses)
    if json:
        emit_json(found[0].as_dict() if len(found) == 1 else [s.as_dict() for s in found])
        return 0
    for status in found:
        emit(f"{status.name} {status.version}: {status.state}")
        emit(f"  {status.summary}" if status.summary else "  (no summary)")
        emit(f"  entry point {status.entry_point} = {status.target}")
        for component in status.components:
            emit(
                f"  {component.kind}/{component.name} -> {component.target}"
                + (f"  {component.summary}" if component.summary else "")
            )
        for hook, records in status.records.items():
            if hook != "ossicle_components":
                emit(f"  {hook.removeprefix('ossicle_')}: {', '.join(r.name for r in records) or 'none'}")
        for line in trouble(status):
            emit(f"  {line}")
    return 0


def find_plugins(name: str, statuses: list[PluginStatus]) -> list[PluginStatus]:
    """Return the plugins that have a name, be it the distribution's or the entry point's.

    Raises
    ------
    UnknownNameError
        If there is none; close names are listed.
    """
    found = [status for status in statuses if name in (status.name, status.entry_point)]
    if found:
        return found
    known = [status.name for status in statuses]
    close = difflib.get_close_matches(name, known, n=3)
    raise UnknownNameError(
        f"no plugin is named {name!r}",
        hint=f"did you mean {' or '.join(close)}?" if close else f"installed: {', '.join(known) or 'none'}",
    )
