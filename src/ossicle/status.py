"""What became of a plugin: the record that `ossicle.plugins()` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ossicle.plugin import Check, Command, Component, Recipe

State = Literal["loaded", "disabled", "incompatible", "rejected", "broken"]
Stage = Literal["contract", "choice", "version", "import", "signature", "hook", "record", "target", "use"]
Record = Component | Command | Recipe | Check


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
    stage
        How far it came: where the fault was found. None while it is loaded.
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
    stage: Stage | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def components(self) -> tuple[Component, ...]:
        """The components it brings."""
        return tuple(r for r in self.records.get("ossicle_components", ()) if isinstance(r, Component))

    def fail(self, state: State, stage: Stage, cause: str, hint: str | None = None) -> None:
        """Put the plugin into a state other than loaded, with where it failed and the cause."""
        self.state, self.stage, self.cause, self.hint = state, stage, cause, hint

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "state": self.state,
            "stage": self.stage,
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
