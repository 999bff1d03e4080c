"""A folder such as a reader of the pages may have: recordings, a trained model, a checkpoint, a microphone."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import soundfile
import torch

import ossicle
from ossicle.audio.classifier import save_classifier
from ossicle.audio.log_mel import LogMelSettings

ROOT = Path(__file__).parents[1]
_GOLDEN = ROOT / "plugins" / "ossicle-istftnet" / "tests" / "golden" / "istftnet_c8c8i_w64"


def prepare(folder: Path) -> dict[str, str]:
    """Fill a folder, and return the environment in which a page's commands find it and this Python's programs."""
    samples, rate = soundfile.read(ROOT / "examples" / "speech.flac", dtype="float32")
    (folder / "examples").mkdir()
    for place in ("speech.flac", "examples/speech.flac"):
        shutil.copyfile(ROOT / "examples" / "speech.flac", folder / place)
    _cut(samples, rate, folder / "corpus", count=2, seconds=0.5)
    for name in ("recordings", "clips"):
        _cut(samples, rate, folder / name, count=3, seconds=0.4)
    _cut(samples, rate, folder / "pool", count=24, seconds=0.15)
    soundfile.write(folder / "podcast.mp3", samples[:rate], rate)
    shutil.copyfile(_GOLDEN / "g_00000001", folder / "g_00975000")
    shutil.copyfile(_GOLDEN / "config.json", folder / "config.json")
    for name in ("RUN", "runs/fsdd"):
        _model(folder / name)
    _programs(folder, samples[:rate])
    places = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    # Bytes that a process of these leaves behind must not reach the repository.
    return {**os.environ, "PATH": places, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


def _cut(samples, rate, folder: Path, *, count: int, seconds: float) -> None:
    folder.mkdir()
    length = round(seconds * rate)
    for number in range(count):
        start = number * length
        soundfile.write(folder / f"{number:02d}.wav", samples[start : start + length], rate)


def _model(folder: Path) -> None:
    settings = LogMelSettings(sample_rate=8000, n_fft=256, hop_length=80, n_mels=32, n_samples=4000, scale_db=20.0)
    network = ossicle.build("backbone", "audio-resnet-tiny", classes=3, seed=0)
    folder.parent.mkdir(exist_ok=True)
    save_classifier(folder, network, settings, ("one", "two", "three"), backbone="audio-resnet-tiny", card={"steps": 0})


def _programs(folder: Path, samples) -> None:
    vocoder = ossicle.build("vocoder", "istftnet")
    mel = vocoder.mel(torch.from_numpy(samples)[None])[0].T.contiguous()
    (folder / "mels.f32").write_bytes(mel.numpy().tobytes())
    (folder / "samples.f32").write_bytes(samples.tobytes())
    python = f'exec "{sys.executable}"'
    programs = {
        "ossicle": f'{python} -m ossicle "$@"',
        "python": f'{python} "$@"',
        "pip": f'{python} -m pip "$@"',
        "pytest": f'{python} -m pytest -p no:cacheprovider "$@"',
        "acoustic-model": f'cat "{folder}/mels.f32"',
        "microphone": f'cat "{folder}/samples.f32"',
        "aplay": "cat > /dev/null",
    }
    (folder / "bin").mkdir()
    for name, text in programs.items():
        path = folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
