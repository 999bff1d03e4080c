"""A fitted model as a folder: the detector's files, and beside them what its rows are made of (``input.toml``)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ossicle.errors import CheckpointError, OssicleError
from ossicle.toml import read_toml, write_toml
from ossicle_outliers.sound.settings import SoundSettings

INPUT = "input.toml"
CLASSIFIER = "classifier"
_FORMAT = {"name": "ossicle-outlier-input", "version": 1}


@dataclass(frozen=True)
class Fitted:
    """A detector and its input.

    Parameters
    ----------
    detector
        A fitted component of kind ``outlier-detector``.
    columns
        Names of the D numbers in a row.
    named
        Whether those names are a table's own, so that tables are matched by them; else by place.
    sound
        How sound becomes rows; None: rows are a table's.
    threshold
        What scores above is to be left out. For clips of many rows it is not the detector's own.
    classifier
        Folder of the classifier whose embedding is taken.
    card
        What is worth knowing of the fit.
    """

    detector: Any
    columns: tuple[str, ...]
    threshold: float
    named: bool = False
    sound: SoundSettings | None = None
    classifier: Path | None = None
    card: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the folder; the classifier, where there is one, is copied into it."""
        self.detector.save(folder)
        if self.classifier is not None and self.classifier.resolve() != (folder / CLASSIFIER).resolve():
            shutil.copytree(self.classifier, folder / CLASSIFIER, dirs_exist_ok=True, ignore=_only_model_files)
        values: dict[str, Any] = {
            "format": _FORMAT,
            "input": {
                "kind": "table" if self.sound is None else "sound",
                "columns": list(self.columns),
                "named": self.named,
                "threshold": self.threshold,
            },
            **({} if self.sound is None else {"sound": self.sound.to_dict()}),
            "card": dict(self.card),
        }
        write_toml(folder / INPUT, values)


def load_fitted(folder: Path, *, device: str = "cpu") -> Fitted:
    """Read a model folder; nothing in it is run. One without ``input.toml``, a detector's own, takes tables by place.

    Parameters
    ----------
    device
        Where a detector that runs on more than one computes.

    Raises
    ------
    CheckpointError
        If files are missing, damaged, or of a version that is not known.
    """
    from ossicle_outliers import load

    if not folder.is_dir():
        raise CheckpointError(f"there is no model folder {folder}", hint="make one: ossicle outliers fit DIR -o MODEL")
    detector = load(folder)
    if "device" in detector.get_params():
        detector.set_params(device=device)
    if not (folder / INPUT).exists():
        columns = tuple(map(str, range(int(detector.n_features_in_))))
        return Fitted(detector, columns, float(detector.threshold_))
    values = read_toml(folder / INPUT)
    if values.get("format") != _FORMAT:
        why = f"{INPUT} says {values.get('format')}, this version reads {_FORMAT}"
        raise CheckpointError(f"{folder} was written by another version", why=why, hint="fit it again, or update")
    try:
        given = values["input"]
        fitted = Fitted(
            detector,
            tuple(given["columns"]),
            float(given["threshold"]),
            named=bool(given["named"]),
            sound=SoundSettings.from_dict(values["sound"]) if given["kind"] == "sound" else None,
            classifier=folder / CLASSIFIER if (folder / CLASSIFIER).is_dir() else None,
            card=values.get("card", {}),
        )
    except OssicleError:
        raise
    except Exception as error:
        raise CheckpointError(f"{folder / INPUT} cannot be understood", why=str(error)) from error
    if len(fitted.columns) != int(detector.n_features_in_):
        why = f"it names {len(fitted.columns)} columns, the detector was fitted on {detector.n_features_in_}"
        raise CheckpointError(f"{folder / INPUT} does not fit its detector", why=why)
    return fitted


def _only_model_files(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name not in ("model.toml", "model.safetensors")]
