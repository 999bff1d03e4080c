"""ESC-50 and its part ESC-10: environmental sounds of five seconds in five folds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ossicle.errors import InputError
from ossicle_semisup.datasets.base import BaseDataset, Clip, read_table


class ESC50(BaseDataset):
    """ESC-50: 2,000 clips, 50 classes, 5 folds that keep clips of one recording together.

    Source: Piczak, "ESC: dataset for environmental sound classification" (2015). Layout: ``audio/FOLD-CLIP-TAKE-TARGET.*``
    and ``meta/esc50.csv``.
    """

    home = "https://github.com/karolpiczak/ESC-50"
    expected = 2000
    _only_esc10 = False

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        columns = ("filename", "fold", "target", "category", "esc10", "src_file")
        rows = read_table(self.folder / "meta" / "esc50.csv", columns, self.home)
        self._rows = [row for row in rows if not self._only_esc10 or row["esc10"] == "True"]
        if not self._rows:
            raise InputError(f"{self.folder} holds no clips of {type(self).__name__}", hint=self._where())
        names = {int(row["target"]): row["category"] for row in self._rows}
        self._index = {target: index for index, target in enumerate(sorted(names))}
        self.labels = tuple(names[target] for target in sorted(names))

    def _read(self) -> Iterable[Clip]:
        for row in self._rows:
            yield Clip(
                self.folder / "audio" / row["filename"],
                self._index[int(row["target"])],
                fold=int(row["fold"]),
                source=row["src_file"],
            )


class ESC10(ESC50):
    """ESC-10: 400 clips of ten classes, the part of ESC-50 under CC BY."""

    expected = 400
    _only_esc10 = True
