"""Pictures of spectrograms, as PNG bytes, without an imaging library."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt


def spectrogram_png(mel: npt.NDArray[np.floating], *, darkest: float, brightest: float) -> bytes:
    """Return a grey picture of (M, T) values, low frequencies at the bottom.

    Parameters
    ----------
    darkest, brightest
        Values that are black and white; those beyond are cut.
    """
    grey = np.clip((mel - darkest) / (brightest - darkest) * 255, 0, 255).astype(np.uint8)[::-1]
    height, width = grey.shape
    # Every line of a PNG begins with the number of its filter; 0 is none.
    lines = np.concatenate([np.zeros((height, 1), np.uint8), grey], axis=1).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
