"""The model folder of a detector: ``detector.toml`` with plain values, ``detector.safetensors`` with arrays. No pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ossicle.atomic import write_bytes
from ossicle.errors import CheckpointError, ConfigError
from ossicle.toml import read_toml, write_toml
from ossicle_outliers.base import Detector

SETTINGS = "detector.toml"
ARRAYS = "detector.safetensors"
FORMAT = "ossicle-outlier-detector"
VERSION = 1
_UNSET = "unset"
"""TOML has no null; None is written as this."""


def save(detector: Detector, folder: Path) -> None:
    """Write a fitted detector; use its `save`.

    Raises
    ------
    ConfigError
        If a setting has no plain form.
    """
    from safetensors.torch import save as to_bytes

    values, tensors = detector._state()
    settings = {name: _UNSET if value is None else value for name, value in detector.get_params(deep=False).items()}
    table: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "component": detector.component,
        "n_features": int(detector.n_features_in_),
        "settings": {name: _plain(value) for name, value in settings.items()},
        "fitted": {name: _plain(value) for name, value in values.items()},
    }
    names = getattr(detector, "feature_names_in_", None)
    if names is not None:
        table["feature_names"] = [str(name) for name in names]
    scores = torch.from_numpy(detector.decision_scores_)
    arrays = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_bytes(folder / ARRAYS, to_bytes({"decision_scores": scores, **arrays}))
    write_toml(folder / SETTINGS, table)


def load(folder: str | Path) -> Detector:
    """Return the detector that was saved into a folder, fitted, on the CPU.

    Raises
    ------
    CheckpointError
        If the folder holds no detector, is damaged, or is of a format that this version does not know.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    folder = Path(folder)
    if not (folder / SETTINGS).is_file():
        raise CheckpointError(
            f"{folder} is no model folder of a detector",
            why=f"it holds no {SETTINGS}",
            hint="name one that save() wrote",
        )
    try:
        table = read_toml(folder / SETTINGS)
    except ConfigError as error:
        raise CheckpointError(f"{folder / SETTINGS}: {error.what}", why=error.why, hint=error.hint) from error
    if table.get("format") != FORMAT or table.get("version") != VERSION:
        raise CheckpointError(
            f"{folder} has format {table.get('format')!r}, version {table.get('version')!r}",
            why=f"this ossicle-outliers reads {FORMAT!r}, version {VERSION}",
            hint="update ossicle-outliers, or fit again",
        )
    try:
        tensors = from_bytes((folder / ARRAYS).read_bytes())
        settings = {name: None if value == _UNSET else value for name, value in table["settings"].items()}
        detector = _class_of(table["component"])(**settings)
        detector.n_features_in_ = int(table["n_features"])
        if "feature_names" in table:
            detector.feature_names_in_ = np.array(table["feature_names"], dtype=object)
        detector.decision_scores_ = tensors.pop("decision_scores").numpy()
        detector._restore(table["fitted"], tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder} is damaged", why=f"{type(error).__name__}: {error}", hint="restore the folder, or fit again"
        ) from error
    return detector


def _class_of(component: str) -> type[Any]:
    from ossicle_outliers.autoencoder import AutoencoderDetector
    from ossicle_outliers.distances import KNNDetector, MODDetector

    known = {kind.component: kind for kind in (AutoencoderDetector, MODDetector, KNNDetector)}
    if component not in known:
        raise KeyError(f"no detector is named {component!r}")
    return known[component]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
