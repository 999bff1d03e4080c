"""Clean an unlabelled pool, then learn from it: `python recipes/esc10/clean/run.py --data ESC10 --foreign FSDD` (see README.md)."""

import sys
from pathlib import Path

from ossicle_outliers.recipes.clean import run
from ossicle_outliers.recipes.options import main

DATA = {"data": "folder of ESC-10", "foreign": "folder of sound files that do not belong, such as FSDD"}

if __name__ == "__main__":
    sys.exit(main(run, Path(__file__).parent, data=DATA))
