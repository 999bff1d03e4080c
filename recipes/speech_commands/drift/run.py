"""A classifier of spoken words in a drifting world: `python recipes/speech_commands/drift/run.py --data DIR` (see README.md)."""

import sys
from pathlib import Path

from ossicle_unmix_tns.drift.recipe import run

if __name__ == "__main__":
    sys.exit(run(Path(__file__).parent))
