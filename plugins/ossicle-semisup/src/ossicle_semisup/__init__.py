"""Semi-supervised audio classification: methods, backbones, data sets and augmentations for ossicle."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "sharpen": "ossicle_semisup.probability",
    "align": "ossicle_semisup.probability",
    "js_divergence": "ossicle_semisup.probability",
    "mixup": "ossicle_semisup.mixing",
}

__all__ = ["align", "js_divergence", "mixup", "sharpen"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
