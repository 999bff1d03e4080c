"""Any detector of PyOD by its name, with this kind's manners."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import pkgutil
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from ossicle.errors import MissingPackageError, UsageError
from ossicle_outliers.base import Detector
from ossicle_outliers.errors import SettingError
from ossicle_outliers.thresholds import Contamination, Floats


class PyODDetector(Detector):
    """A detector of the package PyOD, such as ``IForest``, ``ECOD`` or ``LOF``, over the rows as they are given.

    Parameters
    ----------
    detector
        Name of PyOD's class, as PyOD spells it.
    options
        Its arguments; ``contamination`` is not one of them.
    seed
        Its ``random_state``, where it takes one.
    contamination
        See `ossicle_outliers.thresholds.threshold_of`; can be set after fit, whatever PyOD does.

    Notes
    -----
    PyOD keeps its models as pickles, which run code when they are read: they have no model folder here.
    """

    component = "pyod"

    def __init__(
        self,
        *,
        detector: str = "IForest",
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
        contamination: Contamination = "auto",
    ) -> None:
        self.detector = detector
        self.options = options
        self.seed = seed
        self.contamination = contamination

    def save(self, folder: Any) -> None:
        """Refuse: what PyOD writes runs code when it is read."""
        raise UsageError(
            "a detector of PyOD has no model folder",
            why="PyOD saves pickles, which run code when they are read",
            hint="fit it again where it is needed, or use 'autoencoder', 'mod' or 'knn'",
        )

    def _learn(self, rows: Floats) -> Any:
        kind = find_class(self.detector)
        options = dict(self.options or {})
        accepted = inspect.signature(kind).parameters
        if "random_state" in accepted:
            options.setdefault("random_state", self.seed)
        unknown = sorted(set(options) - set(accepted))
        if unknown:
            raise SettingError(
                f"PyOD's {self.detector} takes no {', '.join(unknown)}", hint=f"it takes: {', '.join(accepted)}"
            )
        with _global_random_numbers_kept():
            self.model_ = kind(**options).fit(rows)
        return np.asarray(self.model_.decision_scores_, dtype=np.float64)

    def _score(self, rows: Floats) -> Any:
        with _global_random_numbers_kept():
            return np.asarray(self.model_.decision_function(rows), dtype=np.float64)


def find_class(name: str) -> Any:
    """Return PyOD's class of a name.

    Raises
    ------
    MissingPackageError
        If PyOD, or what this detector of it needs, is not installed.
    SettingError
        If PyOD has no such detector; close names are listed.
    """
    try:
        import pyod.models
    except ImportError as error:
        raise MissingPackageError(
            "this detector needs PyOD", why=str(error), hint="pip install 'ossicle-outliers[pyod]'"
        ) from error
    modules = {module.name.replace("_", ""): module.name for module in pkgutil.iter_modules(pyod.models.__path__)}
    module = modules.get(name.lower().replace("_", "")) if isinstance(name, str) else None
    if module is None:
        raise _unknown(name, modules.values())
    try:
        found = getattr(importlib.import_module(f"pyod.models.{module}"), name, None)
    except ImportError as error:
        raise MissingPackageError(
            f"PyOD's {name} needs more than PyOD", why=str(error), hint="install the package named"
        ) from error
    if not inspect.isclass(found) or not hasattr(found, "decision_function"):
        raise _unknown(name, modules.values())
    return found


def _unknown(name: object, modules: Iterable[str]) -> SettingError:
    close = difflib.get_close_matches(str(name).lower(), list(modules), n=3, cutoff=0.5)
    return SettingError(
        f"PyOD has no detector {name!r}",
        why="the name is that of a class in pyod.models, such as IForest",
        hint=f"close to it are the modules {', '.join(close)}" if close else "see PyOD's list of detectors",
    )


@contextlib.contextmanager
def _global_random_numbers_kept() -> Iterator[None]:
    """Set the global generators back afterwards: PyOD seeds them for its own use."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
