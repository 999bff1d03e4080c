"""Analyses: a sound in, rows of numbers out, each with names of its columns."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ossicle.audio.classifier import Classifier, load_classifier
from ossicle.audio.files import decode, read
from ossicle.audio.resample import resample_array
from ossicle.errors import ConfigError
from ossicle_outliers.sound.front_end import check_wave
from ossicle_outliers.sound.settings import SoundSettings

_WINDOWS_AT_ONCE = 32


class Analysis(Protocol):
    """What makes rows of a sound."""

    sample_rate: int
    columns: tuple[str, ...]

    def __call__(self, wave: Tensor) -> Tensor:
        """Return rows (V, D), float32, of a sound (N,) at `sample_rate`; one row at least for one sample at least."""
        ...


class FrameStatistics:
    """Mean and standard deviation of every log-mel band over a clip, in dB: one row (1, 2 M).

    The deviation is that of the frames at hand (divided by T), so that a clip of one frame has one: 0.
    """

    def __init__(self, settings: SoundSettings) -> None:
        self.sample_rate = settings.sample_rate
        self._front_end = settings.log_mel()
        bands = range(settings.n_mels)
        self.columns = (*(f"mean of band {m}" for m in bands), *(f"deviation of band {m}" for m in bands))

    def __call__(self, wave: Tensor) -> Tensor:
        """Return one row of a sound (N,)."""
        mel = self._front_end(wave)
        return torch.cat([mel.mean(dim=1), mel.std(dim=1, correction=0)])[None]


class FrameRuns:
    """Runs of consecutive log-mel frames, a row each: (T - context + 1, M context), the first frame's bands first.

    As the baseline of DCASE 2020's Task 2: Slaney's mels, power, dB, 128 bands and 5 frames. A clip of fewer frames than a run
    repeats its last one.
    """

    def __init__(self, settings: SoundSettings) -> None:
        self.sample_rate = settings.sample_rate
        self._context = settings.context
        self._front_end = settings.log_mel(scale="slaney", area_norm=True)
        self.columns = tuple(f"frame {t} band {m}" for t in range(settings.context) for m in range(settings.n_mels))

    def __call__(self, wave: Tensor) -> Tensor:
        """Return the rows of a sound (N,)."""
        mel = self._front_end(wave)
        if (short := self._context - mel.shape[1]) > 0:
            mel = torch.cat([mel, mel[:, -1:].expand(-1, short)], dim=1)
        return mel.unfold(1, self._context, 1).permute(1, 2, 0).flatten(1)


class Embedding:
    """The mean of a trained classifier's features over the windows of a clip: one row (1, F)."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.sample_rate = classifier.sample_rate
        self.columns = tuple(f"feature {f}" for f in range(classifier.network.n_features))  # type: ignore[arg-type]

    @torch.no_grad()
    def __call__(self, wave: Tensor) -> Tensor:
        """Return one row of a sound (N,)."""
        check_wave(wave)
        front_end, network = self._classifier.front_end, self._classifier.network
        total = torch.zeros(len(self.columns), dtype=torch.float64)
        windows = self._classifier.windows(wave)
        for part in windows.split(_WINDOWS_AT_ONCE):
            heard = front_end.standardize(front_end(part.to(front_end.window.device)))
            total += network.features(heard).double().sum(dim=0).cpu()  # type: ignore[operator]
        return (total / len(windows)).float()[None]


def build_analysis(settings: SoundSettings, *, classifier: Path | None = None) -> Analysis:
    """Return the analysis that settings ask for.

    Parameters
    ----------
    classifier
        Folder of a trained classifier, for embeddings.

    Raises
    ------
    ConfigError, CheckpointError
        If an embedding lacks its classifier, or that cannot be read.
    """
    if settings.vectors == "statistics":
        return FrameStatistics(settings)
    if settings.vectors == "frames":
        return FrameRuns(settings)
    if classifier is None:
        raise ConfigError("an embedding needs a classifier", hint="name its folder with --classifier DIR")
    return Embedding(load_classifier(classifier))


def load_wave(source: Path | bytes, sample_rate: int) -> Tensor:
    """Return a sound file as samples (N,), float32: channels averaged, resampled, one sample at least.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    clip = (decode(source) if isinstance(source, bytes) else read(source)).mono()
    return torch.from_numpy(resample_array(clip.samples, clip.sample_rate, sample_rate)[0])
