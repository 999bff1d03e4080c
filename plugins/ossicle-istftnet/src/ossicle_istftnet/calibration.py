"""Speech that narrow types are calibrated and measured on."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

_FILE = Path(__file__).parent / "default" / "calibration.safetensors"


@lru_cache(maxsize=8)
def calibration_mels(n_mels: int) -> Tensor:
    """Return natural-log mels (8, n_mels, 64) of eight utterances of the Kerstin training set (CC0).

    They are 80 mels at 22,050 Hz; for another number their spectra are interpolated, which keeps the range and the movement
    of speech, if not its frequencies.
    """
    from safetensors.torch import load_file

    mel = load_file(_FILE)["mel"].float()
    if n_mels == mel.shape[1]:
        return mel
    spectra = mel.transpose(1, 2)
    return torch.nn.functional.interpolate(spectra, n_mels, mode="linear", align_corners=True).transpose(1, 2)
