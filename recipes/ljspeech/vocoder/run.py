"""Train iSTFTNet on LJSpeech: `python recipes/ljspeech/vocoder/run.py --data DIR --out RUN` (see README.md)."""

import sys
from pathlib import Path

from ossicle_istftnet.recipe import run

HELD_OUT = 150
"""The published lists keep 150 of 13,100 utterances for validation; these are every 87th of the sorted ones."""


def lists(data: Path) -> dict[str, list[Path]]:
    """Read ``metadata.csv``, one ``id|transcript|normalized`` a line; sounds lie in ``wavs/``."""
    lines = (data / "metadata.csv").read_text("utf-8").splitlines()
    files = sorted(data / "wavs" / f"{line.split('|')[0]}.wav" for line in lines if line)
    valid = files[:: max(2, len(files) // HELD_OUT)][:HELD_OUT]
    return {"train": [file for file in files if file not in set(valid)], "valid": valid}


if __name__ == "__main__":
    sys.exit(run(Path(__file__).parent, lists))
