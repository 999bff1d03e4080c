"""What a kind's page says from the code: its Protocol as it is written, its checks as they are run."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from site_results import plain

from ossicle import protocols
from ossicle.plugin import KINDS
from ossicle.registry import default_registry
from ossicle.testing import checks_of
from ossicle.testing.common import common_checks
from ossicle.testing.subject import ConformanceCheck

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
    own = _rows(check for check in checks if check.name not in every)
    rest = _rows(check for check in checks if check.name in every)
    return (
        f"\n## Protocol\n\nFrom the code, `ossicle.protocols.{name}`:\n\n```python\n{_signature(name)}```\n"
        f"\n## Conformance checks\n\nFrom the code; `check_component({kind!r}, factory)` and `ossicle plugins check` run them.\n\n"
        f"| check | what mends it |\n| --- | --- |\n{own}\nThose of every kind:\n\n"
        f"| check | what mends it |\n| --- | --- |\n{rest}"
    )


def _rows(checks: Iterable[ConformanceCheck]) -> str:
    return "".join(f"| {plain(check.name)} | {plain(check.mend)} |\n" for check in checks)


def _signature(name: str) -> str:
    source = inspect.getsource(getattr(protocols, name)).rstrip() + "\n"
    # Bodies are nothing but an ellipsis, which tells a reader nothing after a docstring.
    return "".join(line for line in source.splitlines(keepends=True) if line.strip() != "...")


def table_of_kinds() -> str:
    """Return a table of all kinds with the components of the house's plugins."""
    lines = ["| kind | what comes with the house |\n| --- | --- |\n"]
    for kind in KINDS:
        names = sorted(f.component.name for f in default_registry().all(kind) if f.status.first_party)
        lines.append(f"| [{kind}](kinds/{kind}.md) | {', '.join(f'`{name}`' for name in names)} |\n")
    return "".join(lines)
