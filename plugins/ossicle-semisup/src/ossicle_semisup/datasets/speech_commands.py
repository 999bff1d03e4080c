"""Google Speech Commands, version 2: single words of one second by thousands of speakers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ossicle.errors import InputError
from ossicle_semisup.datasets.base import SOUNDS, BaseDataset, Clip

_NOISE = "_background_noise_"


class SpeechCommands(BaseDataset):
    """Speech Commands v2: 105,829 words of up to 1 s, 35 classes, with lists of validation and test clips.

    Source: Warden, "Speech Commands" (2018). Layout: a folder a word, ``validation_list.txt``, ``testing_list.txt``; what is in
    neither list is for training. ``_background_noise_`` is left out.
    """

    home = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
    expected = 105_829
    sample_rate = 16_000
    seconds = 1.0

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        self.labels = tuple(
            sorted(p.name for p in self.folder.iterdir() if p.is_dir() and not p.name.startswith(("_", ".")))
        )

    def _read(self) -> Iterable[Clip]:
        lists = {}
        for split, name in (("valid", "validation_list.txt"), ("test", "testing_list.txt")):
            path = self.folder / name
            if not path.is_file():
                raise InputError(f"there is no {path}", hint=self._where())
            lists.update({line.strip(): split for line in path.read_text("utf-8").splitlines() if line.strip()})
        for index, word in enumerate(self.labels):
            for path in sorted((self.folder / word).iterdir()):
                if path.suffix.lower() in SOUNDS:
                    speaker = path.stem.split("_nohash_")[0]
                    yield Clip(path, index, split=lists.get(f"{word}/{path.name}", "train"), speaker=speaker)
