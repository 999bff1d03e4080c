"""Sound files through libsndfile: WAV, FLAC, OGG and MP3, whole or in blocks, with every fault named.

Samples are float32 (C, N), nominally in [-1, 1); integers are divided by their full scale (32768 for 16 bits).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.atomic import write_bytes
from ossicle.errors import AudioError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au", ".caf", ".opus")
"""Suffixes that a folder is searched for."""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """A sound in memory: samples (C, N) float32, sampling rate in Hz, and how the file kept it."""

    samples: Samples
    sample_rate: int
    format: str = ""
    subtype: str = ""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples.shape[1] / self.sample_rate

    def mono(self) -> Clip:
        """Return the mean of the channels."""
        if self.samples.shape[0] == 1:
            return self
        mixed = self.samples.mean(axis=0, keepdims=True, dtype=np.float32)
        return Clip(mixed, self.sample_rate, self.format, self.subtype)


@dataclass(frozen=True)
class Info:
    """What a file says of itself: frames, channels, sampling rate in Hz, format and subtype."""

    frames: int
    channels: int
    sample_rate: int
    format: str
    subtype: str


def info(path: Path | str) -> Info:
    """Return what a sound file says of itself, without decoding it.

    Raises
    ------
    AudioError
        If the file is missing, empty or no sound file.
    """
    path = Path(path)
    with _open(path) as file:
        return Info(file.frames, file.channels, file.samplerate, file.format, file.subtype)


def read(
    path: Path | str, *, mono: bool = False, start: int = 0, frames: int = -1, allow_truncated: bool = False
) -> Clip:
    """Read a sound file, (C, N) float32.

    Parameters
    ----------
    mono
        Mix the channels down to their mean; else all channels come as they are.
    start, frames
        Excerpt in samples; -1 reads to the end.
    allow_truncated
        Return what is there of a file that ends too early, instead of refusing it.

    Raises
    ------
    AudioError
        If the file is missing, empty, damaged, truncated, no sound file, or holds NaN or infinite samples.
    """
    path = Path(path)
    try:
        with _open(path) as file:
            clip = _read_open(file, path.name, start, frames, allow_truncated)
    except AudioError as error:
        other = _ask_plugins(path)
        if other is None:
            raise error
        clip = other
    if not allow_truncated and start == 0 and frames < 0:
        _check_wav_length(path)
    return clip.mono() if mono else clip


def decode(data: bytes, *, name: str = "standard input") -> Clip:
    """Read a sound file from memory; `name` is what errors call it."""
    if not data:
        raise _empty(name)
    _check_wav_size(data[:65536], len(data), name)
    with _open(io.BytesIO(data), name) as file:
        return _read_open(file, name, 0, -1, False)


def blocks(path: Path | str, *, block_frames: int) -> Iterator[Samples]:
    """Yield a file as blocks (C, n) float32 of at most `block_frames` samples, in memory of one block.

    Raises
    ------
    AudioError
        As `read` does; a truncated file fails when its end is reached.
    """
    if block_frames < 1:
        raise AudioError(f"blocks of {block_frames} samples", why="a block needs at least one sample")
    path = Path(path)
    with _open(path) as file:
        expected, done = file.frames, 0
        while True:
            block = _decoded(file, block_frames, path.name)
            if not block.shape[0]:
                break
            check_finite(block, path.name, offset=done)
            done += block.shape[0]
            yield np.ascontiguousarray(block.T)
    if done < expected:
        raise _truncated(path.name, done, expected)
    _check_wav_length(path)


def _open(source: Path | io.BytesIO, name: str | None = None) -> Any:
    import soundfile

    if isinstance(source, Path):
        name = source.name
        if source.is_dir():
            raise AudioError(
                f"{source} is a folder",
                hint="name a sound file in it, or give the folder to a command that takes folders",
            )
        if not source.exists():
            raise AudioError(f"{source} does not exist", hint="check the path")
        if source.stat().st_size == 0:
            raise _empty(name)
    try:
        return soundfile.SoundFile(source if isinstance(source, io.BytesIO) else str(source))
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        suffix = Path(name or "").suffix.lower()
        hint = "convert it, for example: ffmpeg -i IN out.wav"
        if suffix in (".m4a", ".aac", ".wma", ".mp4", ".webm"):
            hint = f"libsndfile does not read {suffix}; {hint}"
        raise AudioError(f"{name} is not a sound file that can be read", why=reason_of(error), hint=hint) from error


def reason_of(error: Exception) -> str:
    """Return libsndfile's words for what went wrong."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


