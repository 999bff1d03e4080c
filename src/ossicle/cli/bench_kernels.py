"""`ossicle bench kernels`: every registered kernel's fast path against its reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.bench_report import check_output, kernels_page, write_result
from ossicle.cli.console import emit, emit_json, say, table
from ossicle.registry import default_registry
from ossicle.runs.environment import describe
from ossicle.runs.timing import medians


def bench_kernels(
    *,
    device: options.Device = "auto",
    rounds: Annotated[int, Parameter(help="Timed rounds; medians are reported.")] = 9,
    output: Annotated[
        str | None, Parameter(name=["--output", "-o"], help="Write the JSON result here too, and its page beside it.")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Time every kernel against its reference, in turn, over its own grid of arguments.

    Where the fast path does not run (no CUDA), the reference alone is timed and the reason is stated.
    """
    check_output(output)
    place = options.resolve_device(device)
    registry = default_registry()
    rows = []
    for name in registry.names("kernel"):
        rows += time_kernel(name, registry.build("kernel", name), place, rounds)
    result = {"device": place, "rounds": rounds, "rows": rows, "environment": describe()}
    if output:
        say(write_result(output, result, kernels_page(result)), quiet=quiet)
    if json:
        emit_json(result)
    else:
        cells = [
            (
                r["kernel"],
                r["arguments"],
                _us(r["reference_s"]),
                _us(r["accelerated_s"]),
                r["reason"] or f"{r['ratio']:.2f}x",
            )
            for r in rows
        ]
        emit(table(cells, ("kernel", "arguments", "reference (us)", "fast (us)", "ratio")))
    return 0


def time_kernel(name: str, kernel: Any, device: str, rounds: int) -> list[dict[str, Any]]:
    """Return medians of both paths for every set of arguments of a kernel's grid."""
    runs = kernel.supports(torch.device(device).type, "float32")
    reason = None if runs else f"the fast path does not run on {device}"
    rows = []
    for label, arguments in kernel.samples():
        moved = tuple(a.to(device) if isinstance(a, torch.Tensor) else a for a in arguments)
        paths = {"reference": kernel.reference} | ({"accelerated": kernel.accelerated} if runs else {})
        found = medians({key: _call(path, moved) for key, path in paths.items()}, device=device, rounds=rounds)
        fast = found.get("accelerated")
        rows.append(
            {
                "kernel": name,
                "arguments": label,
                "reference_s": found["reference"],
                "accelerated_s": fast,
                "ratio": found["reference"] / fast if fast else None,
                "reason": reason,
            }
        )
    return rows


def _call(path: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[[], Any]:
    return lambda: path(*arguments)


def _us(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e6:.1f}"
