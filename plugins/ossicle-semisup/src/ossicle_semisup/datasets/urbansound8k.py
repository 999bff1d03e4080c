"""UrbanSound8K: street sounds of up to four seconds in ten folds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ossicle_semisup.datasets.base import BaseDataset, Clip, read_table


class UrbanSound8K(BaseDataset):
    """UrbanSound8K: 8,732 excerpts of up to 4 s, 10 classes, 10 folds that keep excerpts of one recording together.

    Source: Salamon, Jacoby and Bello, "A dataset and taxonomy for urban sound research" (2014). Layout:
    ``audio/fold1..10/*.wav`` and ``metadata/UrbanSound8K.csv``.
    """

    home = "https://urbansounddataset.weebly.com/urbansound8k.html"
    expected = 8732
    sample_rate = 22_050
    seconds = 4.0

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        columns = ("slice_file_name", "fsID", "fold", "classID", "class")
        self._rows = read_table(self.folder / "metadata" / "UrbanSound8K.csv", columns, self.home)
        names = {int(row["classID"]): row["class"] for row in self._rows}
        self._index = {number: index for index, number in enumerate(sorted(names))}
        self.labels = tuple(names[number] for number in sorted(names))

    def _read(self) -> Iterable[Clip]:
        for row in self._rows:
            yield Clip(
                self.folder / "audio" / f"fold{row['fold']}" / row["slice_file_name"],
                self._index[int(row["classID"])],
                fold=int(row["fold"]),
                source=row["fsID"],
            )
