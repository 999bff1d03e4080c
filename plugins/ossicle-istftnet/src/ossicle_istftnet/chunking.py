"""Exact chunks: a long mel in pieces with as many frames around each as its samples depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ossicle.errors import ConfigError, MelError


@dataclass(frozen=True)
class Chunking:
    """How a mel is cut.

    Parameters
    ----------
    frames
        Frames a chunk, its surroundings apart.
    left, right
        Frames around it (`ossicle_istftnet.receptive_field`): fewer would change samples.
    hop_length
        Samples a frame.
    batch
        Inner chunks that are computed at once.
    """

    frames: int
    left: int
    right: int
    hop_length: int
    batch: int = 1

    def __post_init__(self) -> None:
        if self.frames < 1 or self.batch < 1:
            raise ConfigError(f"chunks of {self.frames} frames, {self.batch} at once", why="both must be at least 1")


def speak_chunked(speak: Callable[[Tensor], Tensor], mels: Iterable[Tensor], chunking: Chunking) -> Iterator[Tensor]:
    """Yield samples (B, n) of mels (B, M, t) that come in pieces of any size; together they are `speak` of the whole.

    The generator runs with its own edges on every chunk: where a chunk touches the true start or end they are the true
    ones, elsewhere the damage stays within the surroundings that are cut away.
    """
    c = chunking
    held: Tensor | None = None
    before = 0  # frames of `held` that are spoken already
    for mel in (piece for whole in mels for piece in whole.split(c.frames * c.batch, dim=2)):
        held = mel if held is None else torch.cat([held, mel], dim=2)
        while (count := (held.shape[2] - before - c.right) // c.frames) > 0:
            # The first chunk has the true start to its left; only chunks after it are alike and can share a batch.
            count = min(count, c.batch) if before == c.left else 1
            yield from _speak_inner(speak, held, before, count, c)
            spoken = before + count * c.frames
            before = min(c.left, spoken)
            held = held[:, :, spoken - before :].clone()
    if held is None or held.shape[2] == 0:
        raise MelError("the stream of mels is empty", why="there must be at least one frame")
    if held.shape[2] > before:
        yield speak(held)[:, before * c.hop_length :]


def _speak_inner(
    speak: Callable[[Tensor], Tensor], held: Tensor, before: int, count: int, c: Chunking
) -> Iterator[Tensor]:
    size = before + c.frames + c.right
    windows = torch.cat([held[:, :, i * c.frames : i * c.frames + size] for i in range(count)])
    wave = speak(windows)[:, before * c.hop_length : (before + c.frames) * c.hop_length]
    yield from wave.chunk(count)
