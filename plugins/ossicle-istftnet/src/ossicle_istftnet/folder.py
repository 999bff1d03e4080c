"""Our model folder: ``model.safetensors`` with plain weights, ``model.toml`` with everything else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ossicle.atomic import write_bytes
from ossicle.audio.mel import MelSettings
from ossicle.errors import CheckpointError, ConfigError
from ossicle.toml import read_toml, write_toml
from ossicle_istftnet.config import GeneratorConfig

SETTINGS = "model.toml"
WEIGHTS = "model.safetensors"
_FORMAT = "ossicle-vocoder"
_VERSION = 1


def save_folder(
    folder: Path,
    state: Mapping[str, Tensor],
    generator: GeneratorConfig,
    front_end: MelSettings,
    *,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a model folder.

    Parameters
    ----------
    state
        Plain weights, as `Generator.state_dict` has them once weight norm is folded.
    card
        Where the weights come from: data, licence, steps, seed. Plain values only.
    """
    from safetensors.torch import save

    write_bytes(folder / WEIGHTS, save({name: value.detach().cpu().contiguous() for name, value in state.items()}))
    write_toml(
        folder / SETTINGS,
        {
            "format": _FORMAT,
            "version": _VERSION,
            "generator": generator.to_dict(),
            "front_end": front_end.to_dict(),
            "card": dict(card or {}),
        },
    )


def load_folder(folder: Path) -> tuple[dict[str, Tensor], GeneratorConfig, MelSettings]:
    """Read a model folder.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or the format is not one that this version knows.
    """
    from ossicle_istftnet.formats import load_state

    if not (folder / SETTINGS).exists():
        raise CheckpointError(
            f"{folder} is no model folder", why=f"it holds no {SETTINGS}", hint="name a folder that a recipe wrote"
        )
    try:
        settings = read_toml(folder / SETTINGS)
        if settings.get("format") != _FORMAT or settings.get("version") != _VERSION:
            raise CheckpointError(
                f"{folder} has format {settings.get('format')!r}, version {settings.get('version')!r}",
                why=f"this ossicle reads {_FORMAT!r}, version {_VERSION}",
                hint="update ossicle-istftnet",
            )
        generator = GeneratorConfig.from_dict(dict(settings.get("generator", {})))
        front_end = MelSettings.from_dict(dict(settings.get("front_end", {})))
    except ConfigError as error:
        raise CheckpointError(f"{folder / SETTINGS}: {error.what}", why=error.why, hint=error.hint) from error
    return load_state(folder / WEIGHTS), generator, front_end
