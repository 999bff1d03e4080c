"""The shape of a generator: HiFi-GAN V1 to V3, with or without the inverse STFT at the end."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from ossicle.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Everything that decides a generator's layers.

    Sources: Kong, Kim and Bae, "HiFi-GAN" (2020), table of V1 to V3; Kaneko et al., "iSTFTNet" (2022), section 2.

    Parameters
    ----------
    n_mels
        Mels per input frame.
    upsample_initial_channel
        Channels after the first convolution; each up-sampling halves them.
    upsample_rates, upsample_kernel_sizes
        Stride and kernel of each transposed convolution.
    resblock
        ``"1"``: pairs of dilated and plain convolutions; ``"2"``: dilated ones alone.
    resblock_kernel_sizes, resblock_dilation_sizes
        Kernel and dilations of each parallel residual block.
    istft_n_fft, istft_hop
        FFT size and hop of the inverse STFT; both None for HiFi-GAN's single-channel output.
    phase
        ``"sin"``: the phase is the sine of one channel a bin, in radians, as published;
        ``"full"``: the angle of two channels a bin, so that every phase can be reached.
    """

    n_mels: int = 80
    upsample_initial_channel: int = 512
    upsample_rates: tuple[int, ...] = (8, 8)
    upsample_kernel_sizes: tuple[int, ...] = (16, 16)
    resblock: Literal["1", "2"] = "1"
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    istft_n_fft: int | None = 16
    istft_hop: int | None = 4
    phase: Literal["sin", "full"] = "sin"

    def __post_init__(self) -> None:
        if self.resblock not in ("1", "2"):
            raise ConfigError(f"resblock is {self.resblock!r}", why="it must be '1' or '2'")
        if self.phase not in ("sin", "full"):
            raise ConfigError(f"phase is {self.phase!r}", why="it must be 'sin' or 'full'")
        self._check_stages()
        self._check_blocks()
        self._check_istft()

    def _check_stages(self) -> None:
        rates, kernels = self.upsample_rates, self.upsample_kernel_sizes
        if not rates or len(rates) != len(kernels):
            raise ConfigError(
                f"{len(rates)} upsample_rates and {len(kernels)} upsample_kernel_sizes", why="one of each a stage"
            )
        for rate, kernel in zip(rates, kernels, strict=True):
            if rate < 1 or kernel < rate:
                raise ConfigError(
                    f"up-sampling by {rate} with kernel {kernel}", why="a kernel shorter than its stride leaves gaps"
                )
        if self.n_mels < 1 or self.upsample_initial_channel < 1 or self.upsample_initial_channel % 2 ** len(rates):
            raise ConfigError(
                f"n_mels {self.n_mels}, upsample_initial_channel {self.upsample_initial_channel}",
                why=f"channels are halved {len(rates)} times and must stay whole",
            )

    def _check_blocks(self) -> None:
        kernels, dilations = self.resblock_kernel_sizes, self.resblock_dilation_sizes
        if not kernels or len(kernels) != len(dilations):
            raise ConfigError(
                f"{len(kernels)} resblock kernels and {len(dilations)} lists of dilations", why="one of each a block"
            )
        if any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise ConfigError(f"resblock kernels {kernels}", why="they must be odd, or the residual does not line up")

    def _check_istft(self) -> None:
        n_fft, hop = self.istft_n_fft, self.istft_hop
        if (n_fft is None) != (hop is None):
            raise ConfigError(
                "one of istft_n_fft and istft_hop is missing", why="the inverse STFT needs both; HiFi-GAN neither"
            )
        if n_fft is not None and hop is not None and (n_fft < 2 or n_fft % 2 or not 1 <= hop <= n_fft // 2):
            raise ConfigError(
                f"inverse STFT of size {n_fft} with hop {hop}",
                why="the size must be even and the hop at most half of it, or the window's overlap has zeros",
            )

    @property
    def has_istft(self) -> bool:
        """Whether the generator ends in an inverse STFT."""
        return self.istft_n_fft is not None

    @property
    def hop_length(self) -> int:
        """Samples per mel frame."""
        return math.prod(self.upsample_rates) * (self.istft_hop or 1)

    @property
    def output_channels(self) -> int:
        """Channels of the last convolution."""
        if self.istft_n_fft is None:
            return 1
        bins = self.istft_n_fft // 2 + 1
        return bins * (3 if self.phase == "full" else 2)

    @property
    def kind(self) -> Literal["istftnet", "hifigan"]:
        """The registered name of the architecture."""
        return "istftnet" if self.has_istft else "hifigan"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for TOML; None is left out."""
        values = asdict(self)
        values["resblock_dilation_sizes"] = [list(d) for d in self.resblock_dilation_sizes]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GeneratorConfig:
        """Build a configuration from `to_dict`'s form; an absent inverse STFT means HiFi-GAN."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(
                f"unknown generator settings: {', '.join(unknown)}", hint=f"known: {', '.join(sorted(known))}"
            )
        prepared = {"istft_n_fft": None, "istft_hop": None, **values}
        for name in ("upsample_rates", "upsample_kernel_sizes", "resblock_kernel_sizes"):
            if name in prepared:
                prepared[name] = tuple(prepared[name])
        if "resblock_dilation_sizes" in prepared:
            prepared["resblock_dilation_sizes"] = tuple(tuple(d) for d in prepared["resblock_dilation_sizes"])
        return cls(**prepared)


