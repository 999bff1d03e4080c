"""Objective measures of synthesised sound against its reference, each a function of two (N,) float32 arrays.

`MEASURES` names them; every one returns a dictionary of figures. Lengths are cut to the shorter.
"""

from __future__ import annotations

from collections.abc import Callable

from ossicle.audio.quality.align import Samples, align
from ossicle.audio.quality.perceptual import pesq_wb, stoi
from ossicle.audio.quality.pitch import f0
from ossicle.audio.quality.spectral import mel_l1, multi_resolution_stft

__all__ = ["FIGURES", "MEASURES", "align", "f0", "mel_l1", "multi_resolution_stft", "pesq_wb", "stoi"]

Measure = Callable[[Samples, Samples, int], dict[str, float]]

MEASURES: dict[str, Measure] = {
    "mel_l1": mel_l1,
    "mrstft": multi_resolution_stft,
    "pesq": pesq_wb,
    "stoi": stoi,
    "f0": f0,
}
"""Measures by name: functions of (reference, estimate, sample_rate)."""

FIGURES: dict[str, tuple[str, bool]] = {
    "mel_l1": ("loss-mel L1", False),
    "mrstft": ("MR-STFT", False),
    "pesq_wb": ("PESQ-WB", True),
    "stoi": ("STOI", True),
    "f0_rmse_cents": ("F0 RMSE (cents)", False),
    "voicing_f1": ("voicing F1", True),
}
"""Figures that measures return: what people call them, and whether higher is better."""
