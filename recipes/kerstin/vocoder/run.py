"""Train iSTFTNet on the Kerstin voice: `python recipes/kerstin/vocoder/run.py --data DIR --out RUN` (see README.md)."""

import sys
from pathlib import Path

from ossicle_istftnet.recipe import run


def lists(data: Path) -> dict[str, list[Path]]:
    """Read ``train.csv`` and ``valid.csv``, one ``file|transcript`` a line; sounds lie in ``audio/``."""
    return {
        part: [data / "audio" / line.split("|")[0] for line in (data / f"{part}.csv").read_text("utf-8").splitlines()]
        for part in ("train", "valid")
    }


if __name__ == "__main__":
    sys.exit(run(Path(__file__).parent, lists))
