"""What the house offers and no page tells of: hooks, commands, kinds, components."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Offer:
    """What a reader may look for.

    Parameters
    ----------
    hooks, commands, kinds
        Their names.
    components
        Name, kind and distribution of each.
    """

    hooks: Iterable[str] = ()
    commands: Iterable[str] = ()
    kinds: Iterable[str] = ()
    components: Iterable[tuple[str, str, str]] = field(default=())


def house() -> Offer:
    """Return what the core and the house's plugins offer here."""
    from ossicle import hookspecs
    from ossicle.cli.app import COMMANDS
    from ossicle.plugin import KINDS, Command
    from ossicle.registry import default_registry

    registry = default_registry()
    brought = [
        record.name
        for status, record in registry.host.records("ossicle_commands")
        if isinstance(record, Command) and status.first_party
    ]
    return Offer(
        hooks=[name for name in vars(hookspecs) if name.startswith("ossicle_")],
        commands=[*COMMANDS, *brought],
        kinds=KINDS,
        components=[
            (found.component.name, kind, found.status.name)
            for kind in KINDS
            for found in registry.all(kind)
            if found.status.first_party
        ],
    )


def undocumented(root: Path, offer: Offer) -> list[str]:
    """Return a line for everything that has no page in a repository.

    A hook must be in the contract, a command and a kind have a page each, and a component must be named, in backticks, on
    a page or in its plugin's README.
    """
    docs = root / "docs"
    contract = _text(docs / "plugins.md")
    lines = [f"hook {name}: docs/plugins.md does not tell of it" for name in offer.hooks if f"`{name}(" not in contract]
    lines += [
        f"command {name}: docs/commands/{name}.md is not there or does not show it"
        for name in offer.commands
        if f"ossicle {name}" not in _text(docs / "commands" / f"{name}.md")
    ]
    lines += [
        f"kind {kind}: docs/kinds/{kind}.md is not there or empty"
        for kind in offer.kinds
        if not _text(docs / "kinds" / f"{kind}.md").strip()
    ]
    pages = "".join(_text(path) for path in sorted(docs.glob("**/*.md")))
    lines += [
        f"{kind} {name}: neither a page nor the README of {plugin} names it"
        for name, kind, plugin in offer.components
        if f"`{name}`" not in pages and f"`{name}`" not in _text(root / "plugins" / plugin / "README.md")
    ]
    return lines


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""
