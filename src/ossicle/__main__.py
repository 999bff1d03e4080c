"""`python -m ossicle` is `ossicle`."""

import sys

from ossicle.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
