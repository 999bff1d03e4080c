"""Training state on disk: written whole or not at all, read without running code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ossicle.atomic import replacing
from ossicle.errors import CheckpointError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values; an existing file is replaced only by a complete one."""
    with replacing(path) as part:
        torch.save(state, part)


def load_state(path: Path, *, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what `save_state` wrote.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or would need code to be run.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"no training state at {path}", hint="start without resuming") from None
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read as training state",
            why=str(error).splitlines()[0],
            hint="remove it to start again, or resume from an older one",
        ) from error
