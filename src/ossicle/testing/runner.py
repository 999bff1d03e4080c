"""Runs the checks of a kind and returns what they found as data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from ossicle.errors import UnknownNameError
from ossicle.testing import adapter, corruption, dataset, kernel, learning, outliers, vocoder
from ossicle.testing.common import common_checks
from ossicle.testing.subject import ConformanceCheck, Skipped, Subject

_KINDS = {
    "vocoder": (vocoder.exercise_vocoder, vocoder.CHECKS),
    "kernel": (kernel.exercise_kernel, kernel.CHECKS),
    "backbone": (learning.exercise_backbone, learning.BACKBONE_CHECKS),
    "ssl-method": (learning.exercise_method, learning.METHOD_CHECKS),
    "augmentation": (learning.exercise_augmentation, learning.AUGMENTATION_CHECKS),
    "mixer": (learning.exercise_mixer, learning.MIXER_CHECKS),
    "dataset": (dataset.exercise_dataset, dataset.CHECKS),
    "adapter": (adapter.exercise_adapter, adapter.CHECKS),
    "corruption": (corruption.exercise_corruption, corruption.CHECKS),
    "outlier-detector": (outliers.exercise_detector, outliers.CHECKS),
}


@dataclass(frozen=True)
class CheckOutcome:
    """What one check found: ``passed``, ``failed`` or ``skipped``; what it saw, and what mends it.

    `component` is the name of the component checked, where a whole plugin is.
    """

    kind: str
    check: str
    status: Literal["passed", "failed", "skipped"]
    detail: str = ""
    hint: str | None = None
    component: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)


def checks_of(kind: str) -> list[ConformanceCheck]:
    """Return the checks of a kind, the common ones first.

    Raises
    ------
    UnknownNameError
        If there are no checks for the kind.
    """
    if kind not in _KINDS:
        raise UnknownNameError(f"there are no checks for the kind {kind!r}", hint=f"there are for: {', '.join(_KINDS)}")
    exercise, own = _KINDS[kind]
    return [*common_checks(exercise), *own]


def check_component(kind: str, component: Any, *, expected: Mapping[str, Any] | None = None) -> list[CheckOutcome]:
    """Run every check of a kind on a component and return the outcomes; nothing is raised.

    Parameters
    ----------
    component
        A callable of no arguments that builds it; or a built one, where building anew is not checked.
    expected
        Facts to hold it to, such as ``{"sample_rate": 22050}``.
    """
    return list(run_checks(kind, component, expected=expected))


def run_checks(
    kind: str,
    component: Any,
    *,
    expected: Mapping[str, Any] | None = None,
    watch: Callable[[str], None] = lambda check: None,
) -> Iterator[CheckOutcome]:
    """Yield what `check_component` returns, as it is found; `watch` is told the name of each check before it runs."""
    subject = _subject(kind, component, expected)
    for check in checks_of(kind):
        watch(check.name)
        yield _outcome(kind, check, subject)


def parametrize_checks(kind: str, factory: Callable[[], Any], *, expected: Mapping[str, Any] | None = None) -> Any:
    """Return a pytest mark that gives a test one ``check`` at a time, to call; a skipped check skips the test."""
    import pytest

    subject = Subject(factory, expected or {})

    def run(check: ConformanceCheck) -> None:
        outcome = _outcome(kind, check, subject)
        if outcome.status == "skipped":
            pytest.skip(outcome.detail)
        assert outcome.status == "passed", f"{outcome.detail}; to mend: {outcome.hint}"

    cases = [pytest.param(partial(run, check), id=check.name) for check in checks_of(kind)]
    return pytest.mark.parametrize("check", cases)


_TELLTALES = {
    "vocoder": "hop_length",
    "kernel": "op",
    "backbone": "n_features",
    "ssl-method": "views",
    "augmentation": "domain",
    "dataset": "clips",
    "adapter": "changes_weights",
    "corruption": "domain",
    "outlier-detector": "decision_function",
}


def _subject(kind: str, component: Any, expected: Mapping[str, Any] | None) -> Subject:
    # Components are themselves callable, so a factory is told by lacking what components of the kind have.
    if kind in _TELLTALES:
        built = hasattr(component, _TELLTALES[kind]) and not isinstance(component, type)
    else:
        built = not (isinstance(component, (type, partial)) or inspect.isroutine(component))
    return Subject((lambda: component) if built else component, expected or {})


def _outcome(kind: str, check: ConformanceCheck, subject: Subject) -> CheckOutcome:
    try:
        check.ask(subject)
    except Skipped as skip:
        return CheckOutcome(kind, check.name, "skipped", str(skip))
    except AssertionError as failure:
        return CheckOutcome(kind, check.name, "failed", str(failure).splitlines()[0], check.mend)
    except (Exception, SystemExit) as error:
        return CheckOutcome(kind, check.name, "failed", f"{type(error).__name__}: {error}", check.mend)
    return CheckOutcome(kind, check.name, "passed")
