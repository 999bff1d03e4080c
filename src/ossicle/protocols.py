"""One `typing.Protocol` a kind: what the host and its commands rely on, and nothing more.

Shape letters: B batch, C channels, M mels, T frames, N samples, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

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


@runtime_checkable
class Backbone(Protocol):
    """A classifier network in two halves, built as ``Backbone(classes, seed=...)``: a torch module.

    `n_features` is the width between the halves; `config` holds the arguments that build it again.
    """

    n_features: int
    config: Mapping[str, Any]
    classifier: Any

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return pooled features (B, n_features) of log-mels (B, 1, M, T), any T of at least 8."""
        ...

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K): the classifier's of the features."""
        ...


@dataclass(frozen=True)
class View:
    """One of the batches that a method asks for in every step.

    Parameters
    ----------
    name
        Key of the batch that `SSLMethod.loss` gets.
    source
        Labelled clips, another and independent draw of them, or unlabelled clips. Views of one source show the same
        clips; labels come as ``<source>/targets``, except for the unlabelled ones, which stay secret.
    strength
        How they are augmented.
    """

    name: str
    source: Literal["labeled", "labeled-2", "unlabeled"]
    strength: Literal["none", "weak", "strong"]


@dataclass
class StepOutput:
    """What a method computes from one step's batches.

    Parameters
    ----------
    loss
        To be minimised, a scalar.
    metrics
        Scalars worth a log, detached.
    guesses
        Probabilities (U, K) that the unlabelled clips were trained on, if the method makes any.
    mask
        Which of them counted, (U,); None: all.
    """

    loss: torch.Tensor
    metrics: dict[str, torch.Tensor] = field(default_factory=dict)
    guesses: torch.Tensor | None = None
    mask: torch.Tensor | None = None


@runtime_checkable
class SSLMethod(Protocol):
    """A way to learn from labelled and unlabelled clips: a torch module that holds its networks and all its state.

    Built as ``Method(make_network, classes=K, seed=..., **settings)``; ``make_network(seed)`` gives a `Backbone`.
    `student` is the network that is trained, or one of them: trainers keep a running average of it.
    """

    views: Sequence[View]
    student: Any

    def loss(self, batch: Mapping[str, torch.Tensor], *, draw: torch.Generator, progress: Any) -> StepOutput:
        """Return the loss of one step: `batch` has (B, 1, M, T) for each view and (B, K) targets for labelled sources.

        `draw` is the only source of random numbers; `progress` has ``step`` and ``steps``.
        """
        ...

    def trainable(self) -> list[Any]:
        """Return the parameters that the optimizer moves."""
        ...

    def after_step(self, step: int) -> None:
        """Be told that the optimizer has taken its step number `step`, counted from zero."""
        ...

    def evaluated(self) -> Mapping[str, Any]:
        """Return the networks worth evaluating by name, the one to report first."""
        ...


