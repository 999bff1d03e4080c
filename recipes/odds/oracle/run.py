"""What an oracle's choices are worth: `python recipes/odds/oracle/run.py --data TABLES` (see README.md). Labels are used."""

import sys
from pathlib import Path

from ossicle_outliers.recipes.options import main
from ossicle_outliers.recipes.oracle import run

DATA = {"data": "folder of tables: NAME.npz with X and y"}

if __name__ == "__main__":
    sys.exit(main(run, Path(__file__).parent, data=DATA))
