"""Jobs over processes: bounded in flight, and a worker that dies costs the others nothing."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from ossicle.cli.batch import Outcome, Work, attempt
from ossicle.cli.outputs import Job
from ossicle.errors import InputError

_work: Work | None = None
"""What this worker process does, set once when it starts: it holds the model."""


def default_workers(n_jobs: int, device: str) -> int:
    """Return how many processes a folder is worth: all cores of a CPU, one for a GPU, one for a handful of files."""
    if device != "cpu" or n_jobs < 8:
        return 1
    return min(cores(), n_jobs // 4)


def run_pool(jobs: Sequence[Job], work: Work, workers: int) -> Iterator[Outcome]:
    """Yield outcomes as they come.

    Outputs appear whole or not at all, so a job whose worker died is done again; where that kills a worker once more while
    it runs alone, the job has failed and the others go on.
    """
    lost = yield from _round(deque(jobs), work, workers)
    for job in lost:
        again = yield from _round(deque([job]), work, 1)
        if again:
            why = "the process that worked on it was killed twice, perhaps for want of memory"
            yield Outcome(job, "failed", error=InputError(f"{job.source.label} was not finished", why=why))


def _round(waiting: deque[Job], work: Work, workers: int) -> Generator[Outcome, None, list[Job]]:
    """Yield outcomes until all is done; return the jobs that were in flight or waiting when a worker died."""
    running: dict[Future[Outcome], Job] = {}
    # Forked processes would inherit torch's threads in an unknown state.
    context = multiprocessing.get_context("spawn")
    threads = max(1, cores() // workers)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(work, threads))
    try:
        while waiting or running:
            while waiting and len(running) < 2 * workers:
                job = waiting.popleft()
                running[pool.submit(_attempt, job)] = job
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                del running[future]
                yield outcome
    except BrokenProcessPool:
        return [*running.values(), *waiting]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return []


def _start(work: Work, threads: int) -> None:
    global _work
    import torch

    torch.set_num_threads(threads)
    _work = work


def _attempt(job: Job) -> Outcome:
    assert _work is not None
    return attempt(job, _work)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
