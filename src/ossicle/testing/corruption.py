"""Checks of the kind `corruption`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ossicle.errors import OssicleError
from ossicle.testing.subject import ConformanceCheck, Subject

_RATE = 8000
_SEVERITIES = (1, 2, 3, 4, 5)


def make_clips(rows: int = 4, samples: int = 4000, *, rate: int = _RATE) -> Tensor:
    """Return clips (B, N) of a gliding tone in a little noise, peaks below one."""
    draw = torch.Generator().manual_seed(0)
    time = torch.arange(samples) / rate
    start = 200 + 300 * torch.arange(rows)[:, None]
    tone = torch.sin(2 * torch.pi * (start * time + 100 * time**2)) * 0.4
    return tone + 0.01 * torch.randn(rows, samples, generator=draw)


def _keys(rows: int) -> list[str]:
    return [f"clip-{at}" for at in range(rows)]


def _worsened(corruption: Any, wave: Tensor, severity: int, keys: list[str] | None = None, rate: int = _RATE) -> Tensor:
    return corruption(wave, sample_rate=rate, severity=severity, keys=_keys(len(wave)) if keys is None else keys)


def exercise_corruption(corruption: Any) -> list[Tensor]:
    """Worsen one batch, a little and a lot."""
    return [_worsened(corruption, make_clips(), severity) for severity in (1, 5)]


def _declares_its_domain(subject: Subject) -> None:
    assert subject.instance.domain == "waveform", f"domain is {subject.instance.domain!r}"


def _keeps_the_shape(subject: Subject) -> None:
    for rows, samples in ((0, 800), (1, 1), (2, 37), (3, 4001)):
        for severity in _SEVERITIES:
            x = make_clips(rows, samples)
            y = _worsened(subject.instance, x, severity)
            assert y.shape == x.shape and y.dtype == torch.float32, (
                f"{tuple(x.shape)} became {tuple(y.shape)}, {y.dtype}"
            )
            assert bool(torch.isfinite(y).all()), f"severity {severity} gives samples that are not finite"


def _takes_other_rates(subject: Subject) -> None:
    for rate in (8000, 16000, 44100):
        x = make_clips(8, rate // 2, rate=rate)  # so many that what strikes at random strikes one of them
        y = _worsened(subject.instance, x, 3, rate=rate)
        assert y.shape == x.shape and not torch.equal(x, y), f"at {rate} Hz nothing happens"


def _depends_on_keys_alone(subject: Subject) -> None:
    x = make_clips()
    for severity in (1, 5):
        whole = _worsened(subject.instance, x, severity)
        order = [2, 0, 3, 1]
        shuffled = _worsened(subject.instance, x[order], severity, [_keys(4)[i] for i in order])
        alone = torch.cat(
            [_worsened(subject.instance, x[i : i + 1], severity, [key]) for i, key in enumerate(_keys(4))]
        )
        assert torch.allclose(whole[order], shuffled, atol=1e-5), "the order of a batch matters"
        assert torch.allclose(whole, alone, atol=1e-5), "a clip alone is worsened differently than in a batch"


def _does_something(subject: Subject) -> None:
    x = make_clips()
    found = {severity: _worsened(subject.instance, x, severity) for severity in _SEVERITIES}
    for severity, y in found.items():
        assert not torch.equal(y, x), f"severity {severity} changes nothing"
    for severity in _SEVERITIES[1:]:
        assert not torch.equal(found[severity], found[severity - 1]), (
            f"severities {severity - 1} and {severity} are alike"
        )


def _stays_in_range(subject: Subject) -> None:
    loud = make_clips() * 2.3
    loud = loud / loud.abs().amax()
    for severity in _SEVERITIES:
        peak = float(_worsened(subject.instance, loud, severity).abs().max())
        assert peak <= 1.0001, f"severity {severity} gives a peak of {peak:.3f}, which a file would clip"


def _leaves_its_input_alone(subject: Subject) -> None:
    x = make_clips()
    kept = x.clone()
    for severity in (1, 5):
        _worsened(subject.instance, x, severity)
    assert torch.equal(x, kept), "the input was changed"


def _takes_silence(subject: Subject) -> None:
    for severity in (1, 5):
        y = _worsened(subject.instance, torch.zeros(2, 800), severity)
        assert bool(torch.isfinite(y).all()), "silence gives samples that are not finite"


def _refuses_nonsense(subject: Subject) -> None:
    x = make_clips(2)
    nonsense = {
        "severity 0": lambda: _worsened(subject.instance, x, 0),
        "severity 6": lambda: _worsened(subject.instance, x, 6),
        "a key too few": lambda: _worsened(subject.instance, x, 3, ["one"]),
        "a clip without a batch": lambda: _worsened(subject.instance, x[0], 3, ["one"]),
    }
    for what, call in nonsense.items():
        try:
            call()
        except OssicleError:
            continue
        raise AssertionError(f"it takes {what}")


CHECKS = [
    ConformanceCheck("declares its domain", _declares_its_domain, "set domain to 'waveform'"),
    ConformanceCheck(
        "keeps the shape", _keeps_the_shape, "cut or pad what changes length; take no clip and one sample"
    ),
    ConformanceCheck("takes other rates", _takes_other_rates, "scale what is in hertz to the rate"),
    ConformanceCheck("depends on keys alone", _depends_on_keys_alone, "seed what is drawn by key, type and severity"),
    ConformanceCheck("does something", _does_something, "let every severity be another"),
    ConformanceCheck("stays in range", _stays_in_range, "scale a clip down whose peak would exceed one"),
    ConformanceCheck("leaves its input alone", _leaves_its_input_alone, "return a new tensor"),
    ConformanceCheck("takes silence", _takes_silence, "divide by nothing that can be zero"),
    ConformanceCheck("refuses nonsense", _refuses_nonsense, "raise an ossicle error"),
]
"""What every corruption must do."""
