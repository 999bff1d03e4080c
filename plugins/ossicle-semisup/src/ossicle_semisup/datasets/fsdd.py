"""The Free Spoken Digit Dataset: six speakers, ten digits, fifty takes of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ossicle.errors import ConfigError, InputError
from ossicle_semisup.datasets.base import SOUNDS, BaseDataset, Clip


class FSDD(BaseDataset):
    """FSDD: 3,000 digits at 8 kHz; takes 0 to 4 are the official test set, all speakers on both sides.

    Layout: ``DIGIT_SPEAKER_TAKE.*`` in ``recordings/`` or ``audio/``.
    """

    home = "https://github.com/Jakobovski/free-spoken-digit-dataset"
    expected = 3000
    sample_rate = 8_000
    seconds = 0.8
    labels = tuple(str(digit) for digit in range(10))

    def _read(self) -> Iterable[Clip]:
        places = [self.folder / name for name in ("recordings", "audio") if (self.folder / name).is_dir()]
        if not places:
            raise InputError(f"{self.folder} has neither recordings/ nor audio/", hint=self._where())
        for path in sorted(p for p in places[0].iterdir() if p.suffix.lower() in SOUNDS):
            parts = path.stem.split("_")
            if len(parts) != 3 or not parts[0].isdigit() or not parts[2].isdigit() or int(parts[0]) > 9:
                raise InputError(f"{path.name} is not named DIGIT_SPEAKER_TAKE", hint=self._where())
            digit, speaker, take = parts
            yield Clip(path, int(digit), split="test" if int(take) < 5 else "train", speaker=speaker)

    def split(self, *, fold: int | None = None, held_out_speakers: Sequence[str] = ()) -> Mapping[str, Sequence[int]]:
        """Return the official split, or one whose test set is everything that some speakers say.

        Raises
        ------
        ConfigError
            If a speaker is not known, or all are held out, or a fold is named: there are none.
        """
        if fold is not None:
            raise ConfigError("FSDD has no folds", hint="leave --fold out")
        if not held_out_speakers:
            return super().split()
        clips = self.clips()
        known = {clip.speaker for clip in clips}
        strangers = sorted(set(held_out_speakers) - known)
        if strangers or known <= set(held_out_speakers):
            what = f"no speaker is called {', '.join(strangers)}" if strangers else "all speakers are held out"
            raise ConfigError(what, hint=f"speakers: {', '.join(sorted(known))}")
        test = [i for i, clip in enumerate(clips) if clip.speaker in held_out_speakers]
        return {"train": sorted(set(range(len(clips))) - set(test)), "test": test}
