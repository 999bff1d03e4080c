"""Checks of the kind `dataset`, on a folder in the data set's own layout (a small one will do)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ossicle.testing.subject import ConformanceCheck, Subject


def exercise_dataset(dataset: Any) -> list[Tensor]:
    """Read labels and folds of all clips."""
    return [torch.tensor([[clip.label, clip.fold] for clip in dataset.clips()])]


def _split(subject: Subject) -> Any:
    folds = getattr(subject.instance, "folds", ())
    return subject.instance.split(fold=folds[0] if folds else None)


def _names_its_labels(subject: Subject) -> None:
    labels = subject.instance.labels
    assert len(labels) >= 2 and len(set(labels)) == len(labels), f"labels are {labels}"


def _records_are_whole(subject: Subject) -> None:
    wanted = {"path": Path, "label": int, "fold": int, "split": str, "source": str, "speaker": str}
    for clip in subject.instance.clips():
        wrong = [name for name, kind in wanted.items() if not isinstance(getattr(clip, name, None), kind)]
        assert not wrong, f"a record lacks {', '.join(wrong)}, or has it of another type"


def _clips_have_known_labels(subject: Subject) -> None:
    count = len(subject.instance.labels)
    wrong = [clip.path for clip in subject.instance.clips() if not -1 <= clip.label < count]
    assert not wrong, f"{wrong[0]} has a label out of range"


def _paths_are_unique(subject: Subject) -> None:
    paths = [clip.path for clip in subject.instance.clips()]
    assert len(set(paths)) == len(paths), "a file is listed twice"


def _files_are_there(subject: Subject) -> None:
    missing = [clip.path for clip in subject.instance.clips() if not clip.path.is_file()]
    assert not missing, f"{missing[0]} is not there"
    assert not subject.instance.missing(), f"missing() names {subject.instance.missing()[0]}, which is there"


def _parts_are_disjoint(subject: Subject) -> None:
    parts = _split(subject)
    assert set(parts) >= {"train", "test"}, f"split() gives {', '.join(parts)}"
    indices = [i for part in parts.values() for i in part]
    assert len(set(indices)) == len(indices), "a clip is in two parts"
    assert all(0 <= i < len(subject.instance.clips()) for i in indices), "an index points nowhere"
    assert parts["train"] and parts["test"], "a part is empty"


def _order_is_fixed(subject: Subject) -> None:
    first, second = ([clip.path for clip in subject.factory().clips()] for _ in range(2))
    assert first == second, "a second reading lists the clips in another order"


CHECKS = [
    ConformanceCheck("names its labels", _names_its_labels, "give `labels` two names at least, each once"),
    ConformanceCheck(
        "records are whole", _records_are_whole, "give each clip path, label, fold (0), split, source and speaker ('')"
    ),
    ConformanceCheck(
        "clips have known labels", _clips_have_known_labels, "use indices into `labels`, or -1 for unknown"
    ),
    ConformanceCheck("paths are unique", _paths_are_unique, "list every file once"),
    ConformanceCheck("files are there", _files_are_there, "join paths to the folder given"),
    ConformanceCheck("parts are disjoint", _parts_are_disjoint, "return indices of train and test without overlap"),
    ConformanceCheck("the order is fixed", _order_is_fixed, "sort what a directory lists"),
]
"""What every data set must do."""
