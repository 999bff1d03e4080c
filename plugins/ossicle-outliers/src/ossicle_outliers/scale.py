"""A fitted model for other people's engines: the same callable for Ray Data, Dask and Spark, a batch of columns in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ossicle.errors import InputError
from ossicle_outliers.fitted import load_fitted


class RowScorer:
    """Adds ``score`` and ``keep`` to batches of columns. It loads its model when it is made: one an actor or a partition.

    ::

        ray.data.read_parquet(rows).map_batches(RowScorer, fn_constructor_args=(model,), batch_format="numpy", concurrency=4)
        frame.map_partitions(lambda part: RowScorer(model)(part))                                  # Dask
        frame.mapInPandas(lambda parts: map(RowScorer(model), parts), schema)                      # Spark

    Parameters
    ----------
    model
        Folder of a model that was fitted on tables; every machine must see it.
    only
        Columns of the batch that go on beside the two new ones; None: all of them.
    threads
        Of torch, in this process; None: as they are.
    """

    def __init__(self, model: str | Path, *, only: Sequence[str] | None = None, threads: int | None = None) -> None:
        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        self._fitted = load_fitted(Path(model))
        self._only = only
        if self._fitted.sound is not None:
            raise InputError(f"{model} was fitted on sound", hint="score sound files with ossicle outliers score")

    def __call__(self, batch: Any) -> Any:
        """Return the batch with scores: a mapping of arrays for a mapping, a data frame for a data frame.

        Raises
        ------
        InputError
            If a column that the model was fitted on is missing.
        """
        fitted = self._fitted
        names = list(batch) if isinstance(batch, Mapping) else [str(name) for name in batch.columns]
        missing = [name for name in fitted.columns if name not in names]
        if missing:
            raise InputError(
                "a batch lacks columns that the model was fitted on", why=f"missing: {', '.join(missing[:8])}"
            )
        x = np.column_stack([np.asarray(batch[name], dtype=np.float64) for name in fitted.columns])
        scores = fitted.detector.decision_function(x) if len(x) else np.empty(0)
        new = {"score": np.asarray(scores, np.float64), "keep": np.asarray(scores) <= fitted.threshold}
        going_on = names if self._only is None else list(self._only)
        if isinstance(batch, Mapping):
            return {**{name: batch[name] for name in going_on}, **new}
        return batch[going_on].assign(**new)
