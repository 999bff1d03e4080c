"""The ``config.yaml`` beside a public checkpoint, read as values: a class path in it is compared, never imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from ossicle.audio.mel import MelSettings
from ossicle.errors import ConfigError

_LARGEST = 1 << 16
"""Bytes; a published configuration has about 600."""

_PARTS: dict[str, tuple[str, frozenset[str], frozenset[str]]] = {
    "feature_extractor": (
        "vocos.feature_extractors.MelSpectrogramFeatures",
        frozenset(),
        frozenset({"sample_rate", "n_fft", "hop_length", "n_mels", "padding"}),
    ),
    "backbone": (
        "vocos.models.VocosBackbone",
        frozenset({"input_channels", "dim", "intermediate_dim", "num_layers"}),
        frozenset({"layer_scale_init_value", "adanorm_num_embeddings"}),
    ),
    "head": (
        "vocos.heads.ISTFTHead",
        frozenset({"dim", "n_fft", "hop_length"}),
        frozenset({"padding"}),
    ),
}
"""Of each part: the one class that is known, the settings it needs, and those it may have."""


@dataclass(frozen=True, kw_only=True)
class VocosConfig:
    """A Vocos model on mels. The defaults are those of the published ``vocos-mel-24khz``.

    Parameters
    ----------
    sample_rate, n_fft, hop_length, n_mels, padding
        The analysis, and the inverse STFT at the end, which must be alike; see `MelSettings.vocos`.
    dim, intermediate_dim, num_layers
        Width, inner width and number of the ConvNeXt blocks.
    """

    sample_rate: int = 24000
    n_fft: int = 1024
    hop_length: int = 256
    n_mels: int = 100
    padding: Literal["same", "center"] = "center"
    dim: int = 512
    intermediate_dim: int = 1536
    num_layers: int = 8

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "hop_length", "n_mels", "dim", "intermediate_dim", "num_layers"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"{name} is {value!r}", why="it must be a whole number of at least 1")
        if self.padding not in ("same", "center"):
            raise ConfigError(f"padding is {self.padding!r}", why="it must be 'same' or 'center'")

    @property
    def front_end(self) -> MelSettings:
        """The analysis that the mels come from."""
        return MelSettings.vocos(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            n_mels=self.n_mels,
            padding=self.padding,
        )


def read_config(path: Path) -> VocosConfig:
    """Read a public ``config.yaml``.

    Raises
    ------
    ConfigError
        If it is missing, damaged, names classes other than the three known ones, or contradicts itself.
    """
    import yaml

    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ConfigError(f"{path} is no configuration", why=f"it has more than {_LARGEST} bytes")
        values = yaml.safe_load(text)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration at {path}",
            why="a checkpoint of Vocos does not say its own shape",
            hint="put its config.yaml beside it, or name it with config=PATH (--config PATH)",
        ) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path} cannot be read", why=why, hint="get config.yaml again") from error
    try:
        return parse_config(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.what}", why=error.why, hint=error.hint) from error


def parse_config(values: Any) -> VocosConfig:
    """Return the model that a public configuration describes; see `read_config`."""
    if not isinstance(values, dict):
        raise ConfigError("it holds no settings", hint="get config.yaml again")
    analysis, body, head = (_part(values, name) for name in _PARTS)
    if body.get("adanorm_num_embeddings") is not None:
        raise ConfigError("the backbone is conditional", why="this plugin takes models on mels alone")
    config = VocosConfig(
        **{name: analysis[name] for name in ("sample_rate", "n_fft", "hop_length", "n_mels") if name in analysis},
        padding=cast(Literal["same", "center"], analysis.get("padding", "center")),
        **{name: body[name] for name in ("dim", "intermediate_dim", "num_layers")},
    )
    for name, wanted, found in (
        ("backbone.input_channels", config.n_mels, body["input_channels"]),
        ("head.dim", config.dim, head["dim"]),
        ("head.n_fft", config.n_fft, head["n_fft"]),
        ("head.hop_length", config.hop_length, head["hop_length"]),
        ("head.padding", config.padding, head.get("padding", "same")),
    ):
        if wanted != found:
            raise ConfigError(
                f"{name} is {found!r}, where the rest needs {wanted!r}",
                why="analysis, body and head must fit each other",
                hint="take the checkpoint's own config.yaml",
            )
    return config


def _part(values: dict[str, Any], name: str) -> dict[str, Any]:
    known, needed, optional = _PARTS[name]
    part = values.get(name)
    if not isinstance(part, dict) or "class_path" not in part:
        raise ConfigError(f"it has no {name} with a class_path", hint="get the checkpoint's own config.yaml")
    if part["class_path"] != known:
        raise ConfigError(
            f"the {name} is {part['class_path']!r}",
            why=f"only {known} is known; nothing else is imported",
            hint="take a checkpoint on mels, such as charactr/vocos-mel-24khz; those on EnCodec tokens take no mels",
        )
    settings = part.get("init_args") or {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{name}.init_args is {type(settings).__name__}", why="it must be a mapping")
    missing, unknown = needed - set(settings), set(map(str, settings)) - needed - optional
    if missing or unknown:
        raise ConfigError(
            f"{name} does not have the settings of {known}",
            why="; ".join(
                f"{what}: {', '.join(sorted(names))}"
                for what, names in (("missing", missing), ("unknown", unknown))
                if names
            ),
            hint="take the checkpoint's own config.yaml",
        )
    return settings
