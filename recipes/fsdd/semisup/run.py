"""Learn spoken digits from few labels: `python recipes/fsdd/semisup/run.py --data DIR --method fixmatch` (see README.md)."""

import sys
from pathlib import Path

from ossicle_semisup.recipe import run

if __name__ == "__main__":
    sys.exit(run(Path(__file__).parent))
