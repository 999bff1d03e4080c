"""Memory between steps of a run on a CPU."""

from __future__ import annotations

import ctypes
import sys


def keep_freed_memory() -> bool:
    """Let the process keep what it frees, and return whether it does: on Linux with glibc.

    Else each step gives its tensors' pages back and asks for them anew, which takes up to a sixth of a small network's step.
    The process then stays as large as its largest step.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    trim_threshold, top_pad, mmap_max = -1, -2, -4
    return all(mallopt(*pair) for pair in ((trim_threshold, 2**31 - 1), (top_pad, 2**26), (mmap_max, 0)))
