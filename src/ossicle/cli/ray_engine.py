"""Jobs over a Ray cluster: the one that is there (``RAY_ADDRESS``), or a local one."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from ossicle.cli.batch import Outcome, Work, attempt
from ossicle.cli.outputs import Job
from ossicle.cli.pool import cores
from ossicle.errors import ConfigError, InputError, MissingPackageError

_RETRIES = 3


class _Worker:
    """One actor: it holds the model and does one job after the other."""

    def __init__(self, work: Work, jobs: Sequence[Job], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._work, self._jobs = work, jobs

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        # Ray keeps rows in Arrow's columns, which hold bytes, and no objects without a complaint.
        return {"index": row["index"], "outcome": pickle.dumps(attempt(self._jobs[row["index"]], self._work))}


def run_ray(jobs: Sequence[Job], work: Work, workers: int) -> Iterator[Outcome]:
    """Yield outcomes as they come, by Ray Data; inputs and outputs must lie where every machine sees them.

    A worker that dies is replaced and its job done again. Where the cluster goes away, a job whose output has appeared since
    the start is written, reported or not: outputs appear whole or not at all. All others fail by name, and running again goes
    on with them.

    Raises
    ------
    MissingPackageError
        If Ray is not installed.
    ConfigError
        If there is no cluster at ``RAY_ADDRESS``, or none can be started here.
    """
    with contextlib.redirect_stdout(
        sys.stderr
    ):  # Ray tells there what becomes of its workers; stdout belongs to results.
        yield from _over_ray(jobs, work, workers)


def _over_ray(jobs: Sequence[Job], work: Work, workers: int) -> Iterator[Outcome]:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingPackageError("Ray is not installed", why=str(error), hint="pip install 'ossicle[ray]'") from error
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    started = not ray.is_initialized()
    if started:
        local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
        try:
            ray.init(logging_level="ERROR", log_to_driver=False, **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise _unreachable(error) from error
    left = dict(enumerate(jobs))
    before = {index: _seen(job) for index, job in left.items()}
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        data = ray.data.from_items([{"index": index} for index in left], override_num_blocks=len(jobs))
        done = data.map(
            _Worker,
            fn_constructor_args=(work, list(jobs), max(1, cores() // workers)),
            num_cpus=1,
            concurrency=workers,
            max_restarts=_RETRIES,
            max_task_retries=_RETRIES,
        )
        for row in done.iter_rows():
            del left[row["index"]]
            # What this process's own workers wrote; nobody else's bytes come this way.
            yield pickle.loads(row["outcome"])
    except ray.exceptions.RayError as error:
        why = f"the cluster went away: {type(error).__name__}"
        for index, job in left.items():
            if _seen(job) not in (None, before[index]):
                yield Outcome(job, "written")
                continue
            failure = InputError(f"{job.source.label} was not finished", why=why, hint="run again to go on")
            yield Outcome(job, "failed", error=failure)
    finally:
        if started:
            ray.shutdown()


def _unreachable(error: Exception) -> ConfigError:
    address = os.environ.get("RAY_ADDRESS")
    return ConfigError(
        f"the Ray cluster at {address} cannot be reached" if address else "a local Ray cluster cannot be started",
        why=" ".join(str(error).split())[:200] or type(error).__name__,
        hint="set RAY_ADDRESS to a running cluster's, unset it for a local one, or use --engine local",
    )


def _seen(job: Job) -> tuple[int, int] | None:
    """Return what tells a job's output from another that stood in its place, or None where there is none."""
    try:
        found = job.output.stat() if job.output else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns) if found else None
