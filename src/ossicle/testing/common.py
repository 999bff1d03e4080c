"""Checks that hold for every kind."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from ossicle.testing.subject import ConformanceCheck, Exercise, Subject


def common_checks(exercise: Exercise) -> list[ConformanceCheck]:
    """Return the common checks for a kind that is used by `exercise`."""

    def documented(subject: Subject) -> None:
        text = type(subject.instance).__doc__ or ""
        assert len(text.split()) >= 3, f"{type(subject.instance).__name__} has no docstring worth the name"

    def shows_itself(subject: Subject) -> None:
        text = repr(subject.instance)
        assert isinstance(text, str) and text, "repr is empty"

    def declares_what_is_expected(subject: Subject) -> None:
        for name, value in subject.expected.items():
            found = getattr(subject.instance, name)
            assert found == value, f"{name} is {found!r}, expected {value!r}"

    def same_input_same_output(subject: Subject) -> None:
        assert_same(exercise(subject.instance), exercise(subject.instance), "the second call differs from the first")

    def built_twice_the_same(subject: Subject) -> None:
        assert_same(exercise(subject.instance), exercise(subject.factory()), "a second build differs from the first")

    def copies_behave_alike(subject: Subject) -> None:
        assert_same(
            exercise(subject.instance), exercise(copy.deepcopy(subject.instance)), "a deep copy behaves differently"
        )

    def leaves_global_random_numbers_alone(subject: Subject) -> None:
        before = _random_state()
        exercise(subject.factory())
        for name, state in _random_state().items():
            assert np.array_equal(before[name], state), f"the global random state of {name} moved"

    def leaves_global_settings_alone(subject: Subject) -> None:
        before = _settings()
        exercise(subject.factory())
        after = _settings()
        assert before == after, f"global settings changed: {[k for k in before if before[k] != after[k]]}"

    return [
        ConformanceCheck("documented", documented, "write a docstring that says what it does and where it comes from"),
        ConformanceCheck("shows itself", shows_itself, "make __repr__ return one line"),
        ConformanceCheck(
            "declares what is expected", declares_what_is_expected, "correct the attribute or the expectation"
        ),
        ConformanceCheck("same input, same output", same_input_same_output, "draw from a generator seeded in the call"),
        ConformanceCheck("built twice, the same", built_twice_the_same, "seed whatever the constructor draws"),
        ConformanceCheck("copies behave alike", copies_behave_alike, "hold state in attributes that can be copied"),
        ConformanceCheck(
            "leaves global random numbers alone",
            leaves_global_random_numbers_alone,
            "use a torch.Generator of your own",
        ),
        ConformanceCheck(
            "leaves global settings alone", leaves_global_settings_alone, "set nothing globally, or set it back"
        ),
    ]


def assert_same(first: Any, second: Any, message: str) -> None:
    """Fail unless two results of an exercise are equal to the bit."""
    for a, b in zip(_tensors(first), _tensors(second), strict=True):
        assert a.shape == b.shape and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)), message


def _tensors(result: Any) -> Iterable[torch.Tensor]:
    return [result] if isinstance(result, torch.Tensor) else list(result)


def _random_state() -> dict[str, Any]:
    return {
        "torch": torch.get_rng_state().numpy(),
        "numpy": np.random.get_state(legacy=True)[1],  # type: ignore[index]
        "random": np.array(random.getstate()[1]),
    }


def _settings() -> dict[str, Any]:
    return {
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "grad mode": torch.is_grad_enabled(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
    }
