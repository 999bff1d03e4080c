"""Random numbers that depend on a seed and a step alone, so that a resumed run draws what the unbroken one drew."""

from __future__ import annotations

import hashlib

import torch


def generator_for(seed: int, *labels: int | str) -> torch.Generator:
    """Return a CPU generator for a seed and any labels, such as a purpose and a step; equal arguments, equal draws."""
    text = "/".join(str(part) for part in (seed, *labels))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
