"""Raw pipes: float32 little-endian mels in, frame by frame, and float32 little-endian samples out as they are determined."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from ossicle.atomic import replacing
from ossicle.cli.inputs import Input
from ossicle.cli.outputs import Job
from ossicle.errors import InputError, MelError

_READ = 1 << 16


def speak_raw(speak: Any, job: Job, *, chunk_frames: int | None) -> dict[str, Any]:
    """Speak a raw pipe or file and return facts worth reporting."""
    if job.output is None:
        return _run(speak, job.source, _to_stdout, chunk_frames)
    with replacing(job.output) as part, part.open("wb") as file:
        return _run(speak, job.source, file.write, chunk_frames)


def _to_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _run(speak: Any, source: Input, write: Callable[[bytes], Any], chunk_frames: int | None) -> dict[str, Any]:
    started, samples = time.perf_counter(), 0
    for wave in _speak(speak, _frames(source, speak.n_mels), chunk_frames):
        data = wave[0].cpu().numpy().astype("<f4")
        samples += len(data)
        write(data.tobytes())
    took = time.perf_counter() - started
    return {"sample_rate": speak.sample_rate, "channels": 1, "samples": samples, "seconds_open": round(took, 3)}


def _speak(speak: Any, mels: Iterator[Tensor], chunk_frames: int | None) -> Iterator[Tensor]:
    if hasattr(speak, "stream"):
        yield from speak.stream(mels, **({} if chunk_frames is None else {"chunk_frames": chunk_frames}))
        return
    pieces = list(mels)
    if not pieces:
        raise MelError("the stream of mels is empty", why="there must be at least one frame")
    yield speak(torch.cat(pieces, dim=2))


def _frames(source: Input, n_mels: int) -> Iterator[Tensor]:
    width, left = 4 * n_mels, b""
    for data in _chunks(source):
        whole = left + data
        count = len(whole) // width
        left = whole[count * width :]
        if count:
            values = np.frombuffer(whole, "<f4", count * n_mels).reshape(count, n_mels)
            yield torch.from_numpy(values.T.astype(np.float32))[None]
    if left:
        raise InputError(
            f"{source.label} ends within a frame",
            why=f"{len(left)} bytes are left over; a frame is {n_mels} float32 values, {width} bytes",
            hint="write whole frames: mel.T.astype('<f4').tobytes() of (M, T) mels",
        )


def _chunks(source: Input) -> Iterator[bytes]:
    if source.path is not None:
        with Path(source.path).open("rb") as file:
            yield from _until_empty(file)
        return
    # What is there now, not a full buffer: a live source must not wait.
    while data := os.read(sys.stdin.fileno(), _READ):
        yield data


def _until_empty(file: BinaryIO) -> Iterator[bytes]:
    while data := file.read(_READ):
        yield data
