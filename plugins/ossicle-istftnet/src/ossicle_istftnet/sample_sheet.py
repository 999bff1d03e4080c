"""What a checkpoint sounds and looks like: a page with players and spectrograms, the original beside the synthesis."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from ossicle.atomic import write_bytes

_DARKEST, _BRIGHTEST = -11.5, 2.0


def write_sheet(
    path: Path, step: int, samples: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]], sample_rate: int
) -> None:
    """Write one HTML page, everything inside it.

    Parameters
    ----------
    samples
        Original and synthesis, each (N,) in [-1, 1], and the natural-log mels (M, T) of both.
    """
    from ossicle.audio.files import encode

    def cell(wave: Tensor, mel: Tensor) -> str:
        sound = base64.b64encode(encode(wave.numpy(), sample_rate, format="FLAC")[0]).decode()
        picture = base64.b64encode(spectrogram_png(mel.numpy())).decode()
        return (
            f'<td><img alt="mel spectrogram" src="data:image/png;base64,{picture}"><br>'
            f'<audio controls preload="none" src="data:audio/flac;base64,{sound}"></audio></td>'
        )

    rows = "\n".join(f"<tr>{cell(a, mel_a)}{cell(b, mel_b)}</tr>" for a, b, mel_a, mel_b in samples)
    page = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>step {step}</title>
<style>body {{ font: 16px sans-serif; margin: 1em }} img {{ width: 100%; height: 160px; image-rendering: pixelated }}
table {{ width: 100% }} audio {{ width: 100% }} td {{ width: 50% }}</style>
<h1>Step {step}</h1><table><tr><th>original</th><th>synthesis</th></tr>
{rows}
</table></html>
"""
    write_bytes(path, page.encode())


def spectrogram_png(mel: np.ndarray) -> bytes:
    """Return a grey picture of natural-log mels (M, T), low frequencies at the bottom."""
    grey = np.clip((mel - _DARKEST) / (_BRIGHTEST - _DARKEST) * 255, 0, 255).astype(np.uint8)[::-1]
    height, width = grey.shape
    # Every line of a PNG begins with the number of its filter; 0 is none.
    lines = np.concatenate([np.zeros((height, 1), np.uint8), grey], axis=1).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
