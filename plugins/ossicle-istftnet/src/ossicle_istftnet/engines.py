"""How a generator is computed: in float32, or in narrower types whose distance from float32 is measured first.

A narrow type is never taken on trust: plans are tried from the fastest on, each is compared with float32 on calibration
speech, and the first that comes close enough is kept. What trained networks lose most on is their first stages, which are
cheap: so plans widen those first.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ossicle import kernels
from ossicle.errors import ConfigError
from ossicle_istftnet import upsampling
from ossicle_istftnet.cpu import fused, int8, winograd
from ossicle_istftnet.cuda.body import FusedBody, fits
from ossicle_istftnet.cuda.epilogue import ResidualEpilogueKernel, epilogue
from ossicle_istftnet.cuda.graphs import BucketedGenerator
from ossicle_istftnet.generator import Generator, Stage

Dtype = Literal["fp32", "bf16", "fp16", "int8"]
DTYPES: tuple[str, ...] = get_args(Dtype)
FLOORS = {"fp32": 50.0, "bf16": 38.0, "fp16": 38.0, "int8": 33.0}
"""Signal-to-noise ratio against plain float32 that a plan must reach, in dB; float32's own is for GPUs, whose libraries
round products to 19 bits in ways of their own."""

_TORCH = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
Kind = Literal["fp32", "bf16", "int8"]


@dataclass(frozen=True)
class Engine:
    """A generator made ready.

    Parameters
    ----------
    speak
        Mels (B, M, T) to samples (B, N).
    dtype
        As asked for.
    plan
        What runs in which type, in words.
    snr_db
        Power of float32's samples over that of the difference from them, on calibration speech; None in float32.
    """

    speak: Callable[[Tensor], Tensor]
    dtype: str
    plan: str
    snr_db: float | None = None

    def describe(self) -> str:
        """Return a line for people."""
        if self.snr_db is None:
            return f"{self.dtype}: {self.plan}"
        return f"{self.dtype}: {self.snr_db:.1f} dB signal-to-noise ratio against float32 ({self.plan})"


def resolve_dtype(dtype: str, device: torch.device) -> str:
    """Return the type that a name means on a device: ``auto`` is the fastest that the processor computes natively.

    Raises
    ------
    ConfigError
        If there is no such type, or the device does not offer it.
    """
    if dtype != "auto" and dtype not in DTYPES:
        raise ConfigError(f"no dtype is called {dtype!r}", hint=f"use auto, {', '.join(DTYPES)}")
    offered = dtypes_on(device)
    if dtype == "auto":
        return next((name for name in ("bf16", "fp16") if name in offered), "fp32")
    if dtype not in offered:
        raise ConfigError(
            f"{dtype} is not offered on {device.type}",
            why="this processor or this torch has no fast arithmetic for it",
            hint=f"use one of: {', '.join(offered)}",
        )
    return dtype


def dtypes_on(device: torch.device) -> tuple[str, ...]:
    """Return the types that are worth taking on a device."""
    if device.type == "cuda":
        narrow = ("bf16", "fp16") if torch.cuda.get_device_capability(device)[0] >= 8 else ("fp16",)
        return ("fp32", *narrow)
    if device.type != "cpu":
        return ("fp32",)
    found = {"bf16": fused.usable(torch.bfloat16), "int8": int8.usable()}
    return ("fp32", *(name for name, there in found.items() if there))


def make_engine(generator: Generator, dtype: str, device: torch.device, calibration: Tensor) -> Engine:
    """Return the generator made ready for a type of `dtypes_on`.

    Parameters
    ----------
    generator
        In float32, on the device.
    calibration
        Speech mels (B, M, T) that narrow types are calibrated and measured on.
    """
    if dtype == "fp32" and device.type != "cuda":
        return _wide_engine(generator, device)
    with torch.no_grad():
        calibration = calibration.to(device)
        truth = generator(calibration)
        best: Engine | None = None
        for plan, speak in _plans(generator, dtype, device, calibration):
            engine = Engine(speak, dtype, plan, snr_db(truth, speak(calibration)))
            assert engine.snr_db is not None
            if best is None or best.snr_db is None or engine.snr_db > best.snr_db:
                best = engine
            if engine.snr_db >= FLOORS[dtype]:
                break
    assert best is not None
    return best


def snr_db(truth: Tensor, estimate: Tensor) -> float:
    """Return the signal-to-noise ratio of an estimate in dB."""
    noise = float((truth.double() - estimate.double()).square().sum())
    power = float(truth.double().square().sum())
    return math.inf if noise == 0 else 10 * math.log10(max(power, 1e-30) / noise)


def _wide_engine(generator: Generator, device: torch.device) -> Engine:
    """Return float32 on a CPU, or plain torch on a device that nothing here is made for."""
    if device.type != "cpu" or not kernels.twins_allowed():
        return Engine(generator, "fp32", "plain torch")
    stages = [_wide_stage(generator, index) for index in range(len(generator.ups))]
    names = {winograd.WinogradStage: "Toom-Cook convolutions", fused.FusedStage: "fused convolutions"}
    used = [name for kind, name in names.items() if any(isinstance(stage, kind) for stage in stages)]
    return Engine(_Staged(generator, stages), "fp32", " and ".join(used) or "plain residual blocks")


def _wide_stage(generator: Generator, index: int) -> Stage:
    if winograd.wanted(generator, index) and _toom_cook_allowed():
        return winograd.WinogradStage(generator.blocks(index))
    if fused.usable(torch.float32) and kernels.twins_allowed():
        return fused.FusedStage(generator.blocks(index), torch.float32)
    return lambda x: generator.mean_of_blocks(index, x)


def _toom_cook_allowed() -> bool:
    op = winograd.DilatedConvolutionKernel.op
    return any(choice.op == op and choice.chosen != "reference" for choice in kernels.choices(device="cpu"))


class _Staged:
    """A generator whose residual blocks are computed in another way, and its up-samplings as matrix products."""

    def __init__(self, generator: Generator, stages: Sequence[Stage]) -> None:
        self._generator, self._stages = generator, stages
        self._ups = [_upsampling(generator, index) for index in range(len(stages))]

    @torch.no_grad()
    def __call__(self, mel: Tensor) -> Tensor:
        body = self._generator.conv_pre.weight.dtype
        stages = [lambda x, stage=stage: stage(x).to(body) for stage in self._stages]
        return self._generator.head(self._generator.channels(mel, stages=stages, ups=self._ups))


def _upsampling(generator: Generator, index: int) -> Stage:
    up = generator.ups[index]
    assert isinstance(up, nn.ConvTranspose1d)
    if kernels.twins_allowed() and upsampling.usable(up):
        return upsampling.PolyphaseUpsampling(up)
    return lambda x: generator.upsampled(index, x)


def narrow_body(generator: Generator, dtype: torch.dtype) -> Generator:
    """Return a copy whose layers but the last run in another type: the exponential after it needs float32."""
    copied = copy.deepcopy(generator).to(dtype)
    copied.conv_post.to(torch.float32)
    return copied


def _plans(
    generator: Generator, dtype: str, device: torch.device, calibration: Tensor
) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    if device.type == "cuda":
        yield from _cuda_plans(generator, dtype)
        return
    count = len(generator.ups)
    ranges = int8.calibrate(generator, calibration) if dtype == "int8" else []
    made: dict[tuple[Kind, int], Stage] = {}

    def stage(kind: Kind, index: int) -> Stage:
        if (kind, index) not in made:
            blocks = generator.blocks(index)
            if kind == "int8":
                made[kind, index] = int8.Int8Stage(blocks, ranges[index])
            else:
                narrow = kind == "bf16"
                made[kind, index] = (
                    fused.FusedStage(blocks, torch.bfloat16) if narrow else _wide_stage(generator, index)
                )
        return made[kind, index]

    if dtype == "bf16":
        whole = [stage("bf16", index) for index in range(count)]
        yield "bfloat16 but for the last convolution", _Staged(narrow_body(generator, torch.bfloat16), whole)
    for kinds in mixtures(dtype, count):
        yield _in_words(kinds), _Staged(generator, [stage(kind, index) for index, kind in enumerate(kinds)])


def _cuda_plans(generator: Generator, dtype: str) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    words = "plain torch" if dtype == "fp32" else "last convolution and inverse STFT in float32"
    if kernels.twins_allowed() and fits(generator):
        between = kernels.pick(ResidualEpilogueKernel.op, device="cuda", dtype=_NAMES[dtype], fallback=epilogue)
        body = FusedBody(generator, _TORCH[dtype], between)
        yield f"{words}, CUDA graphs".removeprefix("plain torch, "), BucketedGenerator(body, generator.head)
    yield words, generator if dtype == "fp32" else narrow_body(generator, _TORCH[dtype])


def mixtures(dtype: str, count: int) -> list[tuple[Kind, ...]]:
    """Return the types of `count` stages to try, from the narrowest on: the first stages are widened first."""
    narrow: Kind = "int8" if dtype == "int8" else "bf16"
    wider: list[Kind] = ["bf16", "fp32"] if dtype == "int8" and fused.usable(torch.bfloat16) else ["fp32"]
    found: list[tuple[Kind, ...]] = [(narrow,) * count]
    for wide in range(1, count + 1):
        found += [(kind,) * wide + (narrow,) * (count - wide) for kind in wider]
    return found[:-1]  # the last one is float32 throughout, which is no narrow plan


def _in_words(kinds: Sequence[Kind]) -> str:
    if len(set(kinds)) == 1:
        return f"residual blocks in {kinds[0]}"
    return "residual blocks in " + ", ".join(kinds) + " by stage"
