"""A small vocoder for checks, since the real one needs a checkpoint."""

from __future__ import annotations

from pathlib import Path

from ossicle_vocos.config import VocosConfig
from ossicle_vocos.vocoder import VocosVocoder

SMALL = VocosConfig(dim=32, intermediate_dim=64, num_layers=2)
"""The published model, narrower and shallower."""


def small(folder: Path) -> VocosVocoder:
    """Return a small vocoder with random weights of a fixed seed; it puts nothing into the folder."""
    return VocosVocoder.from_config(SMALL)
