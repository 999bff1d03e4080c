"""The host: finds plugins, keeps their faults to themselves, and asks their hooks one at a time.

pluggy's own loader stops at the first plugin that raises and drops the second distribution with an entry name that is
taken; this loop does neither. Every plugin ends in one of five states, and none can stop the command line.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import inspect
import io
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pluggy

from ossicle import hookspecs
from ossicle.errors import InvalidRecordError, OssicleError
from ossicle.plugin import CONTRACT, Check, Command, Component, Recipe
from ossicle.targets import missing_reason

State = Literal["loaded", "disabled", "incompatible", "rejected", "broken"]
Record = Component | Command | Recipe | Check

_HEAVY = ("torch", "torchaudio", "numpy", "scipy", "librosa", "soundfile", "sklearn", "pandas", "matplotlib")
_SLOW_S = 0.3
_RECORD_HOOKS: dict[str, type] = {
    "ossicle_components": Component,
    "ossicle_commands": Command,
    "ossicle_recipes": Recipe,
    "ossicle_checks": Check,
}
_HOUSE = "The ossicle authors"


@dataclass
class PluginStatus:
    """What became of one entry point.

    Parameters
    ----------
    name, version
        The distribution's.
    entry_point, target
        The entry point's name and the module it names.
    state
        ``loaded``, ``disabled``, ``incompatible``, ``rejected`` or ``broken``.
    records
        What its hooks yielded, by hook.
    cause, hint
        Why it is not loaded, and what to do.
    notes
        Remarks on a plugin that is loaded: it prints, it is slow, a name is shared.
    """

    name: str
    version: str
    entry_point: str
    target: str
    state: State = "loaded"
    summary: str = ""
    first_party: bool = False
    records: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    cause: str | None = None
    hint: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def components(self) -> tuple[Component, ...]:
        """The components it brings."""
        return tuple(r for r in self.records.get("ossicle_components", ()) if isinstance(r, Component))

    def fail(self, state: State, cause: str, hint: str | None = None) -> None:
        """Put the plugin into a state other than loaded, with the cause."""
        self.state, self.cause, self.hint = state, cause, hint

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "state": self.state,
            "components": [f"{c.kind}/{c.name}" for c in self.components],
            "commands": [r.name for r in self.records.get("ossicle_commands", ())],
            "recipes": [r.name for r in self.records.get("ossicle_recipes", ())],
            "checks": [r.name for r in self.records.get("ossicle_checks", ())],
            "entry_point": self.entry_point,
            "module": self.target,
            "summary": self.summary,
            "cause": self.cause,
            "hint": self.hint,
            "notes": list(self.notes),
        }


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
                        f"it is written for contract {wanted}; this ossicle offers {CONTRACT}",
                        "install a version of it for this ossicle, or the ossicle it was written for",
                    )
                elif (allowed is not None and not names & allowed) or names & disabled:
                    status.fail("disabled", "left out by OSSICLE_PLUGINS or OSSICLE_DISABLE")
                elif unmet := _unmet(distribution):
                    status.fail("incompatible", unmet, f"pip install -U ossicle {status.name}")
                else:
                    host._load(status)
        host.statuses.sort(key=lambda s: (s.name, s.entry_point))
        for status in host.statuses:
            if status.state == "loaded":
                host._collect(status)
        host._note_shared_names()
        return host

    def _load(self, status: PluginStatus) -> None:
        module = _guarded_import(status)
        if module is None:
            return
        fault = _signature_fault(module)
        if fault:
            status.fail("rejected", fault, "see the hooks in docs/plugins.md")
            return
        try:
            # Two distributions may use one entry name, so the manager knows them by both names.
            self._manager.register(module, name=f"{status.name}:{status.entry_point}")
        except (pluggy.PluginValidationError, ValueError) as error:
            status.fail("rejected", _one_line(error), "see the hooks in docs/plugins.md")
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
            with _capture() as printed:
                records = tuple(function() or ())
        except InvalidRecordError as error:
            _debug()
            status.fail("rejected", f"{hook_name}: {_one_line(error)}", "mend the record that it yields")
            return False
        except BaseException as error:
            _pass_on(error)
            status.fail("broken", f"{hook_name} raised {describe_fault(error)}", "report it to the plugin's authors")
            return False
        if printed.getvalue().strip():
            status.notes.append(f"{hook_name} prints")
        for record in records:
            if not isinstance(record, record_type):
                status.fail(
                    "rejected",
                    f"{hook_name} yielded {record!r}, not a {record_type.__name__}",
                    "mend the record that it yields",
                )
                return False
        names = [(getattr(r, "kind", ""), r.name) for r in records]
        doubled = next((n for n in names if names.count(n) > 1), None)
        if doubled:
            status.fail(
                "rejected", f"{hook_name} yielded {'/'.join(filter(None, doubled))} twice", "give each its own name"
            )
            return False
        for record in records:
            target = getattr(record, "target", None)
            reason = missing_reason(target) if target else None
            if reason:
                status.fail(
                    "broken",
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
                _pass_on(error)
                status.fail(
                    "broken", f"{hook_name} raised {describe_fault(error)}", "report it to the plugin's authors"
                )
            else:
                yield status, answer


def describe_fault(error: BaseException) -> str:
    """Return an exception's type, message and last place in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {_one_line(error)}{place}"


