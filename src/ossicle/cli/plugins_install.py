"""`ossicle plugins install` and `uninstall`: through pip or uv, with the plan shown first and the ground kept as it is."""

from __future__ import annotations

import importlib
import json as json_module
import subprocess
import sys
from typing import Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, say, table
from ossicle.cli.installed import installed_plugins
from ossicle.cli.resolver import PROTECTED, Change, Installer, find_installer
from ossicle.errors import PluginError, UnknownNameError, UsageError
from ossicle.host import canonicalize_name, is_house

Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask.")]
DryRun = Annotated[bool, Parameter(name="--dry-run", negative="", help="Show the plan and change nothing.")]


def install(
    *specs: Annotated[str, Parameter(help="What pip takes: a name, name==version, a wheel, a folder, a URL.")],
    requirement: Annotated[
        tuple[str, ...], Parameter(name=["--requirement", "-r"], negative="", help="A file of requirements.")
    ] = (),
    editable: Annotated[
        tuple[str, ...], Parameter(name=["--editable", "-e"], negative="", help="A folder to be used where it lies.")
    ] = (),
    upgrade: Annotated[
        bool, Parameter(name=["--upgrade", "-U"], negative="", help="Take the newest versions.")
    ] = False,
    allow_change: Annotated[
        tuple[str, ...],
        Parameter(name="--allow-change", negative="", help=f"Let this one change: {', '.join(PROTECTED)}."),
    ] = (),
    find_links: Annotated[
        tuple[str, ...], Parameter(name="--find-links", negative="", help="A folder or page of wheels.")
    ] = (),
    index_url: Annotated[str | None, Parameter(name="--index-url", help="The index to ask.")] = None,
    no_index: Annotated[bool, Parameter(name="--no-index", negative="", help="Ask no index.")] = False,
    no_build_isolation: Annotated[
        bool, Parameter(name="--no-build-isolation", negative="", help="Build with the packages installed here.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Install plugins: show what pip or uv would do, ask, and do it.

    What would change torch, torchaudio, numpy or ossicle itself is refused with exit code 5, unless --allow-change names it.
    """
    if not (specs or requirement or editable):
        raise UsageError("nothing is named to install", hint="ossicle plugins install NAME, or -r FILE")
    if unknown := [name for name in allow_change if canonicalize_name(name) not in PROTECTED]:
        raise UsageError(f"{unknown[0]} may change anyway", hint=f"--allow-change is for {', '.join(PROTECTED)}")
    arguments = [*(f"--find-links={place}" for place in find_links), *(["--no-index"] if no_index else [])]
    arguments += [*([f"--index-url={index_url}"] if index_url else []), *(["--upgrade"] if upgrade else [])]
    arguments += ["--no-build-isolation"] if no_build_isolation else []
    for option, values in (("--requirement", requirement), ("--editable", editable)):
        arguments += [word for value in values for word in (option, value)]
    arguments += specs
    installer, free = find_installer(), {canonicalize_name(name) for name in allow_change}
    plan = installer.plan(arguments)
    refused = [change for change in plan if _shakes_the_ground(change) and change.name not in free]
    go = bool(plan) and not refused and not dry_run
    if not json:
        _show(plan, installer, quiet=quiet and not refused)
    if go:
        _confirm("install?", yes)
        installer.install(arguments, free=free)
    states = _states([change.name for change in plan]) if go else []
    if json:
        facts = {"installer": installer.name, "plan": [c.as_dict() for c in plan], "installed": go}
        emit_json({**facts, "refused": [change.name for change in refused], "plugins": states})
    if refused:
        raise _refusal(refused)
    return _tell(states, plan, go=go, quiet=quiet or json)


def uninstall(
    *names: Annotated[str, Parameter(help="Plugins, by distribution name.")],
    house: Annotated[
        bool, Parameter(name="--house", negative="", help="Remove plugins that ossicle's own authors made, too.")
    ] = False,
    yes: Yes = False,
    quiet: options.Quiet = False,
) -> int:
    """Remove plugins. None is loaded for it, so one that breaks on import is removed like any other."""
    if not names:
        raise UsageError("nothing is named to remove", hint="ossicle plugins uninstall NAME")
    plugins = {canonicalize_name(found.metadata["Name"]): found for found in installed_plugins()}
    wanted = list(dict.fromkeys(canonicalize_name(name) for name in names))
    for name in wanted:
        if name not in plugins:
            raise UnknownNameError(
                f"no plugin is named {name!r}",
                why="only distributions with an entry point in ossicle.v1 are removed from here",
                hint=f"installed: {', '.join(sorted(plugins)) or 'none'}",
            )
        if is_house(plugins[name]) and not house:
            raise PluginError(
                f"{name} is one of ossicle's own plugins", why="others may count on it", hint="--house removes it"
            )
    _confirm(f"remove {', '.join(wanted)}?", yes)
    find_installer().uninstall(wanted)
    importlib.invalidate_caches()
    left = {canonicalize_name(found.metadata["Name"]): found for found in installed_plugins()}
    for name in wanted:
        if name in left:
            raise PluginError(
                f"{name} is still there",
                why=f"it lies in {left[name].locate_file('')}, which the installer does not manage",
                hint="take that folder off the path",
            )
        say(f"removed {name}", quiet=quiet)
    return 0


def _shakes_the_ground(change: Change) -> bool:
    return change.name in PROTECTED and change.kind == "change"


def _refusal(refused: list[Change]) -> PluginError:
    named = ", ".join(f"{change.name} {change.before} -> {change.version}" for change in refused)
    wanted_by = [text for change in refused for text in change.wanted_by]
    allowed = " ".join(f"--allow-change {change.name}" for change in refused)
    return PluginError(
        f"refused: it would change {named}",
        why="; ".join(wanted_by) or "every other plugin here was installed for the version that is here",
        hint=f"ask for a version of the plugin that fits what is here, install it elsewhere, or {allowed}",
    )


def _show(plan: list[Change], installer: Installer, *, quiet: bool) -> None:
    if quiet:
        return
    if not plan:
        emit("nothing to do: what is asked for is installed")
        return
    say(f"the plan of {installer.name}:")
    emit(table([(c.kind, c.name, c.before or "-", c.version) for c in plan], ("what", "name", "before", "then")))


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", why="standard input is no terminal", hint="--yes goes on unasked")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed", why="the answer was not yes")


def _states(names: list[str]) -> list[dict[str, Any]]:
    """Return what became of those of some distributions that are plugins, as a new process sees them."""
    command = [sys.executable, "-m", "ossicle", "plugins", "list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        return []
    return [status for status in json_module.loads(done.stdout) if canonicalize_name(status["name"]) in names]


def _tell(states: list[dict[str, Any]], plan: list[Change], *, go: bool, quiet: bool) -> int:
    if not go:
        return 0
    for status in states:
        say(f"{status['name']} {status['version']}: {status['state']}", quiet=quiet)
    if not states:
        say(f"installed, but none of {', '.join(change.name for change in plan)} is a plugin of ossicle's", quiet=quiet)
    faulty = [status for status in states if status["state"] not in ("loaded", "disabled")]
    if faulty:
        raise PluginError(
            f"installed, but {faulty[0]['name']} is {faulty[0]['state']}",
            why=faulty[0]["cause"],
            hint=f"ossicle plugins check {faulty[0]['name']}, or uninstall it",
        )
    return 0
