"""Measure the shipped voice on speakers it never heard: six of FSDD, ten digits each joined to one sound; write JSON.

Run: python benchmarks/other_voices.py FSDD -o benchmarks/results/other-voices.json
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from ossicle.cli.app import main as ossicle

PAUSE_S = 0.2
VOCODERS = ("istftnet", "griffin-lim", "griffin-lim:iterations=128")


def join_digits(fsdd: Path, speaker: str) -> tuple[np.ndarray, int]:
    """Return one take of every digit of a speaker, pauses between them, and the rate."""
    pieces: list[np.ndarray] = []
    rate = 8000
    for digit in range(10):
        samples, rate = soundfile.read(fsdd / "audio" / f"{digit}_{speaker}_0.flac", dtype="float32")
        pieces += [samples, np.zeros(round(PAUSE_S * rate), np.float32)]
    return np.concatenate(pieces), rate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fsdd", type=Path, help="folder with audio/DIGIT_SPEAKER_INDEX.flac")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    speakers = sorted({path.stem.split("_")[1] for path in (given.fsdd / "audio").glob("*.flac")})
    output = given.output.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("fsdd").mkdir()
        for speaker in speakers:
            samples, rate = join_digits(given.fsdd, speaker)
            soundfile.write(f"fsdd/{speaker}.flac", samples, rate)
        named = [word for name in VOCODERS for word in ("--vocoder", name)]
        return ossicle(["bench", "vocode", "--reference", "fsdd", *named, "--threads", "1", "-o", str(output)]) or 0


if __name__ == "__main__":
    sys.exit(main())
