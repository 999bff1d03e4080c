"""Triton kernels on a CPU: in Triton's interpreter, which needs a process of its own.

Triton reads ``TRITON_INTERPRET`` when it is imported, so a process that has it already cannot turn it on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

from ossicle.errors import MissingPackageError
from ossicle.testing.probe import fresh_environment
from ossicle.testing.runner import CheckOutcome

_MARK = "ossicle-outcomes:"
_CONFORM = f"""
import json, sys
from ossicle.targets import load_target
from ossicle.testing import check_component
found = {{target: [o.as_dict() for o in check_component("kernel", load_target(target))] for target in sys.argv[1:]}}
print("{_MARK}" + json.dumps(found))
"""


def run_interpreted(script: str, *arguments: object) -> str:
    """Run a Python script where Triton interprets its kernels, and return what it prints.

    Raises
    ------
    MissingPackageError
        If Triton is not installed.
    AssertionError
        If the script fails; the message is what it wrote to stderr.
    """
    if find_spec("triton") is None:
        raise MissingPackageError("triton is not installed", hint="pip install triton")
    environment = fresh_environment(TRITON_INTERPRET="1", OMP_NUM_THREADS="1")
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_interpreted(*targets: str) -> list[CheckOutcome]:
    """Run the checks of kind `kernel` in Triton's interpreter and return the outcomes, each with its target as `component`.

    Parameters
    ----------
    targets
        ``"package.module:KernelClass"``, several in one process.
    """
    lines = [line for line in run_interpreted(_CONFORM, *targets).splitlines() if line.startswith(_MARK)]
    found = json.loads(lines[-1].removeprefix(_MARK))
    return [CheckOutcome(**{**o, "component": target}) for target, outcomes in found.items() for o in outcomes]


def assert_equal_interpreted(*targets: str) -> None:
    """Fail unless every kernel passes every check in Triton's interpreter, none skipped; without Triton the test is skipped."""
    import pytest

    pytest.importorskip("triton")
    outcomes = check_interpreted(*targets)
    assert {o.component for o in outcomes if o.check == "equals its reference"} == set(targets)
    assert not [o for o in outcomes if o.status != "passed"]
