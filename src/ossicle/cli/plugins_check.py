"""`ossicle plugins check`: hold plugins and what they bring to their contracts, and say what mends each fault."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.console import Ticker, emit, emit_json
from ossicle.cli.plugins import find_plugins
from ossicle.errors import PluginError, UnknownNameError
from ossicle.plugin import KINDS
from ossicle.registry import Registry, default_registry

if TYPE_CHECKING:
    from ossicle.testing import CheckOutcome


def check(
    *names: Annotated[str, Parameter(help="Plugins, by distribution or entry-point name; none: all of them.")],
    kind: Annotated[
        tuple[str, ...], Parameter(name="--kind", negative="", help="Components of this kind only; may be repeated.")
    ] = (),
    stop: Annotated[bool, Parameter(name=["--stop", "-x"], negative="", help="Stop at the first fault.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Check plugins and every component that they bring, and say what mends each fault.

    Nothing is installed or changed. Exits with 5 if anything is wrong. What cannot be built without settings or data is skipped,
    and the reason is said.
    """
    # The plugins are found first: to import the checks is to import torch, and heavy imports would then go unseen.
    registry = default_registry()
    statuses = registry.host.statuses
    chosen = [found.name for name in names for found in find_plugins(name, statuses)] or [s.name for s in statuses]
    if unknown := [name for name in kind if name not in KINDS]:
        raise UnknownNameError(f"there is no kind {unknown[0]!r}", hint=f"kinds: {', '.join(KINDS)}")
    reports = []
    for name in dict.fromkeys(chosen):
        reports.append(_report(name, kind or KINDS, registry, stop=stop, quiet=quiet or json))
        if not json:
            _show(reports[-1], quiet)
        if stop and reports[-1]["failed"]:
            break
    if json:
        emit_json([{**r, "outcomes": [o.as_dict() for o in r["outcomes"]]} for r in reports])
    elif not reports:
        emit("no plugins are installed")
    return PluginError.exit_code if any(report["failed"] for report in reports) else 0


def _report(name: str, kinds: tuple[str, ...], registry: Registry, *, stop: bool, quiet: bool) -> dict[str, Any]:
    from ossicle.testing.plugin import plugin_outcomes

    started, outcomes = time.monotonic(), []
    with Ticker(name, quiet=quiet) as ticker:
        for outcome in plugin_outcomes(name, kinds=kinds, registry=registry, watch=ticker.update):
            outcomes.append(outcome)
            if stop and outcome.status == "failed":
                break
    counts = Counter(outcome.status for outcome in outcomes)
    version = next(status.version for status in registry.host.statuses if status.name == name)
    return {
        "name": name,
        "version": version,
        "passed": counts["passed"],
        "failed": counts["failed"],
        "skipped": counts["skipped"],
        "seconds": round(time.monotonic() - started, 1),
        "outcomes": outcomes,
    }


def _show(report: dict[str, Any], quiet: bool) -> None:
    if quiet and not report["failed"]:
        return
    counts = ", ".join(f"{report[status]} {status}" for status in ("passed", "failed", "skipped"))
    emit(f"{report['name']} {report['version']}: {counts}, {report['seconds']} s")
    for outcome in report["outcomes"]:
        if outcome.status == "failed":
            emit(f"  FAIL  {_place(outcome)}: {outcome.check}: {outcome.detail}")
            emit(f"        do: {outcome.hint}")
    if not quiet:
        reasons: dict[str, list[str]] = {}
        for outcome in report["outcomes"]:
            if outcome.status == "skipped":
                reasons.setdefault(f"{outcome.check}: {outcome.detail}", []).append(_place(outcome))
        for reason, places in reasons.items():
            emit(f"  skip  {', '.join(dict.fromkeys(places))}: {reason}")


def _place(outcome: CheckOutcome) -> str:
    return f"{outcome.kind}/{outcome.component}" if outcome.component else outcome.kind
