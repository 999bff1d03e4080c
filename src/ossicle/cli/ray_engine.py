"""Jobs over a Ray cluster: the one that is there (``RAY_ADDRESS``), or a local one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ossicle.cli.batch import Outcome, Work, attempt
from ossicle.cli.outputs import Job
from ossicle.cli.pool import cores
from ossicle.errors import InputError, MissingPackageError

_RETRIES = 3


class _Worker:
    """One actor: it holds the model and does one job after the other."""

    def __init__(self, work: Work, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"index": row["index"], "outcome": attempt(row["job"], self._work)}


def run_ray(jobs: Sequence[Job], work: Work, workers: int) -> Iterator[Outcome]:
    """Yield outcomes as they come, by Ray Data; inputs and outputs must lie where every machine sees them.

    A worker that dies is replaced and its job done again. Where the cluster goes away, every job not yet reported fails by
    name; outputs appear whole or not at all, so running again goes on.

    Raises
    ------
    MissingPackageError
        If Ray is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingPackageError("Ray is not installed", why=str(error), hint="pip install 'ossicle[ray]'") from error
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    started = not ray.is_initialized()
    if started:
        local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
        ray.init(logging_level="ERROR", log_to_driver=False, **local)
    left = dict(enumerate(jobs))
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        data = ray.data.from_items([{"index": i, "job": job} for i, job in left.items()], override_num_blocks=len(jobs))
        done = data.map(
            _Worker,
            fn_constructor_args=(work, max(1, cores() // workers)),
            num_cpus=1,
            concurrency=workers,
            max_restarts=_RETRIES,
            max_task_retries=_RETRIES,
        )
        for row in done.iter_rows():
            del left[row["index"]]
            yield row["outcome"]
    except ray.exceptions.RayError as error:
        why = f"the cluster went away: {type(error).__name__}"
        for job in left.values():
            yield Outcome(job, "failed", error=InputError(f"{job.source.label} was not finished", why=why))
    finally:
        if started:
            ray.shutdown()
