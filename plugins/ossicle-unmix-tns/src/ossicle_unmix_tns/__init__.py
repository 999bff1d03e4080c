"""Test-time normalization: UnMix-TNS, its rivals, corruptions and drifting streams for ossicle."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ossicle_unmix_tns.layer import UnMixTNS

_HOMES = {"UnMixTNS": "ossicle_unmix_tns.layer"}

__all__ = ["UnMixTNS"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
