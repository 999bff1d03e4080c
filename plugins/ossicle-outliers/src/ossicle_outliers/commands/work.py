"""Jobs of `ossicle outliers score` for other processes: what is sent is small, and the model is read where the work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ossicle.cli.outputs import Job
from ossicle_outliers.fitted import Fitted, load_fitted
from ossicle_outliers.sound.scoring import ClipScorer
from ossicle_outliers.tables.scoring import score_table
from ossicle_outliers.tables.source import open_table


@dataclass(frozen=True)
class PieceJob(Job):
    """A stretch of a table's rows, from `start` to before `stop`."""

    start: int = 0
    stop: int | None = None


def cut(jobs: Sequence[Job], *, rows: int) -> list[Job]:
    """Return jobs whose long tables are cut into stretches: ``OUT.parquet`` becomes a folder of numbered parts.

    Tables that do not say how long they are stay whole.
    """
    found: list[Job] = []
    for job in jobs:
        assert job.source.path is not None and job.output is not None
        n = open_table(job.source.path).n_rows
        if n is None or n <= rows:
            found.append(job)
            continue
        folder = job.output.with_suffix("")
        for at, start in enumerate(range(0, n, rows)):
            place = folder / f"{at:06d}.parquet"
            found.append(PieceJob(job.source, place, start, min(start + rows, n)))
    return found


class _Work:
    """Reads the model on first use: in the process that works."""

    def __init__(self, model: Path, device: str) -> None:
        self._model, self._device = model.resolve(), device
        self._fitted: Fitted | None = None

    @property
    def fitted(self) -> Fitted:
        if self._fitted is None:
            self._fitted = load_fitted(self._model, device=self._device)
        return self._fitted

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fitted": None, "_scorer": None}


class TableWork(_Work):
    """Scores a table, or a stretch of one, into a file."""

    def __init__(self, model: Path, device: str, label: str | None, rows_at_once: int | None) -> None:
        super().__init__(model, device)
        self._label, self._rows = label, rows_at_once

    def __call__(self, job: Job) -> dict[str, Any]:
        """Return how many rows there were and how many are to be left out."""
        assert job.source.path is not None
        stretch = {"start": job.start, "stop": job.stop} if isinstance(job, PieceJob) else {}
        result = score_table(
            self.fitted,
            job.source.path,
            job.output,
            worst=0,
            label=self._label,
            rows_at_once=self._rows,
            ranks=not stretch,
            **stretch,  # type: ignore[arg-type]
        )
        return {"rows": result.rows, "left_out": result.left_out, **stretch, **result.measures}


class ClipWork(_Work):
    """Scores one clip; nothing is written."""

    _scorer: ClipScorer | None = None

    def __call__(self, job: Job) -> dict[str, Any]:
        """Return score and terms."""
        assert job.source.path is not None
        if self._scorer is None:
            self._scorer = ClipScorer(self.fitted)
        score, terms = self._scorer.score([self._scorer.rows(job.source.path)])[0]
        return {"score": score, "terms": [(t.column, t.bias, t.uncertainty) for t in terms]}
