"""Speed of vocoders and peers on one length of mel: interleaved medians, first sample, peak memory."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ossicle.cli import options
from ossicle.cli.bench_peers import build_peer
from ossicle.runs.timing import medians

_PIECE = 16
"""Frames of a piece when a stream's first sample is waited for."""


def speech_like(n_mels: int, frames: int) -> torch.Tensor:
    """Return natural-log mels (1, n_mels, frames) of a falling spectrum that moves."""
    draw = torch.Generator().manual_seed(0)
    return torch.linspace(-2.0, -7.0, n_mels)[None, :, None] + torch.randn(1, n_mels, frames, generator=draw)


def measure_speed(
    speakers: Sequence[tuple[str, Any]], peers: Sequence[str], *, seconds: float, device: str, rounds: int, memory: bool
) -> list[dict[str, Any]]:
    """Return a row for every vocoder and peer: times real time, first-sample latency and peak memory.

    The latency is that of `stream` fed with pieces of 16 frames: what the listener waits for, the pieces' own length
    included, and what of it is computing.
    """
    calls, lengths = {}, {}
    for name, speak in speakers:
        frames = round(seconds * speak.sample_rate / speak.hop_length)
        mel = speech_like(speak.n_mels, frames).to(device)
        calls[name], lengths[name] = _call(speak, mel), frames * speak.hop_length / speak.sample_rate
    for name in peers:
        peer = build_peer(name, device)
        frames = round(seconds * peer.sample_rate / peer.hop_length)
        mel = speech_like(peer.n_mels, frames).to(device)
        calls[f"peer {name}"] = _call(peer.call, mel)
        lengths[f"peer {name}"] = frames * peer.hop_length / peer.sample_rate
    found = medians(calls, device=device, rounds=rounds)
    rows: list[dict[str, Any]] = []
    by_name = dict(speakers)
    for name, took in found.items():
        speak = by_name.get(name)
        precision = getattr(speak, "precision", None)
        rows.append(
            {
                "name": name,
                "seconds_of_sound": lengths[name],
                "median_s": took,
                "times_real_time": lengths[name] / took,
                "snr_db": getattr(precision, "snr_db", None),
                "plan": getattr(precision, "plan", None),
                **_first_sample(speak),
                "peak_memory_mib": _peak_memory(name, seconds, device) if memory and speak is not None else None,
            }
        )
    return rows


def _call(speak: Any, mel: torch.Tensor) -> Any:
    def run() -> Any:
        with torch.no_grad():
            return speak(mel)

    return run


def _first_sample(speak: Any) -> dict[str, float | None]:
    if speak is None or not hasattr(speak, "stream"):
        return {"first_sample_s": None, "first_sample_computing_s": None}
    piece = speech_like(speak.n_mels, _PIECE)
    best = float("inf")
    pushed = 0

    def pieces() -> Any:
        nonlocal pushed
        for _ in range(64):
            pushed += 1
            yield piece

    for _ in range(4):
        pushed, started = 0, time.perf_counter()
        next(iter(speak.stream(pieces())))
        best = min(best, time.perf_counter() - started)
    return {
        "first_sample_s": pushed * _PIECE * speak.hop_length / speak.sample_rate + best,
        "first_sample_computing_s": best,
    }


def _peak_memory(spec: str, seconds: float, device: str) -> float:
    # A process of its own: the peak of this one belongs to whoever was largest.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_speak_alone, (spec, seconds, device))


def _speak_alone(spec: str, seconds: float, device: str) -> float:
    name, settings = options.parse_spec(spec)
    _, speak = options.build_vocoder(name or None, device=device, **settings)
    speak(speech_like(speak.n_mels, round(seconds * speak.sample_rate / speak.hop_length)))
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    return _peak_resident_mib()


def _peak_resident_mib() -> float:
    # Linux hands a parent's ru_maxrss on to its children: the mark of this address space alone is in /proc.
    status = Path("/proc/self/status")
    for line in status.read_text("utf-8").splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
