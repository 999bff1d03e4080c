"""Checks a whole plugin: its entry point, its metadata, and each of its components through the registry."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from ossicle.errors import MissingPackageError, UnknownNameError
from ossicle.loading import describe_fault
from ossicle.plugin import KINDS
from ossicle.registry import Found, Registry, default_registry
from ossicle.status import PluginStatus
from ossicle.testing.examples import example_factory
from ossicle.testing.probe import look_afresh
from ossicle.testing.runner import CheckOutcome, run_checks
from ossicle.testing.subject import Skipped

Watch = Callable[[str], None]
Expected = Mapping[str, Mapping[str, Any]]

_STAGES: dict[str, tuple[str, str]] = {
    "contract": ("is written for this contract", "put its entry point into the group ossicle.v1"),
    "version": (
        "takes this ossicle",
        "widen its requirement on ossicle in pyproject.toml, or install the one it needs",
    ),
    "import": ("imports", "mend the module that its entry point names"),
    "signature": ("hooks take what they are given", "take a hook's arguments by their names, without defaults"),
    "hook": ("hooks return", "let the hook do nothing but yield records"),
    "record": ("records are sound", "correct the record that the hook yields"),
    "target": ("targets exist", "write 'package.module:Attribute' as it is spelled in the source"),
}
"""How far a plugin comes on its way in, in order: a check for each step, and what mends it."""


def check_plugin(
    name: str,
    *,
    components: bool = True,
    kinds: Collection[str] = KINDS,
    expected: Expected | None = None,
    registry: Registry | None = None,
) -> list[CheckOutcome]:
    """Run every check on an installed plugin and return the outcomes; no fault of the plugin's is raised.

    Parameters
    ----------
    name
        The distribution's name.
    components
        Whether its components are built and held to the checks of their kinds.
    kinds
        Of these kinds only.
    expected
        Facts by component, such as ``{"vocoder/buzz": {"sample_rate": 22050}}``.
    registry
        Where to look; by default that of this process.

    Raises
    ------
    UnknownNameError
        If no installed distribution of the name has an entry point in the group ``ossicle.v1`` or one of its kin.
    """
    return list(plugin_outcomes(name, components=components, kinds=kinds, expected=expected, registry=registry))


def plugin_outcomes(
    name: str,
    *,
    components: bool = True,
    kinds: Collection[str] = KINDS,
    expected: Expected | None = None,
    registry: Registry | None = None,
    watch: Watch = lambda what: None,
) -> Iterator[CheckOutcome]:
    """Yield what `check_plugin` returns, as it is found; `watch` is told what is tried next."""
    registry = registry or default_registry()
    statuses = [status for status in registry.host.statuses if status.name == name]
    if not statuses:
        known = ", ".join(sorted({status.name for status in registry.host.statuses}))
        raise UnknownNameError(f"no plugin is named {name!r}", hint=f"installed: {known or 'none'}")
    if all(status.state == "disabled" for status in statuses):
        yield CheckOutcome("plugin", "is enabled", "skipped", statuses[0].cause or "")
        return
    watch("its import")
    afresh = look_afresh(name)
    for status in statuses:
        yield from _entry(status, afresh.get(status.entry_point) or afresh.get("") or status.as_dict(), registry)
    yield from _metadata(distribution(name), statuses)
    for found in _components(name, kinds, registry) if components else ():
        yield from component_outcomes(found, registry, expected=expected, watch=watch)


def parametrize_plugin(name: str, *, expected: Expected | None = None) -> Any:
    """Return a pytest mark that gives a test one ``check`` for the plugin and one for each component, to call."""
    import pytest

    registry = default_registry()

    def run(outcomes: Callable[[], Iterator[CheckOutcome]]) -> None:
        found = list(outcomes())
        failed = [f"{o.check}: {o.detail}; to mend: {o.hint}" for o in found if o.status == "failed"]
        assert not failed, "\n".join(failed)
        if all(o.status == "skipped" for o in found):
            pytest.skip(found[0].detail)

    cases: dict[str, Callable[[], Iterator[CheckOutcome]]] = {
        name: partial(plugin_outcomes, name, components=False, registry=registry)
    }
    for found in _components(name, KINDS, registry):
        cases[_label(found)] = partial(component_outcomes, found, registry, expected=expected)
    return pytest.mark.parametrize(
        "check", [pytest.param(partial(run, case), id=label) for label, case in cases.items()]
    )


def component_outcomes(
    found: Found, registry: Registry, *, expected: Expected | None = None, watch: Watch = lambda what: None
) -> Iterator[CheckOutcome]:
    """Build a registered component and yield what the checks of its kind find."""
    kind, label = found.component.kind, _label(found)
    outcome = partial(CheckOutcome, kind, "can be built", component=found.component.name)
    with tempfile.TemporaryDirectory(prefix="ossicle-check-") as folder:
        watch(f"{label}: building it")
        try:
            factory = example_factory(found, registry, Path(folder))
            factory()
        except (Skipped, MissingPackageError) as reason:
            yield outcome(status="skipped", detail=" ".join(str(reason).split()))
            return
        except (Exception, SystemExit) as error:
            mend = (
                "let it be built without settings, or name a function that builds a small one: Component(example=...)"
            )
            yield outcome(status="failed", detail=describe_fault(error), hint=mend)
            return
        yield outcome(status="passed")
        told = (expected or {}).get(label)
        for found_out in run_checks(kind, factory, expected=told, watch=lambda check: watch(f"{label}: {check}")):
            yield replace(found_out, component=found.component.name)


def _components(name: str, kinds: Collection[str], registry: Registry) -> list[Found]:
    return [found for kind in KINDS if kind in kinds for found in registry.all(kind) if found.status.name == name]


def _label(found: Found) -> str:
    return f"{found.component.kind}/{found.component.name}"


def _entry(status: PluginStatus, seen: Mapping[str, Any], registry: Registry) -> Iterator[CheckOutcome]:
    stages = list(_STAGES)
    stage = seen["stage"]
    reached = stages.index(stage) if stage in stages else len(stages)
    for at, (check, mend) in enumerate(_STAGES.values()):
        if at < reached:
            yield CheckOutcome("plugin", check, "passed")
        elif at == reached:
            yield CheckOutcome("plugin", check, "failed", seen["cause"] or "", mend)
        else:
            yield CheckOutcome("plugin", check, "skipped", "it does not come so far")
    if reached <= stages.index("import"):
        return
    for check, word, mend in (
        ("imports lightly", "heavy import", "import it in the module that a target names, not in the entry point's"),
        ("prints nothing", "prints", "leave printing to the commands; use logging for what authors want to know"),
    ):
        notes = [note for note in seen["notes"] if word in note]
        yield CheckOutcome("plugin", check, "failed" if notes else "passed", "; ".join(notes), mend if notes else None)
    if reached == len(stages):
        yield _names(status, registry)


def _names(status: PluginStatus, registry: Registry) -> CheckOutcome:
    """Hold that no other plugin offers what this one does; the house's own keep their names, so it is not their fault."""
    others = [other for other in registry.host.loaded() if other.name != status.name]
    shared = [
        f"{hook.removeprefix('ossicle_').removesuffix('s')} {getattr(record, 'kind', '')} {record.name} is also in {other.name}"
        for hook, records in status.records.items()
        for record in records
        for other in others
        for twin in other.records.get(hook, ())
        if (twin.name, getattr(twin, "kind", "")) == (record.name, getattr(record, "kind", ""))
    ]
    if not shared or status.first_party:
        return CheckOutcome("plugin", "shares no name", "passed")
    mend = f"give it a name of its own; until then it is asked for as {status.name}/NAME"
    return CheckOutcome("plugin", "shares no name", "failed", "; ".join(" ".join(s.split()) for s in shared), mend)


