"""Detectors on thirty tables, no labels: `python recipes/odds/outliers/run.py --data TABLES` (see README.md)."""

import sys
from pathlib import Path

from ossicle_outliers.recipes.options import main
from ossicle_outliers.recipes.tables import run

DATA = {"data": "folder of tables: manifest.csv, and NAME.npz with X and y"}

if __name__ == "__main__":
    sys.exit(main(run, Path(__file__).parent, data=DATA))
