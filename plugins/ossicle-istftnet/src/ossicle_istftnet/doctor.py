"""Checks that `ossicle doctor` runs."""

from __future__ import annotations

import torch

from ossicle.errors import OssicleError
from ossicle.plugin import CheckResult
from ossicle_istftnet.vocoder import ISTFTNetVocoder


def shipped_voice() -> CheckResult:
    """Load the shipped voice and speak eight silent frames."""
    try:
        vocoder = ISTFTNetVocoder()
        wave = vocoder(torch.full((1, vocoder.n_mels, 8), -11.5))
    except OssicleError as error:
        return CheckResult("fail", error.what, error.hint)
    if wave.shape != (1, 8 * vocoder.hop_length) or not bool(torch.isfinite(wave).all()):
        return CheckResult(
            "fail", f"the voice made {tuple(wave.shape)} samples, some not finite", "install the package again"
        )
    return CheckResult("ok", f"{vocoder.name}: {vocoder.sample_rate} Hz, {vocoder.n_mels} mels")
