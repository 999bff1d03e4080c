"""What `ossicle outliers score` does once its options are understood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ossicle.cli.batch import Outcome, run_batch
from ossicle.cli.console import Ticker, emit, emit_json, progress, say, table
from ossicle.cli.inputs import Input
from ossicle.cli.outputs import Job, plan
from ossicle.errors import InputError, NoInputError, OssicleError, UsageError
from ossicle_outliers.commands.inputs import paths_of
from ossicle_outliers.commands.work import ClipWork, TableWork, cut
from ossicle_outliers.fitted import Fitted
from ossicle_outliers.manifest import SUFFIXES as MANIFESTS
from ossicle_outliers.manifest import Entry, Term, keeping, ranks_of, write_manifest
from ossicle_outliers.page import write_scores_page
from ossicle_outliers.sound.scoring import ClipScorer, Scored
from ossicle_outliers.tables.scoring import score_table
from ossicle_outliers.tables.writers import SUFFIXES as TABLES

LISTED = 10_000
"""Rows of a table that ``--json`` lists at most; a file (``-o``) has all of them."""


@dataclass(frozen=True)
class Request:
    """The options of a call."""

    model: Path
    device: str
    output: Path | None
    page: Path | None
    top: int
    drop: float | None
    label: str | None
    rows_at_once: int | None
    engine: str
    workers: int
    force: bool
    json: bool
    quiet: bool

    def may_write(self, path: Path) -> bool:
        """Return whether a file is to be written; what exists is kept, and that is said, unless it may be overwritten."""
        if path.exists() and not self.force:
            say(f"kept {path}: it exists (--force overwrites)", quiet=self.quiet)
            return False
        return True


def score_clips(fitted: Fitted, found: Sequence[Input], request: Request) -> int:
    """Rank clips; write the manifest and the page, or list the worst."""
    if request.output is not None and request.output.suffix.lower() not in MANIFESTS:
        raise UsageError(f"cannot write the manifest {request.output}", hint=f"use {' or '.join(MANIFESTS)}")
    paths = paths_of(found)
    scored: list[Scored] = []
    failed: list[dict[str, Any]] = []
    with progress(len(paths), "score", quiet=request.quiet) as advance:
        for result in _clips(fitted, found, request):
            if isinstance(result, Scored):
                scored.append(result)
                advance(str(result.path))
            else:
                path, error = result
                failed.append({"path": str(path), "what": error.what, "why": error.why, "hint": error.hint})
                say(f"failed {path}: {error}")
                advance(str(path))
    if not scored:
        raise NoInputError(f"none of {len(paths)} clips could be scored")
    order = {path: at for at, path in enumerate(paths)}
    scored.sort(key=lambda s: order[s.path])
    scores = np.array([s.score for s in scored])
    ranks = ranks_of(scores)
    keep = keeping(scores, ranks, len(scores), threshold=fitted.threshold, drop=request.drop)
    entries = sorted(
        (
            Entry(str(s.path), s.score, int(rank), bool(kept), s.terms)
            for s, rank, kept in zip(scored, ranks, keep, strict=True)
        ),
        key=lambda e: e.rank,
    )
    about = {**_about(fitted, request), "clips": len(entries), "left_out": int((~keep).sum()), "failed": failed}
    if request.output is not None and request.may_write(request.output):
        write_manifest(request.output, entries, about)
    _finish(request, fitted, entries, entries, about, scores, sounds=True)
    return InputError.exit_code if failed else 0


def score_tables(fitted: Fitted, found: Sequence[Input], request: Request) -> int:
    """Score the rows of tables: one here and ranked, or many over processes or a cluster, each to a file of its own."""
    one = len(found) == 1 and request.engine == "local" and request.workers == 1
    if one and (request.output is None or request.output.suffix.lower() in TABLES):
        return _one_table(fitted, paths_of(found)[0], request)
    if request.output is None or request.output.suffix:
        raise UsageError("many tables, workers or a cluster need a folder for their results", hint="name one: -o DIR")
    if request.page is not None:
        raise UsageError("a page shows one table or a pool of clips", hint="leave --html out, or score one table here")
    if request.drop is not None:
        raise UsageError(
            "a share of many tables cannot be left out", why="their pieces are scored apart", hint="leave --drop out"
        )
    whole = plan(found, str(request.output), suffix=".parquet", searched=True)
    jobs = cut(whole, rows=2**18) if request.engine == "ray" or request.workers > 1 else whole
    work = TableWork(request.model, request.device, request.label, request.rows_at_once)
    return run_batch(
        jobs,
        work,
        verb="score",
        force=request.force,
        quiet=request.quiet,
        as_json=request.json,
        about=_about(fitted, request),
        workers=request.workers,
        engine=request.engine,
    )


def _one_table(fitted: Fitted, path: Path, request: Request) -> int:
    output = request.output if request.output is not None and request.may_write(request.output) else None
    with Ticker("score", quiet=request.quiet) as ticker:
        result = score_table(
            fitted,
            path,
            output,
            worst=max(request.top, LISTED if request.json else 0),
            drop=request.drop,
            label=request.label,
            rows_at_once=request.rows_at_once,
            advance=lambda rows: ticker.update(f"{rows} rows"),
        )
    about = {**_about(fitted, request), "rows": result.rows, "left_out": result.left_out}
    if result.measures:
        about["measures"] = result.measures
    _finish(request, fitted, result.worst[: request.top], result.worst, about, result.scores, sounds=False)
    return 0


def _clips(fitted: Fitted, found: Sequence[Input], request: Request) -> Iterator[Scored | tuple[Path, OssicleError]]:
    if request.engine == "local" and request.workers == 1:
        yield from ClipScorer(fitted).score_all(paths_of(found))
        return
    jobs = [Job(source, None) for source in found]
    work = ClipWork(request.model, request.device)
    if request.engine == "ray":
        from ossicle.cli.ray_engine import run_ray as run
    else:
        from ossicle.cli.pool import run_pool as run
    for outcome in run(jobs, work, request.workers):
        yield _from_outcome(outcome)


def _from_outcome(outcome: Outcome) -> Scored | tuple[Path, OssicleError]:
    path = outcome.job.source.path
    assert path is not None
    if outcome.error is not None:
        return path, outcome.error
    return Scored(path, outcome.facts["score"], tuple(Term(*term) for term in outcome.facts["terms"]))


def _about(fitted: Fitted, request: Request) -> dict[str, Any]:
    return {"model": str(request.model), "threshold": fitted.threshold, "drop": request.drop}


def _finish(
    request: Request,
    fitted: Fitted,
    shown: Sequence[Entry],
    listed: Sequence[Entry],
    about: dict[str, Any],
    scores: np.ndarray,
    *,
    sounds: bool,
) -> None:
    kind = "clips" if sounds else "rows"
    if request.page is not None and request.may_write(request.page):
        facts = {"model": request.model.name, f"{kind}": about[kind], "left out": about["left_out"]}
        out = min(about["left_out"], len(scores))
        line = fitted.threshold if request.drop is None else None
        write_scores_page(
            request.page, shown[: request.top], scores=scores, left_out=out, threshold=line, about=facts, sounds=sounds
        )
        say(f"wrote {request.page}", quiet=request.quiet)
    if request.json:
        emit_json({**about, "manifest": [entry.as_dict() for entry in listed]})
        return
    if request.output is None or not request.quiet:
        say(f"{about['left_out']} of {about[kind]} {kind} are to be left out", quiet=request.quiet)
    for name, value in about.get("measures", {}).items():
        say(f"{name} {value:.4f} (by the labels, which nothing else saw)", quiet=request.quiet)
    if request.output is not None:
        emit(str(request.output))
    else:
        emit(
            table(
                [_cells(entry) for entry in shown[: request.top]],
                ("rank", "score", "keep", kind[:-1], "what stands out"),
            )
        )


def _cells(entry: Entry) -> tuple[str, ...]:
    name = entry.path if entry.row is None else str(entry.row)
    terms = ", ".join(term.column for term in entry.terms[:3])
    return str(entry.rank), f"{entry.score:.5g}", "yes" if entry.keep else "no", name, terms
