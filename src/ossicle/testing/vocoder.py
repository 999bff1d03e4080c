"""Checks of the kind `vocoder`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ossicle.errors import OssicleError
from ossicle.testing.subject import ConformanceCheck, Skipped, Subject

_FRAMES = 12
_TOLERANCE = 3e-6
"""Float32 convolutions pick other blockings by batch and length; this is that noise, for samples of order one."""


def make_mel(vocoder: Any, frames: int, *, batch: int = 1, seed: int = 0) -> Tensor:
    """Return plausible natural-log mels (B, M, T): a falling spectrum that moves."""
    draw = torch.Generator().manual_seed(seed)
    slope = torch.linspace(-2.0, -7.0, vocoder.n_mels)[None, :, None]
    return slope + torch.randn(batch, vocoder.n_mels, frames, generator=draw)


def exercise_vocoder(vocoder: Any) -> list[Tensor]:
    """Speak once and analyse once."""
    wave = torch.linspace(-0.5, 0.5, 16 * max(vocoder.hop_length, 256))[None].sin()
    return [vocoder(make_mel(vocoder, _FRAMES)), vocoder.mel(wave)]


def _declares_its_numbers(subject: Subject) -> None:
    vocoder = subject.instance
    for name in ("sample_rate", "hop_length", "n_mels"):
        value = getattr(vocoder, name)
        assert isinstance(value, int) and value > 0, f"{name} is {value!r}, not a positive whole number"
        assert getattr(vocoder.front_end, name) == value, f"front_end.{name} is not {value}"


def _gives_float32_samples(subject: Subject) -> None:
    wave = subject.instance(make_mel(subject.instance, _FRAMES, batch=2))
    assert wave.dim() == 2 and wave.shape[0] == 2, f"(2, M, T) mels gave shape {tuple(wave.shape)}, not (2, N)"
    assert wave.dtype == torch.float32, f"samples are {wave.dtype}"
    assert bool(torch.isfinite(wave).all()), "some samples are not finite"


def _length_grows_by_the_hop(subject: Subject) -> None:
    vocoder = subject.instance
    lengths = [vocoder(make_mel(vocoder, frames)).shape[1] for frames in (_FRAMES, _FRAMES + 1, 2 * _FRAMES)]
    assert lengths[1] - lengths[0] == vocoder.hop_length, f"one more frame gives {lengths[1] - lengths[0]} more samples"
    assert lengths[2] - lengths[0] == _FRAMES * vocoder.hop_length, f"lengths are {lengths}"


def _batch_equals_one_by_one(subject: Subject) -> None:
    mels = make_mel(subject.instance, _FRAMES, batch=3)
    together = subject.instance(mels)
    alone = torch.cat([subject.instance(mel[None]) for mel in mels])
    difference = float((together - alone).abs().max())
    assert difference <= _TOLERANCE * max(1.0, float(alone.abs().max())), f"they differ by {difference:.2e}"


def _leaves_its_input_alone(subject: Subject) -> None:
    mel = make_mel(subject.instance, _FRAMES)
    kept = mel.clone()
    subject.instance(mel)
    assert torch.equal(mel, kept), "the mel was changed"


def _analyses_its_own_sound(subject: Subject) -> None:
    vocoder = subject.instance
    wave = vocoder(make_mel(vocoder, 2 * _FRAMES, batch=2))
    mel = vocoder.mel(wave)
    assert mel.shape[:2] == (2, vocoder.n_mels), (
        f"(2, N) samples gave mels {tuple(mel.shape)}, not (2, {vocoder.n_mels}, T)"
    )
    assert bool(torch.isfinite(mel).all()), "some mels are not finite"
    vocoder(mel)


def _speaks_silence(subject: Subject) -> None:
    wave = subject.instance(subject.instance.mel(torch.zeros(1, 8192)))
    assert bool(torch.isfinite(wave).all()), "silence gave samples that are not finite"


def _refuses_what_it_cannot_take(subject: Subject) -> None:
    vocoder = subject.instance
    good = make_mel(vocoder, _FRAMES)
    spoiled = good.clone()
    spoiled[0, 0, 0] = float("nan")
    _must_refuse(lambda: vocoder(spoiled), "a mel with NaN")
    _must_refuse(lambda: vocoder(good[:, 1:]), "a mel with one mel too few")
    _must_refuse(lambda: vocoder(good[:, :, :0]), "a mel without frames")
    _must_refuse(lambda: vocoder(good[0]), "a mel without a batch axis")


def _must_refuse(call: Callable[[], Any], what: str) -> None:
    try:
        call()
    except OssicleError:
        return
    except Exception as error:
        raise AssertionError(f"{what} gave {type(error).__name__}, not an OssicleError") from error
    raise AssertionError(f"{what} was accepted")


def _moves_to_the_cpu(subject: Subject) -> None:
    assert subject.instance.to("cpu") is not None, "to() does not return the vocoder"


def _streams_what_it_says_whole(subject: Subject) -> None:
    vocoder = subject.instance
    if not hasattr(vocoder, "stream"):
        raise Skipped("it has no stream()")
    frames = 2 * sum(vocoder.receptive_field) + 3
    mel = make_mel(vocoder, frames, batch=2)
    whole = vocoder(mel)
    for size in (1, 5, frames):
        streamed = torch.cat(list(vocoder.stream(mel.split(size, dim=2))), dim=1)
        assert streamed.shape == whole.shape, f"pieces of {size} gave {tuple(streamed.shape)}, not {tuple(whole.shape)}"
        difference = float((streamed - whole).abs().max())
        assert difference <= _TOLERANCE * max(1.0, float(whole.abs().max())), (
            f"pieces of {size} differ by {difference:.2e}"
        )


def _does_not_look_further_than_it_says(subject: Subject) -> None:
    vocoder = subject.instance
    if not hasattr(vocoder, "receptive_field"):
        raise Skipped("it has no receptive_field")
    left, right = vocoder.receptive_field
    kept = left + right + 4
    mel = make_mel(vocoder, kept + 9)
    sure = (kept - right) * vocoder.hop_length
    whole, start = vocoder(mel)[:, :sure], vocoder(mel[:, :, :kept])[:, :sure]
    difference = float((whole - start).abs().max())
    assert difference <= _TOLERANCE * max(1.0, float(whole.abs().max())), (
        f"frames more than {right} later change a sample by {difference:.2e}"
    )


CHECKS = [
    ConformanceCheck(
        "declares its numbers", _declares_its_numbers, "set sample_rate, hop_length, n_mels and front_end alike"
    ),
    ConformanceCheck("gives float32 samples", _gives_float32_samples, "return (B, N) float32"),
    ConformanceCheck("length grows by the hop", _length_grows_by_the_hop, "make hop_length samples of every frame"),
    ConformanceCheck("batch equals one by one", _batch_equals_one_by_one, "let no row of a batch see another"),
    ConformanceCheck("leaves its input alone", _leaves_its_input_alone, "write into a copy"),
    ConformanceCheck("analyses its own sound", _analyses_its_own_sound, "let mel() take what the vocoder makes"),
    ConformanceCheck("speaks silence", _speaks_silence, "mind the logarithm's floor"),
    ConformanceCheck("refuses what it cannot take", _refuses_what_it_cannot_take, "raise ossicle.errors.MelError"),
    ConformanceCheck(
        "streams what it says whole", _streams_what_it_says_whole, "keep what later samples need between pieces"
    ),
    ConformanceCheck(
        "looks no further than it says",
        _does_not_look_further_than_it_says,
        "let receptive_field be the frames (left, right) that a sample depends on, and nothing depend on the length",
    ),
    ConformanceCheck("moves to the CPU", _moves_to_the_cpu, "return self from to()"),
]
"""What every vocoder must do."""
