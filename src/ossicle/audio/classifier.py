"""A trained classifier as a folder: ``model.safetensors`` and ``model.toml`` (labels, front end, backbone)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.atomic import replacing
from ossicle.audio.log_mel import LogMel, LogMelSettings, fit_length
from ossicle.errors import AudioError, CheckpointError, ConfigError, OssicleError
from ossicle.registry import default_registry
from ossicle.toml import read_toml, write_toml

WEIGHTS = "model.safetensors"
SETTINGS = "model.toml"
_FORMAT, _VERSION = "ossicle-classifier", 1


@dataclass
class Classifier:
    """A network, what it hears, and what its outputs are called.

    Parameters
    ----------
    network
        (B, 1, M, T) standardised log-mels to logits (B, K).
    front_end
        Clips to log-mels.
    labels
        K names.
    card
        What the folder says of the training.
    """

    network: nn.Module
    front_end: LogMel
    labels: tuple[str, ...]
    card: Mapping[str, Any]

    @property
    def sample_rate(self) -> int:
        """Of the sound it takes, in Hz."""
        return self.front_end.settings.sample_rate

    @torch.no_grad()
    def __call__(self, wave: Tensor) -> Tensor:
        """Return probabilities (B, K) of clips (B, N), cut or padded to the length it was trained on.

        Raises
        ------
        AudioError
            If the shape is not (B, N), there is no sample, or values are not finite.
        """
        if wave.dim() != 2 or wave.shape[1] == 0:
            raise AudioError(f"clips have shape {tuple(wave.shape)}", why="a classifier takes (B, N), N at least 1")
        if not bool(torch.isfinite(wave).all()):
            raise AudioError("the sound holds values that are not numbers")
        decibels = self.front_end(fit_length(wave.float(), self.front_end.settings.n_samples))
        return torch.softmax(self.network(self.front_end.standardize(decibels)).float(), dim=1)

    def windows(self, wave: Tensor) -> Tensor:
        """Return a sound (N,) in pieces of the length it was trained on, (W, n_samples), the last one padded."""
        size = self.front_end.settings.n_samples
        return torch.stack([fit_length(part[None], size)[0] for part in wave.split(size)])


def save_classifier(
    folder: Path,
    network: nn.Module,
    front_end: LogMelSettings,
    labels: Sequence[str],
    *,
    backbone: str,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a classifier's folder, each file whole or not at all.

    Parameters
    ----------
    network
        A backbone; its ``config`` is what builds it again.
    backbone
        The component's name in the registry.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with replacing(folder / WEIGHTS) as part:
        save_file(state, part)
    settings = {
        "format": {"name": _FORMAT, "version": _VERSION},
        "labels": {"names": list(labels)},
        "front_end": front_end.to_dict(),
        "backbone": {"name": backbone, **dict(network.config)},  # type: ignore[arg-type]
        "card": dict(card or {}),
    }
    write_toml(folder / SETTINGS, settings)


def load_classifier(folder: Path, *, device: torch.device | str = "cpu") -> Classifier:
    """Read a classifier's folder; nothing in it is run.

    Raises
    ------
    CheckpointError
        If files are missing, damaged, or do not fit each other.
    """
    from safetensors.torch import load_file

    for name in (SETTINGS, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} is no model folder", why=f"it has no {name}", hint="name the folder that a recipe wrote"
            )
    try:
        settings = read_toml(folder / SETTINGS)
    except ConfigError as error:
        raise CheckpointError(f"{folder} cannot be read", why=error.why or error.what) from error
    if settings.get("format") != {"name": _FORMAT, "version": _VERSION}:
        raise CheckpointError(
            f"{folder} holds no classifier that can be read",
            why=f"{SETTINGS} says format {settings.get('format')}, not {_FORMAT} {_VERSION}",
        )
    try:
        labels = settings["labels"]["names"]
        front_end = LogMelSettings.from_dict(settings["front_end"])
        shape = dict(settings["backbone"])
        network = default_registry().build("backbone", shape.pop("name"), **shape)
        state = load_file(folder / WEIGHTS)
        network.load_state_dict(state)
    except OssicleError:
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(f"{folder} cannot be read", why=why[:300]) from error
    classes = network.config["classes"]
    if not isinstance(labels, list) or len(labels) != classes or not all(isinstance(name, str) for name in labels):
        raise CheckpointError(
            f"{folder} does not name the {classes} classes of its network", why=f"labels: {labels}"[:300]
        )
    if unsound := [name for name, value in state.items() if not bool(torch.isfinite(value).all())]:
        raise CheckpointError(f"{folder} holds weights that are not numbers", why=f"the first in {unsound[0]}")
    network = network.to(device).eval().requires_grad_(False)
    return Classifier(network, LogMel(front_end).to(device), tuple(labels), settings.get("card", {}))