def _one_line(error: BaseException) -> str:
    if isinstance(error, OssicleError):
        return f"{error.what}; {error.why}" if error.why else error.what
    return " ".join(str(error).split()) or "no message"


def debugging() -> bool:
    """Return whether ``OSSICLE_DEBUG`` asks for faults to come through."""
    return os.environ.get("OSSICLE_DEBUG", "") not in ("", "0")


def _debug() -> None:
    if debugging():
        raise


def _pass_on(error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt) or debugging():
        raise error


def _names(variable: str) -> set[str] | None:
    value = os.environ.get(variable)
    return None if value is None else {canonicalize_name(name.strip()) for name in value.split(",") if name.strip()}


def canonicalize_name(name: str) -> str:
    """Return a distribution's name as PEP 503 normalizes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _status(distribution: importlib.metadata.Distribution, entry: importlib.metadata.EntryPoint) -> PluginStatus:
    metadata = distribution.metadata
    name = metadata["Name"] or "unknown"
    authors = [*(metadata.get_all("Author") or ()), *(metadata.get_all("Author-email") or ())]
    return PluginStatus(
        name=name,
        version=metadata["Version"] or "unknown",
        entry_point=entry.name,
        target=entry.value,
        summary=next(iter(metadata.get_all("Summary") or ()), ""),
        first_party=canonicalize_name(name).startswith("ossicle-") and any(_HOUSE in author for author in authors),
    )


def _unmet(distribution: importlib.metadata.Distribution) -> str | None:
    wanted = [text for text in distribution.requires or () if re.match(r"ossicle(?![\w.-])", text, re.IGNORECASE)]
    if not wanted:
        return None
    from packaging.requirements import InvalidRequirement, Requirement

    for text in wanted:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version("ossicle")
        except importlib.metadata.PackageNotFoundError:
            return None
        if not requirement.specifier.contains(version, prereleases=True):
            return f"it needs ossicle{requirement.specifier}; this is ossicle {version}"
    return None


def _guarded_import(status: PluginStatus) -> Any:
    before = {name for name in _HEAVY if name in sys.modules}
    started = time.perf_counter()
    module_name, _, attribute = status.target.partition(":")
    try:
        with _capture() as printed:
            module: Any = importlib.import_module(module_name.strip())
            for part in filter(None, attribute.strip().split(".")):
                module = getattr(module, part)
    except BaseException as error:
        _pass_on(error)
        status.fail("broken", describe_fault(error), "report it to the plugin's authors, or uninstall it")
        return None
    if printed.getvalue().strip():
        first_line = printed.getvalue().strip().splitlines()[0][:80]
        status.notes.append(f"prints at import: {first_line}")
    heavy = [name for name in _HEAVY if name in sys.modules and name not in before]
    took = time.perf_counter() - started
    if heavy:
        status.notes.append(
            f"heavy import: its entry-point module imports {', '.join(heavy)}; name code by target instead"
        )
    elif took > _SLOW_S:
        status.notes.append(f"heavy import: its entry-point module takes {took:.1f} s to import")
    return module


@contextlib.contextmanager
def _capture() -> Iterator[io.StringIO]:
    """Keep what a plugin prints off the real streams: stdout belongs to results."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


def _signature_fault(module: Any) -> str | None:
    """Return why a hook implementation's signature is refused; pluggy versions differ on what they let through."""
    known = {name for name in vars(hookspecs) if name.startswith("ossicle_")}
    for name, function in _implementations(module):
        if name not in known:
            return f"there is no hook {name}; the hooks are {', '.join(sorted(known))}"
        offered = set(inspect.signature(getattr(hookspecs, name)).parameters)
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                return f"{name} takes *{parameter.name}; name the arguments it uses"
            if parameter.name not in offered and parameter.name != "self":
                return f"{name} takes an argument {parameter.name!r} that the hook does not offer"
            if parameter.default is not parameter.empty:
                return (
                    f"{name} gives its argument {parameter.name!r} a default, which pluggy versions treat differently"
                )
    return None


def _implementations(module: Any) -> Iterable[tuple[str, Any]]:
    for name in dir(module):
        function = getattr(module, name, None)
        marked = getattr(function, "ossicle_impl", None)
        if callable(function) and marked:
            yield marked.get("specname") or name, function
        elif name.startswith("ossicle_") and inspect.isfunction(function) and name not in vars(hookspecs):
            yield name, function