_ENDS = {
    "": None,
    "c8c8c2i": ((8, 8, 2), (16, 16, 4), 8, 2),
    "c8c8i": ((8, 8), (16, 16), 16, 4),
    "c8c1i": ((8, 1), (16, 3), 128, 32),
    "c8i": ((8,), (16,), 128, 32),
    "c1i": ((1,), (3,), 1024, 256),
}
_BODIES = {
    "v1": GeneratorConfig(
        upsample_rates=(8, 8, 2, 2), upsample_kernel_sizes=(16, 16, 4, 4), istft_n_fft=None, istft_hop=None
    ),
    "v2": GeneratorConfig(
        upsample_initial_channel=128,
        upsample_rates=(8, 8, 2, 2),
        upsample_kernel_sizes=(16, 16, 4, 4),
        istft_n_fft=None,
        istft_hop=None,
    ),
    "v3": GeneratorConfig(
        upsample_initial_channel=256,
        upsample_rates=(8, 8, 4),
        upsample_kernel_sizes=(16, 16, 8),
        resblock="2",
        resblock_kernel_sizes=(3, 5, 7),
        resblock_dilation_sizes=((1, 2), (2, 6), (3, 12)),
        istft_n_fft=None,
        istft_hop=None,
    ),
}


_FULL = "-full"
"""Ending of names whose phase is given in full, as two channels a bin."""


def variant_names() -> list[str]:
    """Return the names that `variant` knows."""
    published = [f"{body}-{end}" if end else body for body in _BODIES for end in _ENDS]
    return published + [f"{body}-c8c8i{_FULL}" for body in _BODIES]


def variant(name: str) -> GeneratorConfig:
    """Return a configuration by name, such as ``"v1"`` (HiFi-GAN), ``"v2-c8c8i"``, or ``"v2-c8c8i-full"`` (ours: full phase).

    Source: Kaneko et al. (2022), table of variants: after up-sampling by s, the inverse STFT has size 1024/s and hop 256/s.

    Raises
    ------
    ConfigError
        If there is no such variant; the known ones are listed.
    """
    lowered = name.lower()
    if lowered.endswith(_FULL) and lowered in variant_names():
        return replace(variant(lowered.removesuffix(_FULL)), phase="full")
    body, _, end = lowered.partition("-")
    if body not in _BODIES or end not in _ENDS:
        raise ConfigError(f"no generator variant is named {name!r}", hint=f"known: {', '.join(variant_names())}")
    settings = _ENDS[end]
    if settings is None:
        return _BODIES[body]
    rates, kernels, n_fft, hop = settings
    return replace(_BODIES[body], upsample_rates=rates, upsample_kernel_sizes=kernels, istft_n_fft=n_fft, istft_hop=hop)
