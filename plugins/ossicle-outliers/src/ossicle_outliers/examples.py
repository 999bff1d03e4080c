"""A detector quick enough to be fitted fifty times: for the checks of `ossicle plugins check`."""

from __future__ import annotations

from pathlib import Path

from ossicle_outliers.autoencoder import AutoencoderDetector


def autoencoder(folder: Path) -> AutoencoderDetector:
    """Return one that trains for sixty steps."""
    return AutoencoderDetector(steps=60)
