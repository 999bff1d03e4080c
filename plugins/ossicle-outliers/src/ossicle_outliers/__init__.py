"""Outlier detection: autoencoder scores with APRE and mean shift, neighbours, and what finds bad clips in a pool."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "mean_shift": "ossicle_outliers.shift",
    "apre": "ossicle_outliers.scores",
    "load": "ossicle_outliers.folder",
}

__all__ = ["apre", "load", "mean_shift"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
