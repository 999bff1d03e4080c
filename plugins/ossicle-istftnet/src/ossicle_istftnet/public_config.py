"""The ``config.json`` of HiFi-GAN and iSTFTNet-pytorch, as it lies beside public checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ossicle.audio.mel import MelSettings
from ossicle.errors import ConfigError
from ossicle_istftnet.config import GeneratorConfig

_NEEDED = (
    "resblock",
    "upsample_rates",
    "upsample_kernel_sizes",
    "upsample_initial_channel",
    "resblock_kernel_sizes",
    "resblock_dilation_sizes",
    "n_fft",
    "hop_size",
    "win_size",
    "sampling_rate",
)
_OLD_ISTFT = (16, 4)
"""What iSTFTNet-pytorch used before its configurations said so (June 2022)."""


def read_public_config(path: Path, *, output_channels: int | None = None) -> tuple[GeneratorConfig, MelSettings]:
    """Read a ``config.json``; see `parse_public_config`."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration at {path}",
            why="a public checkpoint does not say its own shape",
            hint="put its config.json beside it, or name it with config=PATH (--config PATH)",
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read", why=str(error), hint="get config.json again") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is no configuration", why="it holds no JSON object")
    try:
        return parse_public_config(values, output_channels=output_channels)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.what}", why=error.why, hint=error.hint) from error


def parse_public_config(
    values: dict[str, Any], *, output_channels: int | None = None
) -> tuple[GeneratorConfig, MelSettings]:
    """Return the generator and the analysis that a public configuration describes.

    Parameters
    ----------
    values
        The JSON object; keys that do not matter here are ignored.
    output_channels
        Channels of the checkpoint's last convolution. Where the configuration is silent on the inverse STFT, one
        channel means HiFi-GAN, and more mean an old iSTFTNet of size 16 and hop 4.

    Raises
    ------
    ConfigError
        If a key is missing or two contradict each other.
    """
    missing = [key for key in _NEEDED if key not in values]
    if missing:
        raise ConfigError(f"the configuration lacks {', '.join(missing)}", hint="get the checkpoint's own config.json")
    n_fft, hop = values.get("gen_istft_n_fft"), values.get("gen_istft_hop_size")
    if output_channels == 1:
        n_fft = hop = None
    elif n_fft is None and output_channels is not None:
        n_fft, hop = _OLD_ISTFT
    n_mels = int(values.get("num_mels", 80))
    try:
        generator = GeneratorConfig(
            n_mels=n_mels,
            upsample_initial_channel=int(values["upsample_initial_channel"]),
            upsample_rates=tuple(int(u) for u in values["upsample_rates"]),
            upsample_kernel_sizes=tuple(int(k) for k in values["upsample_kernel_sizes"]),
            resblock=str(values["resblock"]),  # type: ignore[arg-type]
            resblock_kernel_sizes=tuple(int(k) for k in values["resblock_kernel_sizes"]),
            resblock_dilation_sizes=tuple(tuple(int(d) for d in ds) for ds in values["resblock_dilation_sizes"]),
            istft_n_fft=None if n_fft is None else int(n_fft),
            istft_hop=None if hop is None else int(hop),
        )
        fmax = values.get("fmax")
        front_end = MelSettings.hifigan(
            sample_rate=int(values["sampling_rate"]),
            n_fft=int(values["n_fft"]),
            hop_length=int(values["hop_size"]),
            win_length=int(values["win_size"]),
            n_mels=n_mels,
            fmin=float(values.get("fmin") or 0.0),
            fmax=None if fmax is None else float(fmax),
        )
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError("the configuration has a value of the wrong type", why=str(error)) from error
    if generator.hop_length != front_end.hop_length:
        product = " x ".join(str(u) for u in (*generator.upsample_rates, *([generator.istft_hop] if hop else [])))
        raise ConfigError(
            f"the generator makes {generator.hop_length} samples a frame, the analysis moves by {front_end.hop_length}",
            why=f"{product} = {generator.hop_length} must equal hop_size {front_end.hop_length}",
            hint="change upsample_rates, gen_istft_hop_size or hop_size to what the checkpoint was trained with",
        )
    return generator, front_end
