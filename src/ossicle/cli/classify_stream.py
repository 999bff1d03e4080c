"""What `ossicle classify --adapt` does: windows one after the other, from files or a live pipe, to labels and a summary."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.audio import files
from ossicle.audio.adaptive import AdaptiveClassifier, finite_rows
from ossicle.audio.classifier import Classifier
from ossicle.audio.log_mel import fit_length
from ossicle.audio.resample import resample_array
from ossicle.cli.inputs import Input
from ossicle.errors import InputError

_READ = 1 << 16
_SAVE_EVERY = 64
"""Windows after which the state is written again: what a power cut loses at most."""


@dataclass
class Listener:
    """Hears windows with the adapted model, and with the model as trained beside it, and counts what differs.

    Parameters
    ----------
    model
        The adapted one.
    top
        Labels a window.
    compare
        Whether the model as trained hears them too.
    state
        File that the adapted state is written to.
    """

    model: AdaptiveClassifier
    top: int
    compare: bool
    state: Path | None = None
    windows: int = 0
    unusable: int = 0
    changed: int = 0
    sure: dict[str, float] = field(default_factory=lambda: {"before": 0.0, "after": 0.0})
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {"before": Counter(), "after": Counter()})
    _saved: int = 0

    def probabilities(self, waves: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return probabilities (B, K) of windows (B, n_samples) that are finite, adapted and as trained, and count them."""
        sound = waves.to(self.model.trained.front_end.window.device)
        before = self.model.trained(sound).cpu() if self.compare else None
        after = self.model(sound).cpu()
        self.windows += len(waves)
        for side, found in (("before", before), ("after", after)):
            if found is not None:
                values, at = found.max(dim=1)
                self.sure[side] += float(values.sum())
                self.counts[side].update(self.model.trained.labels[i] for i in at.tolist())
        if before is not None:
            self.changed += int((before.argmax(dim=1) != after.argmax(dim=1)).sum())
        if self.model.heard - self._saved >= _SAVE_EVERY:
            self.save()
        return after, before

    def hear(self, waves: Tensor) -> list[dict[str, Any]]:
        """Return what is heard in windows (B, n_samples); those that hold NaN have no label and are not learnt from."""
        first, labels = self.model.heard, self.model.trained.labels
        rows: list[dict[str, Any]] = [
            {"window": first + at, "label": None, "error": "samples that are not numbers"} for at in range(len(waves))
        ]
        chosen = torch.nonzero(finite_rows(waves))[:, 0].tolist()
        self.unusable += len(waves) - len(chosen)
        self.windows += len(waves) - len(chosen)
        self.model.heard += len(waves) - len(chosen)
        if chosen:
            after, before = self.probabilities(waves[chosen])
            for number, at in enumerate(chosen):
                rows[at] = {"window": first + at, **best(after[number], labels, self.top)}
                if before is not None:
                    rows[at]["before"] = labels[int(before[number].argmax())]
        return rows

    def save(self) -> None:
        """Write the state where one is kept."""
        if self.state is not None:
            self.model.save(self.state)
            self._saved = self.model.heard

    def summary(self) -> dict[str, Any]:
        """Return what adaptation changed."""
        heard = max(self.windows - self.unusable, 1)
        sides = ("before", "after") if self.compare else ("after",)
        return {
            "adapter": self.model.adapter,
            "windows": self.windows,
            "unusable": self.unusable,
            "heard_since_the_start": self.model.heard,
            **({"labels_changed": self.changed} if self.compare else {}),
            "mean_probability": {side: round(self.sure[side] / heard, 4) for side in sides},
            "labels": {side: dict(self.counts[side].most_common()) for side in sides},
        }

    def told(self) -> str:
        """Return the summary as a person reads it."""
        s, sure = self.summary(), self.summary()["mean_probability"]
        text = f"{s['windows']} windows through {s['adapter']}"
        if s["unusable"]:
            text += f", {s['unusable']} of them unusable"
        if self.compare:
            text += f"; adaptation changed {s['labels_changed']} labels"
            text += f"; mean probability of the label {sure['before']:.3f} before, {sure['after']:.3f} after"
        return text


def best(row: Tensor, labels: tuple[str, ...], top: int) -> dict[str, Any]:
    """Return the likeliest labels of probabilities (K,)."""
    values, indices = row.topk(min(max(top, 1), len(labels)))
    likeliest = [
        {"label": labels[i], "probability": round(v, 6)} for v, i in zip(values.tolist(), indices.tolist(), strict=True)
    ]
    return {"label": likeliest[0]["label"], "probability": likeliest[0]["probability"], "top": likeliest}


def file_windows(source: Input, classifier: Classifier) -> tuple[float, Tensor]:
    """Return a sound file's length in seconds and its windows (W, n_samples), mono, at the classifier's rate."""
    clip = (files.decode(source.read_bytes()) if source.path is None else files.read(source.path)).mono()
    samples = resample_array(clip.samples, clip.sample_rate, classifier.sample_rate)[0]
    if not len(samples):
        raise InputError(f"{source.label} holds no sound")
    return clip.seconds, classifier.windows(torch.from_numpy(samples))


def raw_windows(size: int, batch: int) -> Iterator[Tensor]:
    """Yield windows (batch, size) of float32 little-endian samples as they arrive on standard input.

    The last one is padded with silence, as the last window of a file is.

    Raises
    ------
    InputError
        If the stream ends within a sample.
    """
    left = b""
    # What is there now, not a full buffer: a live source must not wait.
    while data := os.read(sys.stdin.fileno(), _READ):
        left += data
        while len(left) >= 4 * size * batch:
            yield _samples(left[: 4 * size * batch]).view(batch, size)
            left = left[4 * size * batch :]
    whole = len(left) // 4 * 4
    if whole:
        rest = _samples(left[:whole])
        yield fit_length(rest[None], -(-len(rest) // size) * size).view(-1, size)
    if len(left) != whole:
        raise InputError(
            "standard input ends within a sample",
            why=f"{len(left) - whole} bytes are left over; a sample is 4 bytes",
            hint="write float32 little-endian samples: wave.astype('<f4').tobytes()",
        )


def _samples(data: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(data, "<f4").astype(np.float32))
