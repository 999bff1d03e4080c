"""The loop that every training run shares: steps, a log, checkpoints by the clock, validation, an orderly end."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ossicle.atomic import write_bytes
from ossicle.errors import OssicleError

STATE_FILE = "state.pt"
PENDING_FILE = "pending.json"


class Trainable(Protocol):
    """What the loop drives: one step at a time, with all its state in one file."""

    step_number: int

    def step(self) -> dict[str, float]:
        """Take one step and return its metrics."""
        ...

    def save(self, path: Path) -> None:
        """Write the state."""
        ...


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long a run goes on and how often it reports.

    Parameters
    ----------
    steps
        Step number at which the run is over.
    minutes
        Wall-clock limit of this call; None for no limit. The run can be resumed after it.
    log_every, validate_every
        In steps.
    save_every_s
        In seconds of wall clock; a checkpoint waits for the next line of the log.
    """

    steps: int
    minutes: float | None = None
    log_every: int = 50
    validate_every: int = 1000
    save_every_s: float = 180.0


def run_loop(
    trainable: Trainable,
    config: LoopConfig,
    folder: Path | None,
    *,
    log: Callable[[int, dict[str, float]], None],
    validate: Callable[[], dict[str, float]] | None = None,
    on_checkpoint: Callable[[], None] | None = None,
    agree: Callable[[bool], bool] = bool,
) -> bool:
    """Drive a trainable until its steps, the time limit or an interruption; return whether all steps are done.

    The state is in ``folder/state.pt`` at every checkpoint and at the end, also after SIGINT or SIGTERM. What the next line of
    the log has gathered by then lies beside it, so that a resumed run writes the lines of an unbroken one.

    Parameters
    ----------
    folder
        Of the state; None writes none, as in all but the first of several processes.
    log, validate
        Called with (step, means since the last line), and for values of its own.
    on_checkpoint
        Called after each checkpoint.
    agree
        Says whether to stop, of this process's wish to: so that several processes stop at one step.

    Raises
    ------
    OssicleError
        If the loss is not finite ten times in a row: the state of the last checkpoint is kept.
    """
    started = saved = time.monotonic()
    totals, counts = _read_pending(folder, trainable.step_number)
    bad = 0
    with _stop_on_signals() as stopping:
        stop = agree(stopping.is_set())
        while trainable.step_number < config.steps and not stop:
            metrics = trainable.step()
            bad = 0 if all(abs(value) < float("inf") for value in metrics.values()) else bad + 1
            if bad >= 10:
                raise OssicleError(
                    f"training diverged at step {trainable.step_number}",
                    why="ten steps in a row had a loss or gradient that is not finite",
                    hint=f"resume from {folder / STATE_FILE} with a smaller learning rate" if folder else None,
                )
            for name, value in metrics.items():
                totals[name] = totals.get(name, 0.0) + value
                counts[name] = counts.get(name, 0) + 1
            step, now = trainable.step_number, time.monotonic()
            if step % config.log_every == 0:
                log(step, {name: value / counts[name] for name, value in totals.items()} | {"elapsed_s": now - started})
                totals, counts = {}, {}
            if validate and step % config.validate_every == 0:
                log(step, validate())
            # Between two lines of the log: a run resumed from here averages its next line over the same steps.
            if now - saved > config.save_every_s and step % config.log_every == 0:
                _checkpoint(trainable, folder, on_checkpoint)
                saved = now
            late = config.minutes is not None and now - started > 60 * config.minutes
            stop = agree(stopping.is_set() or late)
    if folder:
        pending = {"step": trainable.step_number, "totals": totals, "counts": counts}
        write_bytes(folder / PENDING_FILE, json.dumps(pending).encode())
    _checkpoint(trainable, folder, on_checkpoint)
    return trainable.step_number >= config.steps


def _read_pending(folder: Path | None, step: int) -> tuple[dict[str, float], dict[str, int]]:
    if folder is None:
        return {}, {}
    try:
        pending = json.loads((folder / PENDING_FILE).read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}, {}
    # Of another step: the run was cut off after it, and goes on from a checkpoint between two lines.
    return (pending["totals"], pending["counts"]) if pending["step"] == step and step else ({}, {})


def _checkpoint(trainable: Trainable, folder: Path | None, on_checkpoint: Callable[[], None] | None) -> None:
    if folder is None:
        return
    trainable.save(folder / STATE_FILE)
    if on_checkpoint:
        on_checkpoint()


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into an orderly end; a second one acts as usual."""
    stopping = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def stop(number: int, frame: object) -> None:
        stopping.set()
        restore()

    for number in previous:
        signal.signal(number, stop)
    try:
        yield stopping
    finally:
        restore()
