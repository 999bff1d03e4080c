"""What the data sets share: records of clips, splits by fold or by name, and their checks."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from ossicle.errors import ConfigError, InputError
from ossicle.protocols import ClipRecord as Clip

SOUNDS = (".wav", ".flac", ".ogg", ".mp3")


class BaseDataset:
    """A data set in a folder; subclasses read the records.

    Parameters
    ----------
    folder
        Where it lies.
    """

    labels: Sequence[str]
    home: str = ""
    """Where users get it."""
    expected: int | None = None
    """Number of clips of a whole copy; None: any."""
    sums: ClassVar[Mapping[str, str]] = {}
    """SHA-256 by path relative to the folder, for ``ossicle data check --sums known``. None could be had for the official sets."""
    sample_rate: int = 44_100
    seconds: float = 5.0
    """Length that clips are cut or padded to."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser()
        if not self.folder.is_dir():
            raise InputError(f"there is no folder {self.folder}", hint=self._where())

    def _where(self) -> str | None:
        return f"get the data set at {self.home}" if self.home else None

    def _read(self) -> Iterable[Clip]:
        raise NotImplementedError

    @cached_property
    def _clips(self) -> tuple[Clip, ...]:
        found = tuple(self._read())
        if not found:
            raise InputError(f"{self.folder} holds no clips of {type(self).__name__}", hint=self._where())
        return found

    def clips(self) -> Sequence[Clip]:
        """Return a record for every clip.

        Raises
        ------
        InputError
            If the folder is not laid out as the data set is.
        """
        return self._clips

    @property
    def folds(self) -> Sequence[int]:
        """The prearranged folds, none or from 1 on."""
        return sorted({clip.fold for clip in self.clips()} - {0})

    def split(self, *, fold: int | None = None) -> Mapping[str, Sequence[int]]:
        """Return indices of ``train`` and ``test`` clips (and ``valid``, where the data set has it).

        Parameters
        ----------
        fold
            The fold that is tested, where there are folds.

        Raises
        ------
        ConfigError
            If the data set has no such fold, or has folds and none is given.
        """
        clips = self.clips()
        if self.folds:
            if fold not in self.folds:
                raise ConfigError(
                    f"fold {fold} is not one of {', '.join(map(str, self.folds))}", hint="name it with --fold"
                )
            test = [i for i, clip in enumerate(clips) if clip.fold == fold]
            return {"train": [i for i, clip in enumerate(clips) if clip.fold != fold], "test": test}
        names = ("train", "valid", "test")
        parts = {name: [i for i, clip in enumerate(clips) if clip.split == name] for name in names}
        return {name: indices for name, indices in parts.items() if indices or name != "valid"}

    def missing(self) -> list[Path]:
        """Return the clips' files that are not there."""
        return [clip.path for clip in self.clips() if not clip.path.is_file()]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"


def read_table(path: Path, columns: Sequence[str], home: str = "") -> list[dict[str, str]]:
    """Return the rows of a CSV file that has these columns.

    Raises
    ------
    InputError
        If the file is missing or a column is.
    """
    hint = f"get the data set at {home}" if home else None
    if not path.is_file():
        raise InputError(f"there is no {path}", hint=hint)
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        absent = [column for column in columns if column not in (table.fieldnames or [])]
        if absent:
            raise InputError(
                f"{path} lacks the column {', '.join(absent)}", why=f"it has {', '.join(table.fieldnames or [])}"
            )
        return list(table)
