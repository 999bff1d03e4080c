"""Hear what is wrong with a machine: `python recipes/dcase2020/outliers/run.py --data DATA` (see README.md)."""

import sys
from pathlib import Path

from ossicle_outliers.recipes.machines import run
from ossicle_outliers.recipes.options import main

DATA = {"data": "folder with MACHINE/train and MACHINE/test; without it, machines are made up"}

if __name__ == "__main__":
    sys.exit(main(run, Path(__file__).parent, data=DATA))
