"""Mel spectrograms on disk: ``.npy``, and ``.safetensors`` that carries the analysis's settings."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.errors import MelError

SUFFIXES = (".npy", ".safetensors")
"""Suffixes of mel files."""

_KEY = "mel"
_SETTINGS = "front_end"
_LOUDEST, _QUIETEST = 2.5, -16.2
"""Natural-log mels of sound in [-1, 1] lie between these: the lower is Vocos's floor, log(1e-7)."""

Mel = npt.NDArray[np.float32]


def read_mel(path: Path | str) -> tuple[Mel, dict[str, Any] | None]:
    """Return a mel file's values as they are, and the settings it carries, if any. Nothing in the file is run.

    Raises
    ------
    MelError
        If the file is missing, damaged, no mel file, or would need code to be run.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MelError(f"cannot read {path}", why=error.strerror or str(error)) from error
    return decode_mel(data, name=path.name)


def decode_mel(data: bytes, *, name: str) -> tuple[Mel, dict[str, Any] | None]:
    """Return the mel in the bytes of a file, as `read_mel` does; `name` is what errors call it."""
    if not data:
        raise MelError(f"{name} is empty", why="it has 0 bytes")
    try:
        return _decode_npy(data) if data[:6] == b"\x93NUMPY" else _decode_safetensors(data)
    except Exception as error:
        raise MelError(
            f"{name} cannot be read as a mel",
            why=" ".join(str(error).split())[:200] or type(error).__name__,
            hint="write it with numpy.save, or with: ossicle mel IN -o OUT.safetensors",
        ) from error


def _decode_npy(data: bytes) -> tuple[Mel, None]:
    return _floats(np.load(io.BytesIO(data), allow_pickle=False)), None


def _decode_safetensors(data: bytes) -> tuple[Mel, dict[str, Any] | None]:
    from safetensors.numpy import load

    tensors = load(data)
    if _KEY not in tensors:
        raise ValueError(f"it holds {', '.join(sorted(tensors)) or 'nothing'} and no tensor named {_KEY!r}")
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    settings = header.get("__metadata__", {}).get(_SETTINGS)
    return _floats(tensors[_KEY]), json.loads(settings) if settings else None


def _floats(values: npt.NDArray[Any]) -> Mel:
    if values.dtype.kind not in "fiu":
        raise ValueError(f"its values are {values.dtype}, not numbers")
    return values.astype(np.float32)


def encode_mel(mel: Mel, settings: dict[str, Any], *, suffix: str) -> bytes:
    """Return the bytes of a mel file for (M, T) values: ``.safetensors`` keeps the settings, ``.npy`` cannot."""
    if suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(mel, dtype=np.float32))
        return buffer.getvalue()
    if suffix == ".safetensors":
        from safetensors.numpy import save

        return save({_KEY: np.ascontiguousarray(mel, dtype=np.float32)}, metadata={_SETTINGS: json.dumps(settings)})
    raise MelError(f"mels are not written as {suffix or 'files without a suffix'}", hint=f"use {' or '.join(SUFFIXES)}")


def check_mel(mel: npt.NDArray[Any], n_mels: int, *, name: str = "the mel") -> tuple[Mel, list[str]]:
    """Return a mel as (M, T) float32, with remarks on values that look wrong.

    (M, T) and (1, M, T) are taken.

    Raises
    ------
    MelError
        If the shape does not fit (a transposed one is recognised), or values are not finite.
    """
    shape = mel.shape
    if mel.ndim == 3 and shape[0] == 1:
        mel = mel[0]
    if mel.ndim != 2:
        raise MelError(f"{name} has shape {shape}", why="a mel is (M, T) or (1, M, T)")
    if mel.shape[0] != n_mels:
        if mel.shape[1] == n_mels:
            raise MelError(
                f"{name} has shape {shape}",
                why=f"there must be {n_mels} mels in the last axis but one: it looks transposed, (T, M)",
                hint="transpose it: numpy.save(path, mel.T)",
            )
        raise MelError(
            f"{name} has {mel.shape[0]} mels",
            why=f"this vocoder takes {n_mels}",
            hint="analyse the sound with this vocoder: ossicle mel, or take the vocoder that it was made for",
        )
    if mel.shape[1] == 0:
        raise MelError(f"{name} has no frames")
    bad = ~np.isfinite(mel)
    if bad.any():
        frame = int(bad.any(axis=0).argmax())
        raise MelError(
            f"{name} holds values that are not numbers",
            why=f"{int(bad.sum())} are NaN or infinite, the first in frame {frame}",
            hint="look at the program that made it",
        )
    remarks = []
    if mel.max() > _LOUDEST or mel.min() < _QUIETEST:
        remarks.append(
            f"{name} has values from {mel.min():.1f} to {mel.max():.1f}; natural-log mels lie in [-11.6, 2.5]: "
            "is it in decibels, log10 or normalized?"
        )
    return np.ascontiguousarray(mel, dtype=np.float32), remarks
