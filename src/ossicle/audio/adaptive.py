"""A trained classifier that adapts to what it hears, and whose state outlives the process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ossicle.atomic import replacing
from ossicle.audio.classifier import Classifier
from ossicle.errors import CheckpointError
from ossicle.registry import default_registry

_FORMAT = "ossicle-adapter-state"


class AdaptiveClassifier:
    """A classifier behind an adapter.

    Parameters
    ----------
    classifier
        As trained; it stays as it is.
    adapter
        A component of the kind ``adapter``; None: the classifier as trained, in the same clothes.
    settings
        What it is built with.
    """

    def __init__(self, classifier: Classifier, adapter: str | None, settings: Mapping[str, Any] | None = None) -> None:
        self.adapter, self.settings = adapter, dict(settings or {})
        self._worker = None if adapter is None else default_registry().build("adapter", adapter, **self.settings)
        self.trained = self.adapted = classifier
        if self._worker is not None:
            self.adapted = replace(classifier, network=self._worker.adapt(classifier.network))
        self.heard = 0
        """Windows so far: those before a restoration too, and those that a caller counts without having them heard."""

    def __call__(self, wave: Tensor) -> Tensor:
        """Return probabilities (B, K) of clips (B, N), and adapt to them; see `Classifier`."""
        found = self.adapted(wave)
        self.heard += len(wave)
        return found

    def reset(self) -> None:
        """Start anew."""
        if self._worker is not None:
            self._worker.reset(self.adapted.network)
        self.heard = 0

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        from safetensors.torch import save_file

        # Cloned, since safetensors refuses tensors that share memory.
        state = {k: v.detach().cpu().contiguous().clone() for k, v in self.adapted.network.state_dict().items()}
        about = {"format": _FORMAT, "heard": str(self.heard), **self._identity()}
        with replacing(path) as part:
            save_file(state, part, metadata=about)

    def load(self, path: Path) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        CheckpointError
            If the file is damaged, or of another model or adapter.
        """
        from safetensors import safe_open

        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except Exception as error:
            raise CheckpointError(
                f"{path} cannot be read as an adapter's state",
                why=str(error).splitlines()[0],
                hint="remove it to start anew",
            ) from error
        for name, wanted in {"format": _FORMAT, **self._identity()}.items():
            if about.get(name) != wanted:
                raise CheckpointError(
                    f"{path} is the state of something else",
                    why=f"its {name} is {about.get(name)}, not {wanted}",
                    hint="name another state file, or remove it to start anew",
                )
        try:
            self.adapted.network.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(f"{path} does not fit the model", why=str(error).splitlines()[0]) from error
        self.heard = int(about.get("heard", 0))

    def _identity(self) -> dict[str, str]:
        digest = hashlib.blake2b(digest_size=8)
        for name, value in sorted(self.trained.network.state_dict().items()):
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        settings = json.dumps(self.settings, sort_keys=True, default=str)
        return {"model": digest.hexdigest(), "adapter": str(self.adapter), "settings": settings}


def finite_rows(wave: Tensor) -> Tensor:
    """Return which clips of (B, N) hold finite samples alone, (B,)."""
    return torch.isfinite(wave).all(dim=1)
