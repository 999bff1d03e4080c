"""Clips scored by a fitted model: bounded memory, and a clip that cannot be read does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ossicle.errors import OssicleError
from ossicle_outliers.fitted import Fitted
from ossicle_outliers.manifest import Term, strongest
from ossicle_outliers.sound.analysis import Analysis, build_analysis, load_wave
from ossicle_outliers.sound.pooling import clip_scores

_ROWS_AT_ONCE = 4096
_CLIPS_AT_ONCE = 256


@dataclass(frozen=True)
class Scored:
    """A clip's score and the columns that add most to it."""

    path: Path
    score: float
    terms: tuple[Term, ...]


class ClipScorer:
    """Scores clips by a fitted model of sound.

    Parameters
    ----------
    fitted
        Its `sound` says how clips become rows.
    """

    def __init__(self, fitted: Fitted) -> None:
        assert fitted.sound is not None
        self.fitted = fitted
        self.settings = fitted.sound
        self.analysis: Analysis = build_analysis(fitted.sound, classifier=fitted.classifier)

    def rows(self, source: Path | bytes) -> np.ndarray:
        """Return the rows (V, D) of a sound file.

        Raises
        ------
        AudioError
            If it cannot be read.
        """
        return self.analysis(load_wave(source, self.analysis.sample_rate)).numpy()

    def score(self, clips: Sequence[np.ndarray]) -> list[tuple[float, tuple[Term, ...]]]:
        """Return score and terms of clips, each given by its rows (V, D).

        Terms are of the means over a clip's rows of what every column adds.
        """
        if not clips:
            return []
        rows = np.concatenate(clips)
        owners = np.repeat(np.arange(len(clips)), [len(clip) for clip in clips])
        scores = clip_scores(
            self.fitted.detector.decision_function(rows),
            owners,
            len(clips),
            aggregate=self.settings.aggregate,
            top_share=self.settings.top_share,
        )
        terms = self._terms(rows, owners, len(clips))
        return list(zip(scores.tolist(), terms, strict=True))

    def _terms(self, rows: np.ndarray, owners: np.ndarray, n_clips: int) -> list[tuple[Term, ...]]:
        detector = self.fitted.detector
        if not hasattr(detector, "score_parts"):
            return [()] * n_clips
        counts = np.bincount(owners, minlength=n_clips)[:, None]
        parts = detector.score_parts(rows)
        means = []
        for part in (parts.bias, parts.uncertainty):
            total = np.zeros((n_clips, rows.shape[1]))
            np.add.at(total, owners, part)
            means.append(total / counts)
        return strongest(means[0], means[1], self.fitted.columns)

    def score_all(
        self, paths: Sequence[Path], advance: Callable[[str], None] | None = None
    ) -> Iterator[Scored | tuple[Path, OssicleError]]:
        """Yield a score, or why there is none, for each path, in order."""
        waiting: list[tuple[Path, np.ndarray | OssicleError]] = []
        size = 0
        for path in paths:
            try:
                rows = self.rows(path)
            except OssicleError as error:
                waiting.append((path, error))
            else:
                waiting.append((path, rows))
                size += len(rows)
            if size >= _ROWS_AT_ONCE or len(waiting) >= _CLIPS_AT_ONCE:
                yield from self._flush(waiting)
                waiting, size = [], 0
            if advance:
                advance(str(path))
        yield from self._flush(waiting)

    def _flush(
        self, waiting: list[tuple[Path, np.ndarray | OssicleError]]
    ) -> Iterator[Scored | tuple[Path, OssicleError]]:
        results = iter(self.score([rows for _, rows in waiting if isinstance(rows, np.ndarray)]))
        for path, rows in waiting:
            if isinstance(rows, OssicleError):
                yield path, rows
            else:
                score, terms = next(results)
                yield Scored(path, score, terms)