def _read_open(file: Any, name: str, start: int, frames: int, allow_truncated: bool) -> Clip:
    if start:
        if start >= file.frames:
            raise AudioError(f"{name} has {file.frames} samples; none at {start}", hint="choose an earlier start")
        file.seek(start)
    wanted = file.frames - start if frames < 0 else min(frames, file.frames - start)
    data = _decoded(file, frames, name)
    if data.shape[0] == 0:
        raise AudioError(
            f"{name} holds no samples",
            why="its header is whole but no sound follows",
            hint="leave it out, or record it again",
        )
    if data.shape[0] < wanted and not allow_truncated:
        raise _truncated(name, data.shape[0], wanted)
    check_finite(data, name)
    return Clip(np.ascontiguousarray(data.T), file.samplerate, file.format, file.subtype)


def _decoded(file: Any, frames: int, name: str) -> Samples:
    import soundfile

    try:
        return file.read(frames, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, MemoryError) as error:
        raise AudioError(
            f"{name} cannot be decoded", why=reason_of(error), hint="the file is damaged; get it again"
        ) from error


def _ask_plugins(path: Path) -> Clip | None:
    from ossicle.registry import default_registry

    if not path.is_file():
        return None
    answer = default_registry().host.first("ossicle_open_audio", path=path)
    if answer is None:
        return None
    samples = np.atleast_2d(np.asarray(answer[1][0], dtype=np.float32))
    check_finite(samples.T, path.name)
    return Clip(samples, int(answer[1][1]), format=answer[0].name)


def _empty(name: str) -> AudioError:
    return AudioError(f"{name} is empty", why="it has 0 bytes", hint="leave it out, or get it again")


def _truncated(name: str, found: int, expected: int) -> AudioError:
    return AudioError(
        f"{name} is cut off",
        why=f"it declares {expected} samples and holds {found}",
        hint="get it again; or read what is there with allow_truncated=True",
    )


def check_finite(data: Samples, name: str, *, offset: int = 0) -> None:
    """Raise `AudioError` where samples (N, C) are NaN or infinite."""
    bad = ~np.isfinite(data).all(axis=1)
    if bad.any():
        first = offset + int(bad.argmax())
        raise AudioError(
            f"{name} holds samples that are not numbers",
            why=f"{int(bad.sum())} are NaN or infinite, the first at {first}",
            hint="the program that wrote it went wrong; write it again",
        )


def _check_wav_length(path: Path) -> None:
    # libsndfile quietly reads a WAV that ends too early as a shorter one.
    try:
        with path.open("rb") as file:
            head = file.read(65536)
        _check_wav_size(head, path.stat().st_size, path.name)
    except OSError:
        return