def _metadata(dist: Distribution, statuses: list[PluginStatus]) -> Iterator[CheckOutcome]:
    metadata = dist.metadata
    licences = [*(metadata.get_all("License-Expression") or ()), *(metadata.get_all("License") or ())]
    licences += [c for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    requires = [text for text in dist.requires or () if text.lower().replace("_", "-").startswith("ossicle")]
    unsaid = [f"{c.kind}/{c.name}" for status in statuses for c in status.components if not c.summary]
    facts = (
        ("says what it is", bool((metadata["Summary"] or "").strip()), "it has no summary", "set description"),
        ("names its licence", any(text.strip() for text in licences), "it names none", "set license"),
        ("requires ossicle", bool(requires), "ossicle is not among its dependencies", "add 'ossicle>=0.1,<0.2' to dependencies"),
    )  # fmt: skip
    for check, fine, detail, mend in facts:
        if fine:
            yield CheckOutcome("plugin", check, "passed")
        else:
            yield CheckOutcome("plugin", check, "failed", detail, f"{mend} in pyproject.toml, under [project]")
    if any(status.components for status in statuses):
        mend = "give each Component a summary of one line"
        detail = f"no summary: {', '.join(unsaid)}" if unsaid else ""
        yield CheckOutcome(
            "plugin", "describes its components", "failed" if unsaid else "passed", detail, mend if unsaid else None
        )
