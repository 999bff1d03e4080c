"""Checks of the kind `kernel`."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import torch
from torch import Tensor

from ossicle.testing.subject import ConformanceCheck, Skipped, Subject


def exercise_kernel(kernel: Any) -> list[Tensor]:
    """Compute the reference on the first arguments of the grid."""
    _, arguments = next(iter(kernel.samples()))
    return [kernel.reference(*arguments)]


def _place(kernel: Any) -> str:
    """Return where the fast path can run here, or skip with the reason."""
    if torch.cuda.is_available() and kernel.supports("cuda", "float32"):
        return "cuda"
    if kernel.supports("cpu", "float32") or os.environ.get("TRITON_INTERPRET") == "1":
        return "cpu"
    raise Skipped("no device here runs the fast path; TRITON_INTERPRET=1 runs Triton kernels on the CPU")


def _moved(arguments: tuple[Any, ...], device: str) -> tuple[Any, ...]:
    return tuple(a.to(device) if isinstance(a, Tensor) else a for a in arguments)


def _declares_itself(subject: Subject) -> None:
    kernel = subject.instance
    assert isinstance(kernel.op, str) and kernel.op, "op is not a name"
    assert isinstance(kernel.tolerance, float) and kernel.tolerance > 0, "tolerance is not a positive number"


def _knows_its_devices(subject: Subject) -> None:
    for device in ("cpu", "cuda", "no-such-device"):
        answer = subject.instance.supports(device, "float32")
        assert isinstance(answer, bool), f"supports({device!r}) gives {answer!r}"
    assert not subject.instance.supports("no-such-device", "float32"), (
        "it claims to run on a device that does not exist"
    )


def _grid_is_wide(subject: Subject) -> None:
    samples = list(subject.instance.samples())
    assert len(samples) >= 5, f"the grid has {len(samples)} points"
    tensors = [[a for a in arguments if isinstance(a, Tensor)] for _, arguments in samples]
    assert any(t.numel() == 0 for row in tensors for t in row), "no point of the grid is empty"
    assert any(not t.is_contiguous() for row in tensors for t in row), "no point of the grid is non-contiguous"


def _equals_its_reference(subject: Subject) -> None:
    kernel = subject.instance
    place = _place(kernel)
    for label, arguments in kernel.samples():
        arguments = _moved(arguments, place)
        wanted, found = kernel.reference(*arguments), kernel.accelerated(*arguments)
        assert wanted.shape == found.shape, f"{label}: shape {tuple(found.shape)}, not {tuple(wanted.shape)}"
        if not wanted.numel():
            continue
        difference = float((wanted - found).abs().max())
        limit = kernel.tolerance * max(1.0, float(wanted.abs().max()))
        assert difference <= limit, f"{label}: differs by {difference:.2e}, more than {limit:.2e}"


def _leaves_its_input_alone(subject: Subject) -> None:
    kernel = subject.instance
    paths = [("the reference", kernel.reference, "cpu")]
    with contextlib.suppress(Skipped):
        paths.append(("the fast path", kernel.accelerated, _place(kernel)))
    for label, arguments in kernel.samples():
        for name, path, place in paths:
            moved = _moved(arguments, place)
            kept = [a.clone() for a in moved if isinstance(a, Tensor)]
            path(*moved)
            left = [a for a in moved if isinstance(a, Tensor)]
            assert all(torch.equal(a, b) for a, b in zip(kept, left, strict=True)), (
                f"{label}: {name} wrote into its input"
            )


CHECKS = [
    ConformanceCheck("declares itself", _declares_itself, "set op and tolerance"),
    ConformanceCheck("knows its devices", _knows_its_devices, "let supports() return True or False"),
    ConformanceCheck("has a wide grid", _grid_is_wide, "yield empty, odd and non-contiguous arguments from samples()"),
    ConformanceCheck("equals its reference", _equals_its_reference, "compare both at the point named"),
    ConformanceCheck("leaves its input alone", _leaves_its_input_alone, "write into new tensors"),
]
"""What every kernel must do."""
