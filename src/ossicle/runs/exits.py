"""How a recipe ends: its exit code, and what the person at the terminal is told."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ossicle.errors import OssicleError

INTERRUPTED = 130
"""The exit code of what was stopped by Ctrl+C: 128 and the number of the signal."""


def run_guarded(work: Callable[[], int], *, resume: str = "go on with --resume") -> int:
    """Run a recipe and return its exit code.

    Parameters
    ----------
    work
        The recipe; what it returns is the exit code. Its own errors are told on stderr and give their exit codes; any other
        exception is a defect and passes, traceback and all.
    resume
        What to do after an interruption.
    """
    try:
        return work()
    except OssicleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"interrupted; {resume}", file=sys.stderr)
        return INTERRUPTED
