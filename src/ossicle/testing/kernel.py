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
    return [part.detach() for part in _parts(kernel.reference(*arguments))]


def _parts(result: Any) -> tuple[Tensor, ...]:
    """Return a result's tensors: a kernel gives one or a tuple."""
    return tuple(result) if isinstance(result, tuple) else (result,)


def _place(kernel: Any) -> str:
    """Return where the fast path can run here, or skip with the reason."""
    if torch.cuda.is_available() and kernel.supports("cuda", "float32"):
        return "cuda"
    if kernel.supports("cpu", "float32") or os.environ.get("TRITON_INTERPRET") == "1":
        return "cpu"
    raise Skipped("no device here runs the fast path; TRITON_INTERPRET=1 runs Triton kernels on the CPU")


def _moved(arguments: tuple[Any, ...], device: str) -> tuple[Any, ...]:
    """Return arguments on a device; those that want a gradient want it there."""
    return tuple(
        a.detach().to(device).requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a for a in arguments
    )


def _with_gradients(path: Any, arguments: tuple[Any, ...]) -> list[tuple[str, Tensor]]:
    """Return what a path computes, and the gradients of the arguments that want one, named."""
    parts = _parts(path(*arguments))
    found = [(f"result {n}" if len(parts) > 1 else "the result", part.detach()) for n, part in enumerate(parts)]
    wanted = [(n, a) for n, a in enumerate(arguments) if isinstance(a, Tensor) and a.requires_grad]
    if wanted:
        # Each part with a weight of its own, so that none can stand for another.
        total = sum((n + 1) * part.sum() for n, part in enumerate(parts) if part.requires_grad)
        assert isinstance(total, Tensor), "an argument wants a gradient, and no result has one"
        gradients = torch.autograd.grad(total, [a for _, a in wanted])
        found += [(f"the gradient of argument {n}", g) for (n, _), g in zip(wanted, gradients, strict=True)]
    return found


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


def _grid_stays(subject: Subject) -> None:
    first, second = list(subject.instance.samples()), list(subject.factory().samples())
    labels = [label for label, _ in first]
    assert len(set(labels)) == len(labels), "two points of the grid have one label"
    assert labels == [label for label, _ in second], "a second grid has other points"
    for (label, one), (_, other) in zip(first, second, strict=True):
        pairs = [(a, b) for a, b in zip(one, other, strict=True) if isinstance(a, Tensor)]
        assert all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs), f"{label}: other values the second time"


def _equals_its_reference(subject: Subject) -> None:
    kernel = subject.instance
    place = _place(kernel)
    for label, arguments in kernel.samples():
        arguments = _moved(arguments, place)
        both = (_with_gradients(path, arguments) for path in (kernel.reference, kernel.accelerated))
        for (name, wanted), (_, found) in zip(*both, strict=True):
            _assert_close(f"{label}: {name}", wanted, found, kernel.tolerance)


def _assert_close(what: str, wanted: Tensor, found: Tensor, tolerance: float) -> None:
    assert wanted.shape == found.shape, f"{what}: shape {tuple(found.shape)}, not {tuple(wanted.shape)}"
    assert wanted.dtype == found.dtype, f"{what}: {found.dtype}, not {wanted.dtype}"
    if wanted.numel():
        difference = float((wanted - found).abs().max())
        limit = tolerance * max(1.0, float(wanted.abs().max()))
        assert difference <= limit, f"{what}: differs by {difference:.2e}, more than {limit:.2e}"


def _leaves_its_input_alone(subject: Subject) -> None:
    kernel = subject.instance
    paths = [("the reference", kernel.reference, "cpu")]
    with contextlib.suppress(Skipped):
        paths.append(("the fast path", kernel.accelerated, _place(kernel)))
    for label, arguments in kernel.samples():
        for name, path, place in paths:
            moved = _moved(arguments, place)
            kept = [a.detach().clone() for a in moved if isinstance(a, Tensor)]
            path(*moved)
            left = [a for a in moved if isinstance(a, Tensor)]
            assert all(torch.equal(a, b) for a, b in zip(kept, left, strict=True)), (
                f"{label}: {name} wrote into its input"
            )


CHECKS = [
    ConformanceCheck("declares itself", _declares_itself, "set op and tolerance"),
    ConformanceCheck("knows its devices", _knows_its_devices, "let supports() return True or False"),
    ConformanceCheck("has a wide grid", _grid_is_wide, "yield empty, odd and non-contiguous arguments from samples()"),
    ConformanceCheck(
        "its grid stays", _grid_stays, "draw from a generator seeded in samples(); label each point by itself"
    ),
    ConformanceCheck("equals its reference", _equals_its_reference, "compare both at the point named"),
    ConformanceCheck("leaves its input alone", _leaves_its_input_alone, "write into new tensors"),
]
"""What every kernel must do."""
