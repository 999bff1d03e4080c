"""Eighteen ways in which sound gets worse on its way to a classifier, each in five severities."""

from __future__ import annotations

TYPES = (
    "white-noise",
    "pink-noise",
    "environment",
    "babble",
    "reverb",
    "low-pass",
    "clipping",
    "mp3",
    "opus",
    "telephone",
    "packet-loss",
    "resample",
    "pitch",
    "tempo",
    "gain",
    "equalizer",
    "bit-depth",
    "dropout",
)
"""All of them, in the order of their numbers."""

HELD_OUT = ("pink-noise", "resample", "bit-depth", "dropout")
"""Those that settings may be chosen on; tables of results leave them out."""

TESTED = tuple(name for name in TYPES if name not in HELD_OUT)
"""Those that results are reported on."""
