"""Data of one's own: a folder a class, or a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ossicle.errors import ConfigError, InputError
from ossicle_semisup.datasets.base import SOUNDS, BaseDataset, Clip, read_table
from ossicle_semisup.splits import hold_out

_SPLITS = ("train", "valid", "test")


class OwnDataset(BaseDataset):
    """Data of one's own: where nothing says which clips are tested, some of every class are."""

    def split(self, *, fold: int | None = None, test_share: float = 0.2) -> Mapping[str, Sequence[int]]:
        """Return the parts as files or folders name them; where none is tested, hold clips of each class out.

        Those held out are the same for every seed, and clips of one recording stay together. A clip without a label is
        for training alone.

        Parameters
        ----------
        fold
            The fold that is tested, where there are folds.
        test_share
            Share of each class that is held out.

        Raises
        ------
        ConfigError
            If there is no such fold, or there are too few clips to hold any out.
        """
        if fold is not None and not self.folds:
            raise ConfigError(f"{self.folder} has no folds", hint="leave --fold out")
        clips = self.clips()
        parts = {name: list(indices) for name, indices in super().split(fold=fold).items()}
        for name in ("valid", "test"):
            parts["train"] += [i for i in parts.get(name, ()) if clips[i].label < 0]
            if name in parts:
                parts[name] = [i for i in parts[name] if clips[i].label >= 0]
        if not parts["test"]:
            known = [i for i in parts["train"] if clips[i].label >= 0]
            parts["test"] = hold_out(known, clips, test_share, seed=0)[1]
        if not parts["test"]:
            raise ConfigError(
                f"{self.folder} has too few clips to test any", hint="add clips, or name some for the test yourself"
            )
        held = set(parts["test"])
        parts["train"] = sorted(i for i in parts["train"] if i not in held)
        return {name: indices for name, indices in parts.items() if indices or name != "valid"}


class ClassFolders(OwnDataset):
    """A folder a class, directly or below ``train/``, ``valid/`` and ``test/``; sound files in them, at any depth."""

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        roots = [self.folder / name for name in _SPLITS if (self.folder / name).is_dir()] or [self.folder]
        names = {p.name for root in roots for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))}
        if not names:
            raise InputError(f"{self.folder} has no folder a class")
        self.labels = tuple(sorted(names))
        self._roots = roots

    def _read(self) -> Iterable[Clip]:
        for root in self._roots:
            split = root.name if root != self.folder else "train"
            for index, name in enumerate(self.labels):
                for path in sorted((root / name).rglob("*")):
                    if path.suffix.lower() in SOUNDS:
                        yield Clip(path, index, split=split)


class Manifest(OwnDataset):
    """A CSV file with the columns ``path`` and ``label``, and if there are any ``split``, ``fold``, ``source``, ``speaker``.

    Paths are relative to the manifest's folder. An empty label marks a clip that nobody has labelled: it is taken for
    training alone, with the label -1. Splits are ``train``, ``valid`` and ``test``; folds count from 1.
    """

    def __init__(self, folder: Path | str) -> None:
        path = Path(folder).expanduser()
        self._table = path / "manifest.csv" if path.is_dir() else path
        super().__init__(self._table.parent)
        self._rows = read_table(self._table, ("path", "label"))
        self.labels = tuple(sorted({row["label"] for row in self._rows} - {""}))

    def _read(self) -> Iterable[Clip]:
        index = {label: number for number, label in enumerate(self.labels)}
        for number, row in enumerate(self._rows, start=2):
            split = row.get("split") or ("" if row.get("fold") else "train")
            if split not in ("", *_SPLITS):
                raise InputError(
                    f"{self._table}, line {number}: no split is called {split!r}", hint="use train, valid or test"
                )
            yield Clip(
                self.folder / row["path"],
                index.get(row["label"], -1),
                fold=self._fold(row, number),
                split=split,
                source=row.get("source") or "",
                speaker=row.get("speaker") or "",
            )

    def _fold(self, row: dict[str, str], number: int) -> int:
        text = row.get("fold") or "0"
        if not text.isdecimal():
            raise InputError(
                f"{self._table}, line {number}: {text!r} is no fold", hint="folds are whole numbers from 1"
            )
        return int(text)
