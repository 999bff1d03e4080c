"""Find clips that do not belong in pools of digits: `python recipes/fsdd/outliers/run.py --data FSDD --foreign ESC10` (see README.md)."""

import sys
from pathlib import Path

from ossicle_outliers.recipes.options import main
from ossicle_outliers.recipes.pools import run

DATA = {"data": "folder of FSDD", "foreign": "folder of ESC-10, for the pool of speech among other sounds"}

if __name__ == "__main__":
    sys.exit(main(run, Path(__file__).parent, data=DATA))
