"""Spectrograms as PNG: written by hand, since a picture library would be needed for this alone."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

DARKEST, BRIGHTEST = -11.5, 2.0
"""Natural-log magnitudes that get the first and the last colour: the floor of our mels, and full scale."""
COLUMNS = 800
"""The widest picture; frames beyond are taken together, the loudest of each group."""

# Near black over blue and red to pale yellow: lightness rises all the way, so that it reads in grey and for the colour-blind.
_ANCHORS = ((8, 10, 24), (38, 28, 92), (112, 36, 122), (196, 60, 94), (244, 128, 62), (252, 244, 178))


def spectrogram_png(mel: npt.NDArray[Any], *, darkest: float = DARKEST, brightest: float = BRIGHTEST) -> bytes:
    """Return a picture of mels (M, T) in any logarithm: time to the right, low frequencies at the bottom.

    Parameters
    ----------
    darkest, brightest
        Values that get the first and the last colour; those beyond are cut.
    """
    columns = _at_most(np.asarray(mel, np.float64), COLUMNS)
    scaled = (np.nan_to_num(columns, nan=darkest) - darkest) / (brightest - darkest) * 255
    grey = np.clip(scaled, 0, 255).astype(np.uint8)[::-1]
    height, width = grey.shape
    # Every line of a PNG begins with the number of its filter; 0 is none.
    lines = np.concatenate([np.zeros((height, 1), np.uint8), grey], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette().tobytes()), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def palette() -> npt.NDArray[np.uint8]:
    """Return the 256 colours, (256, 3)."""
    at = np.linspace(0, len(_ANCHORS) - 1, 256)
    anchors = np.array(_ANCHORS, np.float64)
    return np.stack([np.interp(at, np.arange(len(anchors)), anchors[:, c]) for c in range(3)], axis=1).astype(np.uint8)


def _at_most(mel: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.float64]:
    every = -(-mel.shape[1] // most)
    if every <= 1:
        return mel
    short = -mel.shape[1] % every
    padded = np.pad(mel, ((0, 0), (0, short)), constant_values=-np.inf)
    return padded.reshape(mel.shape[0], -1, every).max(axis=2)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
