"""The registry: kind and name to component, loaded on first use; qualified names where bare ones are shared."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any

from ossicle.errors import AmbiguousNameError, BrokenPluginError, ConfigError, UnknownNameError
from ossicle.host import Host
from ossicle.loading import debugging, describe_fault
from ossicle.plugin import KINDS, Component
from ossicle.status import PluginStatus
from ossicle.targets import load_target


@dataclass(frozen=True)
class Found:
    """A component and the plugin it comes from."""

    component: Component
    status: PluginStatus

    @property
    def qualified(self) -> str:
        """Its name with the distribution's in front."""
        return f"{self.status.name}/{self.component.name}"


class Registry:
    """What the host's loaded plugins offer, by kind and name.

    A bare name that several distributions share belongs to a first-party one where there is exactly one; else it is
    ambiguous. ``distribution/name`` always works.
    """

    def __init__(self, host: Host) -> None:
        self.host = host

    def all(self, kind: str) -> list[Found]:
        """Return every component of a kind."""
        if kind not in KINDS:
            raise UnknownNameError(f"there is no kind {kind!r}", hint=_choices(kind, KINDS))
        return [
            Found(record, status)
            for status, record in self.host.records("ossicle_components")
            if isinstance(record, Component) and record.kind == kind
        ]

    def names(self, kind: str) -> list[str]:
        """Return the sorted names of a kind: bare where that is enough, else qualified."""
        found = self.all(kind)
        return sorted(f.component.name if self._owner(f.component.name, found) is f else f.qualified for f in found)

    def find(self, kind: str, name: str) -> Found:
        """Return the component of a kind with a bare or qualified name.

        Raises
        ------
        UnknownNameError
            If there is none; close names and broken plugins are listed.
        AmbiguousNameError
            If several distributions offer the bare name.
        """
        found = self.all(kind)
        for candidate in found:
            if candidate.qualified == name:
                return candidate
        sharing = [f for f in found if f.component.name == name]
        owner = self._owner(name, found)
        if owner:
            return owner
        if sharing:
            raise AmbiguousNameError(
                f"several plugins offer {kind} {name!r}",
                why="the bare name does not say which is meant",
                hint=f"ask for one of: {', '.join(sorted(f.qualified for f in sharing))}",
            )
        faulty = [f"{s.name} ({s.state}: {s.cause})" for s in self.host.faulty()]
        raise UnknownNameError(
            f"no {kind} is named {name!r}",
            why=f"these plugins could not be loaded: {'; '.join(faulty)}" if faulty else "no loaded plugin offers it",
            hint=_choices(name, self.names(kind)),
        )

    @staticmethod
    def _owner(name: str, found: list[Found]) -> Found | None:
        sharing = [f for f in found if f.component.name == name]
        if len(sharing) > 1:
            sharing = [f for f in sharing if f.status.first_party]
        return sharing[0] if len(sharing) == 1 else None

    def default(self, kind: str) -> str:
        """Return the name of the component that a command means when its user names none."""
        marked = [f for f in self.all(kind) if f.component.default]
        if len(marked) > 1:
            marked = [f for f in marked if f.status.first_party] or marked
        if len(marked) == 1:
            return marked[0].qualified
        names = self.names(kind)
        if not marked and len(names) == 1:
            return names[0]
        if marked:
            choices = ", ".join(f.qualified for f in marked)
            raise AmbiguousNameError(f"several plugins claim to be the default {kind}", hint=f"name one of: {choices}")
        faulty = [f"{s.name} ({s.state}: {s.cause})" for s in self.host.faulty()]
        raise UnknownNameError(
            f"there is no default {kind}",
            why=f"these plugins could not be loaded: {'; '.join(faulty)}" if faulty else "no loaded plugin offers one",
            hint=f"name one of: {', '.join(names)}" if names else f"install a plugin that offers a {kind}",
        )

    def get(self, kind: str, name: str) -> Any:
        """Return the object that a component's target names, imported on first use.

        Raises
        ------
        BrokenPluginError
            If the target cannot be imported; the plugin is broken from then on.
        """
        found = self.find(kind, name)
        try:
            return load_target(found.component.target)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or debugging():
                raise
            found.status.fail("broken", "use", f"{found.component.target}: {describe_fault(error)}")
            raise BrokenPluginError(
                f"{kind} {name!r} of {found.status.name} cannot be loaded",
                why=describe_fault(error),
                hint="report it to the plugin's authors; OSSICLE_DEBUG=1 shows where it happened",
            ) from error

    def build(self, kind: str, name: str, **config: Any) -> Any:
        """Call the object that a component's target names with a configuration.

        Raises
        ------
        ConfigError
            If the object takes no setting of a name given.
        """
        factory = self.get(kind, name)
        try:
            inspect.signature(factory).bind(**config)
        except TypeError as error:
            accepted = [p for p in inspect.signature(factory).parameters if p not in ("self", "args", "kwargs")]
            raise ConfigError(
                f"{kind} {name!r} cannot be built with {', '.join(config) or 'no settings'}",
                why=str(error),
                hint=f"it takes: {', '.join(accepted) or 'no settings'}",
            ) from error
        except ValueError:
            pass  # Some builtins have no signature; the call itself will tell.
        return factory(**config)


def _choices(name: str, known: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(sorted(known))}" if known else "none is installed"


@cache
def default_registry() -> Registry:
    """Return the process-wide registry; plugins are discovered at the first call."""
    return Registry(Host.discover())


def reset() -> None:
    """Forget the process-wide registry, so that the next use discovers plugins anew."""
    default_registry.cache_clear()
