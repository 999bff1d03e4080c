"""One `typing.Protocol` a kind: what the host and its commands rely on, and nothing more.

Shape letters: B batch, C channels, M mels, T frames, N samples, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch


class FrontEnd(Protocol):
    """The settings of an analysis, as far as the host needs them; `ossicle.audio.mel.MelSettings` is one."""

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        ...

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        ...

    @property
    def n_mels(self) -> int:
        """Mels per frame."""
        ...


@runtime_checkable
class Vocoder(Protocol):
    """Turns mel spectrograms into sound, and knows the analysis that its mels come from."""

    sample_rate: int
    hop_length: int
    n_mels: int

    @property
    def front_end(self) -> FrontEnd:
        """The settings of the mel analysis that this vocoder was trained on."""
        ...

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Return samples (B, N), float32, nominally in [-1, 1], for natural-log mels (B, M, T)."""
        ...

    def mel(self, wave: torch.Tensor) -> torch.Tensor:
        """Return mels (B, M, T), float32, of samples (B, N) at `sample_rate`."""
        ...

    def to(self, device: Any) -> Vocoder:
        """Move the vocoder to a device and return it."""
        ...


@runtime_checkable
class Kernel(Protocol):
    """An operation with a plain reference and accelerated twins that must agree with it.

    `op` names the operation; `tolerance` is the largest absolute difference allowed between a twin and the reference.
    """

    op: str
    tolerance: float

    def reference(self, *args: Any) -> Any:
        """Compute the operation in plain torch."""
        ...

    def accelerated(self, *args: Any) -> Any:
        """Compute the operation by the fast path; imports what it needs on first use."""
        ...

    def supports(self, device: str, dtype: str) -> bool:
        """Tell whether the fast path runs on this device type and dtype, without importing it."""
        ...

    def samples(self) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """Yield (label, arguments) pairs over a grid of shapes: empty, one, odd, non-contiguous, large."""
        ...