def _check_wav_size(head: bytes, size: int, name: str) -> None:
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return
    position, block_align = 12, 1
    while position + 8 <= len(head):
        tag, length = head[position : position + 4], struct.unpack_from("<I", head, position + 4)[0]
        if tag == b"fmt " and position + 22 <= len(head):
            block_align = max(1, struct.unpack_from("<H", head, position + 20)[0])
        if tag == b"data":
            there = size - position - 8
            # Programs that write to a pipe leave the largest length: those files end where they end.
            if there < length and length < 0xFFFFFF00 and length != 0x7FFFFFFF:
                raise _truncated(name, there // block_align, length // block_align)
            return
        position += 8 + length + length % 2


@dataclass(frozen=True)
class WriteReport:
    """What happened on writing: how many samples lay outside [-1, 1] and were clipped, and the largest magnitude."""

    clipped: int
    peak: float


def write(
    path: Path | str, samples: npt.ArrayLike, sample_rate: int, *, subtype: str | None = None, format: str | None = None
) -> WriteReport:
    """Write samples (N,) or (C, N); the file appears whole or not at all.

    Parameters
    ----------
    subtype
        How samples are kept, such as ``PCM_16``, ``PCM_24`` or ``FLOAT``; None takes the format's default.
        Integer subtypes clip at full scale and report how many samples that changed; they never wrap.
    format
        Such as ``WAV``; None goes by the suffix.

    Raises
    ------
    AudioError
        If samples are empty or not finite, or the format cannot be written.
    """
    path = Path(path)
    data, report = encode(samples, sample_rate, format=format or format_of(path), subtype=subtype)
    write_bytes(path, data)
    return report


def format_of(path: Path) -> str:
    """Return libsndfile's name of the format that a suffix stands for."""
    import soundfile

    name = path.suffix.lstrip(".").upper()
    name = {"AIF": "AIFF", "OPUS": "OGG"}.get(name, name)
    if name not in soundfile.available_formats():
        raise AudioError(
            f"cannot write {path.name}",
            why=f"the suffix {path.suffix or '(none)'} stands for no format that can be written",
            hint="use .wav, .flac, .ogg or .mp3",
        )
    return name


def encode(
    samples: npt.ArrayLike, sample_rate: int, *, format: str = "WAV", subtype: str | None = None
) -> tuple[bytes, WriteReport]:
    """Return a sound file as bytes, with the report of `write`.

    Rendering goes through memory: a WAV written straight to a pipe has a broken header.
    """
    import soundfile

    data = np.atleast_2d(np.asarray(samples, dtype=np.float32))
    if data.ndim != 2 or data.size == 0:
        raise AudioError(
            f"cannot write samples of shape {data.shape}", why="there must be at least one, as (N,) or (C, N)"
        )
    check_finite(data.T, "the sound to write")
    format, chosen = choose_subtype(format, subtype)
    out, report = to_subtype(data, chosen)
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, out.T, int(sample_rate), format=format, subtype=chosen)
    except (soundfile.LibsndfileError, ValueError, TypeError) as error:
        raise AudioError(
            f"cannot write {format} at {sample_rate} Hz", why=reason_of(error), hint="use WAV or FLAC"
        ) from error
    return buffer.getvalue(), report


def choose_subtype(format: str, subtype: str | None) -> tuple[str, str]:
    """Return libsndfile's names of a format and of how it keeps samples.

    Raises
    ------
    AudioError
        If the format cannot keep them so.
    """
    import soundfile

    format = format.upper()
    chosen = subtype or soundfile.default_subtype(format)
    if not soundfile.check_format(format, chosen):
        raise AudioError(
            f"{format} files cannot keep {chosen}",
            hint=f"choose one of {', '.join(soundfile.available_subtypes(format))}"
            if format in soundfile.available_formats()
            else "use WAV, FLAC, OGG or MP3",
        )
    return format, chosen


def to_subtype(data: Samples, subtype: str) -> tuple[npt.NDArray[Any], WriteReport]:
    """Return samples (C, N) as a subtype takes them, clipped at full scale where it has one."""
    peak = float(np.abs(data).max())
    if subtype in ("FLOAT", "DOUBLE"):
        return data, WriteReport(0, peak)
    clipped = int((np.abs(data) > 1.0).sum())
    out: npt.NDArray[Any] = np.clip(data, -1.0, 1.0)
    if subtype == "PCM_16":
        out = np.clip(np.rint(out * 32768.0), -32768, 32767).astype(np.int16)
    return out, WriteReport(clipped, peak)
