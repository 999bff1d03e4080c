"""What a checkpoint sounds and looks like: a page with players and spectrograms, the original beside the synthesis."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

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
    from ossicle.audio.picture import spectrogram_png

    def cell(wave: Tensor, mel: Tensor) -> str:
        sound = base64.b64encode(encode(wave.numpy(), sample_rate, format="FLAC")[0]).decode()
        picture = base64.b64encode(spectrogram_png(mel.numpy(), darkest=_DARKEST, brightest=_BRIGHTEST)).decode()
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
