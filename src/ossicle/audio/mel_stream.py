"""The mels of a sound of any length, block by block, as one analysis of the whole would give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from ossicle.audio.mel import MelSettings
from ossicle.errors import AudioError

_FRAMES = 256
"""Frames that are analysed at once."""


def stream_mels(
    analyse: Callable[[Tensor], Tensor], settings: MelSettings, blocks: Iterable[Tensor]
) -> Iterator[Tensor]:
    """Yield mels (C, M, t) of samples (C, n) that come in blocks of any size.

    Each window is analysed with so many samples around it that the reflection at its ends stays outside; at the true ends
    it is the true one. Zeros fill the last frame (`MelSettings.padded`).

    Parameters
    ----------
    analyse
        Samples (C, N) to mels (C, M, T), with these settings.

    Raises
    ------
    AudioError
        If there are no samples.
    """
    hop = settings.hop_length
    context = -(-settings.n_fft // hop) + 1
    held: Tensor | None = None
    before = total = 0  # frames of `held` that are given already; samples that came
    for block in blocks:
        held = block if held is None else torch.cat([held, block], dim=1)
        total += block.shape[1]
        while held.shape[1] >= (before + _FRAMES + context) * hop:
            window = held[:, : (before + _FRAMES + context) * hop]
            yield analyse(window)[:, :, before : before + _FRAMES]
            given = before + _FRAMES
            before = min(context, given)
            held = held[:, (given - before) * hop :].clone()
    if held is None or total == 0:
        raise AudioError("there are no samples to analyse")
    missing = settings.padded(total) - total
    yield analyse(torch.nn.functional.pad(held, (0, missing)))[:, :, before:]
