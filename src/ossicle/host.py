"""The host: finds plugins, keeps their faults to themselves, and asks their hooks one at a time.

pluggy's own loader stops at the first plugin that raises and drops the second distribution with an entry name that is
taken; this loop does neither. Every plugin ends in one of five states, and none can stop the command line.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterator
from typing import Any

import pluggy

from ossicle import hookspecs
from ossicle.errors import InvalidRecordError
from ossicle.loading import (
    capture,
    debugging,
    describe_fault,
    guarded_import,
    one_line,
    pass_on,
    signature_fault,
    unmet_version,
)
from ossicle.plugin import CONTRACT, Check, Command, Component, Recipe
from ossicle.status import PluginStatus, Record
from ossicle.targets import missing_reason

_RECORD_HOOKS: dict[str, type] = {
    "ossicle_components": Component,
    "ossicle_commands": Command,
    "ossicle_recipes": Recipe,
    "ossicle_checks": Check,
}
_HOUSE = "The ossicle authors"


class Host:
    """All plugins that were found, with their states, and the hooks of those that are loaded."""

    def __init__(self) -> None:
        self.statuses: list[PluginStatus] = []
        self._manager = pluggy.PluginManager("ossicle")
        self._manager.add_hookspecs(hookspecs)
        self._by_module: dict[int, PluginStatus] = {}

    @classmethod
    def discover(cls) -> Host:
        """Find every plugin installed for this interpreter and load those that may be loaded.

        ``OSSICLE_PLUGINS`` is an allow-list of distribution or entry names, separated by commas (empty: none);
        ``OSSICLE_DISABLE`` a list of those to leave out; ``OSSICLE_DEBUG=1`` lets the first fault through.
        """
        host = cls()
        allowed, disabled = _names("OSSICLE_PLUGINS"), _names("OSSICLE_DISABLE") or set()
        seen: set[tuple[str, str, str]] = set()
        for distribution in importlib.metadata.distributions():
            for entry in distribution.entry_points:
                if not entry.group.startswith("ossicle.v"):
                    continue
                status = _status(distribution, entry)
                key = (status.name, entry.group, entry.name)
                if key in seen:
                    continue
                seen.add(key)
                host.statuses.append(status)
                names = {canonicalize_name(status.name), canonicalize_name(entry.name)}
                if entry.group != CONTRACT:
                    wanted = entry.group
                    status.fail(
                        "incompatible",
                        "contract",
                        f"it is written for contract {wanted}; this ossicle offers {CONTRACT}",
                        "install a version of it for this ossicle, or the ossicle it was written for",
                    )
                elif (allowed is not None and not names & allowed) or names & disabled:
                    status.fail("disabled", "choice", "left out by OSSICLE_PLUGINS or OSSICLE_DISABLE")
                elif unmet := unmet_version(distribution):
                    status.fail("incompatible", "version", unmet, f"pip install -U ossicle {status.name}")
                else:
                    host._load(status)
        host.statuses.sort(key=lambda s: (s.name, s.entry_point))
        for status in host.statuses:
            if status.state == "loaded":
                host._collect(status)
        host._note_shared_names()
        return host

    def _load(self, status: PluginStatus) -> None:
        module = guarded_import(status)
        if module is None:
            return
        fault = signature_fault(module)
        if fault:
            status.fail("rejected", "signature", fault, "see the hooks in docs/plugins.md")
            return
        try:
            # Two distributions may use one entry name, so the manager knows them by both names.
            self._manager.register(module, name=f"{status.name}:{status.entry_point}")
        except (pluggy.PluginValidationError, ValueError) as error:
            status.fail("rejected", "signature", one_line(error), "see the hooks in docs/plugins.md")
            return
        self._by_module[id(module)] = status

    def _collect(self, status: PluginStatus) -> None:
        for hook_name, record_type in _RECORD_HOOKS.items():
            for implementation in getattr(self._manager.hook, hook_name).get_hookimpls():
                if self._by_module.get(id(implementation.plugin)) is not status:
                    continue
                if not self._collect_one(status, hook_name, record_type, implementation.function):
                    self._manager.unregister(implementation.plugin)
                    status.records.clear()
                    return

    def _collect_one(self, status: PluginStatus, hook_name: str, record_type: type, function: Any) -> bool:
        try:
            with capture() as printed:
                records = tuple(function() or ())
        except InvalidRecordError as error:
            if debugging():
                raise
            status.fail("rejected", "record", f"{hook_name}: {one_line(error)}", "mend the record that it yields")
            return False
        except BaseException as error:
            pass_on(error)
            cause = f"{hook_name} raised {describe_fault(error)}"
            status.fail("broken", "hook", cause, "report it to the plugin's authors")
            return False
        if printed.getvalue().strip():
            status.notes.append(f"{hook_name} prints")
        for record in records:
            if not isinstance(record, record_type):
                status.fail(
                    "rejected",
                    "record",
                    f"{hook_name} yielded {record!r}, not a {record_type.__name__}",
                    "mend the record that it yields",
                )
                return False
        names = [(getattr(r, "kind", ""), r.name) for r in records]
        doubled = next((n for n in names if names.count(n) > 1), None)
        if doubled:
            cause = f"{hook_name} yielded {'/'.join(filter(None, doubled))} twice"
            status.fail("rejected", "record", cause, "give each its own name")
            return False
        for record in records:
            target = getattr(record, "target", None)
            reason = missing_reason(target) if target else None
            if reason:
                status.fail(
                    "broken",
                    "target",
                    f"the target {target} of {record.name} does not exist: {reason}",
                    "report it to the plugin's authors",
                )
                return False
        status.records[hook_name] = records
        return True

    def _note_shared_names(self) -> None:
        owners: dict[tuple[str, str], list[PluginStatus]] = {}
        for status in self.loaded():
            for component in status.components:
                owners.setdefault((component.kind, component.name), []).append(status)
        for (kind, name), sharing in owners.items():
            for status in sharing if len(sharing) > 1 else ():
                others = ", ".join(s.name for s in sharing if s is not status)
                status.notes.append(f"{kind} {name} is also in {others}: ask for {status.name}/{name}")

    def loaded(self) -> list[PluginStatus]:
        """Return the plugins that are loaded."""
        return [status for status in self.statuses if status.state == "loaded"]

    def faulty(self) -> list[PluginStatus]:
        """Return the plugins that are broken, rejected or incompatible."""
        return [status for status in self.statuses if status.state in ("broken", "rejected", "incompatible")]

    def records(self, hook_name: str) -> Iterator[tuple[PluginStatus, Record]]:
        """Yield (plugin, record) for every record that loaded plugins yielded to a hook."""
        for status in self.loaded():
            for record in status.records.get(hook_name, ()):
                yield status, record

    def call(self, hook_name: str, **arguments: Any) -> list[tuple[PluginStatus, Any]]:
        """Ask every implementation of a hook, each guarded; one that raises breaks its plugin and hides no other."""
        return list(self._ask(hook_name, arguments))

    def first(self, hook_name: str, **arguments: Any) -> tuple[PluginStatus, Any] | None:
        """Return the first answer to a hook that is not None, with the plugin that gave it."""
        return next((answer for answer in self._ask(hook_name, arguments) if answer[1] is not None), None)

    def _ask(self, hook_name: str, arguments: dict[str, Any]) -> Iterator[tuple[PluginStatus, Any]]:
        for implementation in getattr(self._manager.hook, hook_name).get_hookimpls():
            status = self._by_module[id(implementation.plugin)]
            if status.state != "loaded":
                continue
            try:
                # An implementation may take fewer arguments than its hook offers.
                answer = implementation.function(**{name: arguments[name] for name in implementation.argnames})
            except BaseException as error:
                pass_on(error)
                cause = f"{hook_name} raised {describe_fault(error)}"
                status.fail("broken", "hook", cause, "report it to the plugin's authors")
            else:
                yield status, answer


def _names(variable: str) -> set[str] | None:
    value = os.environ.get(variable)
    return None if value is None else {canonicalize_name(name.strip()) for name in value.split(",") if name.strip()}


def canonicalize_name(name: str) -> str:
    """Return a distribution's name as PEP 503 normalizes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_house(distribution: importlib.metadata.Distribution) -> bool:
    """Return whether a distribution is one of the house's own plugins, by its name and its authors."""
    metadata = distribution.metadata
    authors = [*(metadata.get_all("Author") or ()), *(metadata.get_all("Author-email") or ())]
    named = canonicalize_name(metadata["Name"] or "").startswith("ossicle-")
    return named and any(_HOUSE in author for author in authors)


def _status(distribution: importlib.metadata.Distribution, entry: importlib.metadata.EntryPoint) -> PluginStatus:
    metadata = distribution.metadata
    name = metadata["Name"] or "unknown"
    return PluginStatus(
        name=name,
        version=metadata["Version"] or "unknown",
        entry_point=entry.name,
        target=entry.value,
        summary=next(iter(metadata.get_all("Summary") or ()), ""),
        first_party=is_house(distribution),
    )
