"""Data of one's own: a folder a class, or a manifest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ossicle.errors import InputError
from ossicle_semisup.datasets.base import SOUNDS, BaseDataset, Clip, read_table

_SPLITS = ("train", "valid", "test")


class ClassFolders(BaseDataset):
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


class Manifest(BaseDataset):
    """A CSV file with the columns ``path`` and ``label``, and if there are any ``split``, ``fold``, ``source``, ``speaker``.

    Paths are relative to the manifest's folder. An empty label marks a clip that nobody has labelled: it is taken for
    training alone, with the label -1.
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
                fold=int(row.get("fold") or 0),
                split=split,
                source=row.get("source") or "",
                speaker=row.get("speaker") or "",
            )
