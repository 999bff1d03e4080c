"""Many inputs, one after the other: a bad one does not stop the others, and the end says what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ossicle.cli.console import emit_json, progress, say, show_bug
from ossicle.cli.outputs import Job
from ossicle.errors import InputError, NoInputError, OssicleError

Work = Callable[[Job], dict[str, Any]]
"""Does one job and returns facts worth reporting; ``notes`` are also said aloud."""


@dataclass
class Outcome:
    """What became of one job: ``written``, ``kept`` or ``failed``."""

    job: Job
    status: str
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    error: OssicleError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        error = self.error and {"what": self.error.what, "why": self.error.why, "hint": self.error.hint}
        return {
            "input": self.job.source.label,
            "output": self.job.target,
            "status": self.status,
            "seconds": round(self.seconds, 4),
            **self.facts,
            "error": error,
        }


def run_batch(
    jobs: Sequence[Job],
    work: Work,
    *,
    verb: str,
    force: bool,
    quiet: bool,
    as_json: bool,
    about: dict[str, Any] | None = None,
    workers: int = 1,
    engine: str = "local",
) -> int:
    """Do the jobs and return the exit code: 0 all fine, 3 some failed, 4 none could be used, 130 interrupted.

    With several workers the jobs go to processes of their own, with the engine ``ray`` to a cluster: there `work` must be
    picklable.
    """
    outcomes: list[Outcome] = []
    interrupted = False
    with progress(len(jobs), verb, quiet=quiet) as advance:
        try:
            for outcome in _outcomes(jobs, work, force=force, workers=workers, engine=engine):
                _tell(outcome, quiet=quiet)
                outcomes.append(outcome)
                advance(outcome.job.source.label)
        except KeyboardInterrupt:
            interrupted = True
    counts = {status: sum(o.status == status for o in outcomes) for status in ("written", "kept", "failed")}
    if as_json:
        emit_json({**(about or {}), **counts, "interrupted": interrupted, "files": [o.as_dict() for o in outcomes]})
    if len(jobs) > 1 or interrupted:
        say(", ".join(f"{count} {status}" for status, count in counts.items() if count) or "nothing done", quiet=quiet)
    if interrupted:
        say(
            f"interrupted: {len(jobs) - len(outcomes)} of {len(jobs)} not done; run again to go on, what is written is kept"
        )
        return 130
    if counts["failed"] == len(jobs):
        return NoInputError.exit_code
    return InputError.exit_code if counts["failed"] else 0


def _outcomes(jobs: Sequence[Job], work: Work, *, force: bool, workers: int, engine: str) -> Iterator[Outcome]:
    waiting = []
    for job in jobs:
        if job.kept(force=force):
            yield Outcome(job, "kept")
        else:
            waiting.append(job)
    if engine == "ray" and waiting:
        from ossicle.cli.ray_engine import run_ray

        yield from run_ray(waiting, work, workers)
        return
    if workers > 1 and len(waiting) > 1:
        # Imported here: one file needs no pool.
        from ossicle.cli.pool import run_pool

        yield from run_pool(waiting, work, workers)
        return
    for job in waiting:
        yield attempt(job, work)


def attempt(job: Job, work: Work) -> Outcome:
    """Do one job; whatever goes wrong becomes a failed outcome."""
    started = time.perf_counter()
    try:
        facts = work(job)
    except OssicleError as error:
        failure = error
    except (OSError, MemoryError) as error:
        failure = InputError(f"{job.source.label} cannot be used", why=f"{type(error).__name__}: {error}")
    except Exception as error:
        show_bug(error)
        failure = InputError(f"{job.source.label} made the program fail", why=f"{type(error).__name__}: {error}")
    else:
        return Outcome(job, "written", time.perf_counter() - started, facts)
    return Outcome(job, "failed", time.perf_counter() - started, error=failure)


def _tell(outcome: Outcome, *, quiet: bool) -> None:
    if outcome.status == "kept":
        say(f"kept {outcome.job.target}: it exists (--force overwrites)", quiet=quiet)
    elif outcome.error is not None:
        say(f"failed {outcome.job.source.label}: {outcome.error}")
    for note in outcome.facts.get("notes", ()):
        say(f"{outcome.job.source.label}: {note}", quiet=quiet)
