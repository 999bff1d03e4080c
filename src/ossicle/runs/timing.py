"""Timing side by side: every round calls each candidate once, in alternating order, and medians are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


def medians(
    calls: Mapping[str, Callable[[], Any]],
    *,
    device: str,
    rounds: int,
    warmup: int = 1,
    rest_s: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return each call's median time in seconds, waiting for the device before and after it.

    `rest_s` seconds pass before each call: idle threads of another library's pool spin for a while, on our cores.
    ``clock=time.process_time`` counts the process's own seconds, which hold on a machine that others use too.
    """
    wait: Callable[[], Any] = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(warmup):
            call()
    for turn in range(rounds):
        for name in list(calls) if turn % 2 else list(calls)[::-1]:
            time.sleep(rest_s)
            wait()
            started = clock()
            calls[name]()
            wait()
            times[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in times.items()}
