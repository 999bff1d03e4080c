"""The entry point: one record, so that listing plugins imports neither torch nor vocos."""

from __future__ import annotations

from collections.abc import Iterator

from ossicle.plugin import Component, hookimpl


@hookimpl
def ossicle_components() -> Iterator[Component]:
    """Yield the vocoder."""
    yield Component(
        "vocoder",
        "vocos",
        "ossicle_vocos.vocoder:VocosVocoder",
        "Vocos: a ConvNeXt body and an inverse STFT; needs a checkpoint",
        example="ossicle_vocos.example:small",
    )
