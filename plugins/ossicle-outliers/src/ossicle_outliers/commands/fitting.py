"""What `ossicle outliers fit` does once its options are understood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ossicle.cli.options import accepts, parse_spec
from ossicle.errors import InputError
from ossicle.registry import default_registry
from ossicle_outliers.fitted import Fitted
from ossicle_outliers.sound.analysis import build_analysis
from ossicle_outliers.sound.pool import lowest_rates, read_pool
from ossicle_outliers.sound.scoring import ClipScorer, Scored
from ossicle_outliers.sound.settings import SoundSettings, settings_for
from ossicle_outliers.tables.source import choose_columns, match_columns, open_table, read_all
from ossicle_outliers.thresholds import threshold_of


def build_detector(spec: str, settings: dict[str, Any]) -> Any:
    """Return the detector that a spec names, with those of the settings that it takes."""
    name, given = parse_spec(spec)
    registry = default_registry()
    factory = registry.get("outlier-detector", name)
    return registry.build(
        "outlier-detector", name, **{k: v for k, v in settings.items() if accepts(factory, k)} | given
    )


def fit_tables(
    paths: Sequence[Path],
    spec: str,
    settings: dict[str, Any],
    *,
    columns: Sequence[str] | None,
    label: str | None,
    max_rows: int,
) -> tuple[Fitted, list[str]]:
    """Fit on the rows of tables with the same columns; return the model and what is worth saying."""
    first = open_table(paths[0])
    chosen = choose_columns(first, columns=columns, label=label)
    notes = [f"left out, since they are not numbers: {', '.join(first.left_out)}"] if first.left_out else []
    parts = []
    seen = 0
    for path in paths:
        source = open_table(path)
        own = chosen if path == paths[0] else match_columns(source, chosen, named=first.named)
        rows, _, count = read_all(source, own, max_rows=max(1, max_rows // len(paths)), seed=settings["seed"])
        parts.append(rows)
        seen += count
    x = np.concatenate(parts)
    detector = build_detector(spec, settings).fit(x)
    if len(x) < seen:
        notes.append(f"fitted on {len(x)} of {seen} rows, drawn evenly; --max-rows changes that")
    card = {"detector": spec, "rows": len(x), "columns": len(chosen)}
    return Fitted(detector, chosen, float(detector.threshold_), named=first.named, card=card), notes


def fit_clips(
    paths: Sequence[Path],
    spec: str,
    settings: dict[str, Any],
    *,
    vectors: str,
    classifier: Path | None,
    given: dict[str, Any],
    max_rows: int,
    advance: Callable[[str], None] | None = None,
) -> tuple[Fitted, list[str]]:
    """Fit on a pool of clips; return the model and what is worth saying."""
    if vectors == "embedding":
        sound = SoundSettings(vectors=vectors, **{k: v for k, v in given.items() if k in ("aggregate", "top_share")})
    else:
        sound = settings_for(vectors, lowest_rates(paths), **given)
    analysis = build_analysis(sound, classifier=classifier)
    bound = max_rows if vectors == "frames" else None
    pool = read_pool(paths, analysis, max_rows=bound, seed=settings["seed"], advance=advance)
    notes = [f"set aside {path}: {error.what}" for path, error in pool.failed.items()]
    if len(pool.paths) < 2:
        raise InputError("one clip is no pool", why=f"{len(pool.paths)} of {len(paths)} files could be read")
    detector = build_detector(spec, settings).fit(pool.rows)
    card = {"detector": spec, "clips": len(pool.paths), "rows": len(pool.rows), "columns": len(analysis.columns)}
    fitted = Fitted(
        detector, analysis.columns, float(detector.threshold_), sound=sound, classifier=classifier, card=card
    )
    if vectors != "frames":
        return fitted, notes
    # A clip's score is not a row's: the threshold is that of whole clips.
    scored = [s.score for s in ClipScorer(fitted).score_all(pool.paths) if isinstance(s, Scored)]
    return replace(fitted, threshold=threshold_of(np.array(scored), settings["contamination"])), notes
