"""Training state on disk, and the weights of others: written whole or not at all, read without running code."""

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


def read_weights(path: Path) -> Any:
    """Read what a file of weights holds, on the CPU: safetensors, or torch's format with plain values alone.

    Raises
    ------
    CheckpointError
        If the file is missing, empty, damaged, or would need code to be run.
    """
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise CheckpointError(
            f"cannot read checkpoint {path}", why=error.strerror or str(error), hint="check the path"
        ) from error
    if not head:
        raise CheckpointError(f"{path.name} is empty", why="it has 0 bytes", hint="download it again")
    try:
        if head[8:9] == b"{":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        text = " ".join(str(error).split())
        if "Unsupported" in text or ("weights_only" in text.lower() and "GLOBAL" in text):
            raise CheckpointError(
                f"{path.name} is refused",
                why="reading it would run code that it carries; nothing was run",
                hint="ask its author for a file that holds tensors only, such as safetensors",
            ) from error
        raise CheckpointError(
            f"{path.name} is damaged or no checkpoint", why=text[:200] or type(error).__name__, hint="download it again"
        ) from error
