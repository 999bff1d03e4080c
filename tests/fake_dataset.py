"""A data set for tests of the command line: files named LABEL_SPLIT_NUMBER.wav, and a list of them."""

import hashlib
from pathlib import Path

from ossicle.errors import InputError
from ossicle.protocols import ClipRecord


class Tones:
    """Low and high tones, six files in all; the list of them says which there should be."""

    labels, home, expected = ("low", "high"), "https://example.org/tones", 6

    def __init__(self, folder):
        self.folder = Path(folder)
        if not (self.folder / "list.txt").is_file():
            raise InputError(f"there is no {self.folder}/list.txt", hint=f"get the data set at {self.home}")

    def clips(self):
        names = (self.folder / "list.txt").read_text().split()
        return [
            ClipRecord(self.folder / name, self.labels.index(name.split("_")[0]), split=name.split("_")[1])
            for name in names
        ]

    def split(self, *, fold=None):
        clips = self.clips()
        return {part: [i for i, clip in enumerate(clips) if clip.split == part] for part in ("train", "test")}


class SummedTones(Tones):
    """The same, with the sums of empty files."""

    sums = {f"low_train_{n}.wav": hashlib.sha256(b"").hexdigest().upper() for n in range(2)}  # noqa: RUF012


class FoldedTones(Tones):
    """The same in two folds, any number of files, one of them without a label."""

    expected = None

    def clips(self):
        clips = super().clips()
        return [ClipRecord(c.path, -1 if i == 0 else c.label, fold=1 + i % 2) for i, c in enumerate(clips)]