@runtime_checkable
class Mixer(Protocol):
    """Mixes the examples of a batch, and their labels with them."""

    def __call__(self, x: torch.Tensor, y: torch.Tensor, *, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mixed examples (B, ...) and label probabilities (B, K), whose rows still sum to one."""
        ...


@runtime_checkable
class Augmentation(Protocol):
    """Changes every example of a batch in its own way, of a waveform (B, N) or of log-mels in dB (B, M, T).

    `domain` says of which.
    """

    domain: Literal["waveform", "log-mel"]

    def __call__(self, x: torch.Tensor, *, draw: torch.Generator) -> torch.Tensor:
        """Return a new batch of the same shape."""
        ...


@dataclass(frozen=True)
class ClipRecord:
    """One clip of a data set.

    Parameters
    ----------
    path
        The sound file.
    label
        Index into the data set's labels; -1: nobody knows.
    fold
        Number of the prearranged fold, from 1; 0 where there are none.
    split
        ``train``, ``valid`` or ``test`` where the data set says so; else empty.
    source
        Of which recording it was cut: clips of one source must not be on both sides of a split. Empty: not known.
    speaker
        Who speaks; empty: not known.
    """

    path: Path
    label: int
    fold: int = 0
    split: str = ""
    source: str = ""
    speaker: str = ""


@runtime_checkable
class Dataset(Protocol):
    """Knows where a data set's clips, labels and official splits lie on a disk: built as ``Dataset(folder)``.

    `labels` are the classes' names; `home` says where users get the data, or is empty. Two more may be there: ``expected``,
    the number of clips of a whole copy, and ``sums``, SHA-256 in hexadecimal by path relative to the folder.
    """

    labels: Sequence[str]
    home: str

    def clips(self) -> Sequence[ClipRecord]:
        """Return a record for every clip, the same order every time."""
        ...

    def missing(self) -> Sequence[Path]:
        """Return the paths of clips whose files are not there."""
        ...

    def split(self, *, fold: int | None = None, **options: Any) -> Mapping[str, Sequence[int]]:
        """Return indices into `clips` of ``train`` and ``test`` (and ``valid``), in the official way unless told otherwise.

        `fold` is the one to test, where there are folds, and None where there are none.
        """
        ...


@runtime_checkable
class Adapter(Protocol):
    """Keeps a trained classifier right while what it hears drifts, without labels.

    `adapt` gives a copy of a network that adapts whenever it is called; all its state is in the copy's ``state_dict()``, so
    that a stream can be saved, resumed and go on with the same labels.
    `changes_weights` says whether trained weights move, and not normalization statistics alone.
    """

    changes_weights: bool

    def adapt(self, model: Any) -> Any:
        """Return a converted copy: a torch module, (B, ...) to logits (B, K), that adapts in train and eval mode alike.

        The model given stays as it is.
        """
        ...

    def restore(self, model: Any) -> Any:
        """Return a plain copy of what `adapt` gave: the network as it was before."""
        ...

    def reset(self, model: Any) -> None:
        """Put what `adapt` gave back into the state it had right after, to the bit."""
        ...

    def freeze(self, model: Any, frozen: bool = True) -> None:
        """Stop what `adapt` gave from changing its state, or let it go on; it gives logits either way."""
        ...


@runtime_checkable
class Corruption(Protocol):
    """Worsens clips as the world does, in five severities, the same way for the same clip every time."""

    domain: Literal["waveform"]

    def __call__(self, wave: torch.Tensor, *, sample_rate: int, severity: int, keys: Sequence[str]) -> torch.Tensor:
        """Return clips (B, N), float32, worse than those given, of the same shape.

        `severity` is 1 to 5. `keys` has a name for each clip: what is drawn depends on a clip's key, the type and the severity,
        and on nothing else in the batch. Nothing is clipped, unless clipping is what the corruption is.
        """
        ...


@runtime_checkable
class OutlierDetector(Protocol):
    """Scores the rows of a table by how little they belong: PyOD's names, scikit-learn's manners, no labels.

    Built as ``Detector(**settings)``. Rows X are (n, d): arrays, nested lists, data frames or tensors of finite numbers.
    Higher scores are more abnormal. After ``fit``: ``decision_scores_`` (n,) of the fitted rows, ``threshold_`` (a row is
    an outlier above it), ``labels_`` (n,) of 0 and 1, ``n_features_in_``. ``contamination`` is the expected share of
    outliers: a number in (0, 0.5], 0 or None for none among the fitted rows, ``"auto"`` for a stated rule; it can be set
    after fit, and threshold and labels follow.
    """

    contamination: float | Literal["auto"] | None

    def fit(self, X: Any, y: Any = None) -> OutlierDetector:
        """Learn from rows (n, d) and return the detector; y is not looked at."""
        ...

    def decision_function(self, X: Any) -> Any:
        """Return scores (n,), float64, of rows (n, d), each by itself: no row's score depends on the others given."""
        ...

    def predict(self, X: Any) -> Any:
        """Return 1 for rows whose score is above the threshold, else 0, (n,)."""
        ...

    def predict_proba(self, X: Any) -> Any:
        """Return probabilities (n, 2) of belonging and of not belonging."""
        ...

    def get_params(self, deep: bool = True) -> Mapping[str, Any]:
        """Return the settings as they were given."""
        ...

    def set_params(self, **settings: Any) -> OutlierDetector:
        """Change settings and return the detector."""
        ...

    def save(self, folder: Any) -> None:
        """Write the fitted detector into a folder: plain values and arrays, nothing that runs."""
        ...
