"""What a kind's page says from the code: its Protocol as it is written, its checks as they are run."""

from __future__ import annotations

import ast
import inspect

from site_pages import ROOT

from ossicle import protocols
from ossicle.plugin import KINDS
from ossicle.testing import checks_of
from ossicle.testing.common import common_checks

PROTOCOLS = {
    "vocoder": "Vocoder",
    "ssl-method": "SSLMethod",
    "adapter": "Adapter",
    "outlier-detector": "OutlierDetector",
    "backbone": "Backbone",
    "dataset": "Dataset",
    "mixer": "Mixer",
    "augmentation": "Augmentation",
    "corruption": "Corruption",
    "kernel": "Kernel",
}


def contract(kind: str) -> str:
    """Return the part of a kind's page that comes from the code, in Markdown."""
    name = PROTOCOLS[kind]
    every = {check.name for check in common_checks(list)}
    checks = checks_of(kind)
    own = "".join(f"| {check.name} | {check.mend} |\n" for check in checks if check.name not in every)
    rest = "".join(f"| {check.name} | {check.mend} |\n" for check in checks if check.name in every)
    return (
        f"\n## Protocol\n\nFrom the code, `ossicle.protocols.{name}`:\n\n```python\n{_signature(name)}```\n"
        f"\n## Conformance checks\n\nFrom the code; `check_component({kind!r}, factory)` and `ossicle plugins check` run them.\n\n"
        f"| check | where it fails |\n| --- | --- |\n{own}\nThose of every kind:\n\n"
        f"| check | where it fails |\n| --- | --- |\n{rest}"
    )


def _signature(name: str) -> str:
    source = inspect.getsource(getattr(protocols, name)).rstrip() + "\n"
    # Bodies are nothing but an ellipsis, which tells a reader nothing after a docstring.
    assert ast.parse(source)
    return "".join(line for line in source.splitlines(keepends=True) if line.strip() != "...")


def table_of_kinds() -> str:
    """Return a table of all kinds with the components that are registered, for the front of the section."""
    import ossicle

    lines = ["| kind | what comes with the house |\n| --- | --- |\n"]
    for kind in KINDS:
        names = [name for name in ossicle.names(kind) if "/" not in name]
        lines.append(f"| [{kind}](kinds/{kind}.md) | {', '.join(f'`{name}`' for name in names)} |\n")
    return "".join(lines)


def missing_pages() -> list[str]:
    """Return the kinds that have no page."""
    return [kind for kind in KINDS if not (ROOT / "docs" / "kinds" / f"{kind}.md").exists()]
