"""Settings of UnMix-TNS under two names: as published, and made good for audio."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ossicle.errors import ConfigError
from ossicle_unmix_tns.components import Start
from ossicle_unmix_tns.mixture import Variance

PresetName = Literal["paper", "audio"]


@dataclass(frozen=True)
class Preset:
    """Settings of `UnMixTNS`, whose documentation says what each does.

    Parameters
    ----------
    horizon
        None: a constant rate, from the BatchNorm's momentum and the batch sizes.
    gated
        Whether clips that are constant, such as digital silence, are not learnt from.
    """

    components: int = 16
    alpha: float = 0.5
    horizon: float | None = None
    prior: float | None = None
    temperature: float = 0.07
    variance: Variance = "paper"
    start: Start = "gaussian"
    gated: bool = False

    def with_given(self, **given: Any) -> Preset:
        """Return these settings with those given that are not None."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def layer_settings(self) -> dict[str, Any]:
        """Return what `UnMixTNS` takes."""
        settings = asdict(self)
        del settings["gated"]
        return settings


PRESETS: dict[str, Preset] = {
    "paper": Preset(),
    "audio": Preset(alpha=0.05, horizon=640.0, temperature=0.1, start="matched", gated=True),
}
"""`paper` is the published method to the digit. `audio` starts from the source's exact moments, and forgets in as many clips as an audio
stream has, not in ten thousand."""


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}", hint=f"the presets are {', '.join(PRESETS)}")
    return PRESETS[name]


def published_rate(momentum: float, batch_size: int, max_batch_size: int) -> float:
    """Return λ = 1 - (1 - m)^(batch size / largest batch size): the same forgetting for a stream in smaller batches."""
    return 1 - (1 - momentum) ** (batch_size / max_batch_size)
