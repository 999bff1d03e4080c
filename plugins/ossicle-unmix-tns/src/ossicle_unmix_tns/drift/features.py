"""Log-mels of corrupted windows, computed once for each corruption and severity and kept on the disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.atomic import replacing
from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.registry import default_registry
from ossicle_unmix_tns.drift.data import Clips, Windows
from ossicle_unmix_tns.streams.protocol import CLEAN

_CLIPS_AT_ONCE = 64


class Features:
    """Log-mels of one set of windows in every domain that is asked for.

    Parameters
    ----------
    clips, windows
        What is heard.
    front_end
        Its settings; log-mels come as they are in dB, not standardised.
    cache
        Folder; what lies there from the same clips, windows and settings is taken.
    settings
        Of corruptions, by name.
    """

    def __init__(
        self,
        clips: Clips,
        windows: Windows,
        front_end: LogMelSettings,
        cache: Path,
        settings: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.clips, self.windows, self.front_end, self.cache, self.settings = clips, windows, front_end, cache, settings
        self._indices = sorted(set(windows.clip.tolist()))
        self._about = {
            "files": clips.keys(self._indices),
            "windows": [windows.clip.tolist(), windows.start.tolist()],
            "front_end": {**front_end.to_dict(), "mean_db": 0.0, "scale_db": 1.0},
        }

    def get(self, domain: tuple[str, int], say: Callable[[str], None] = lambda text: None) -> Tensor:
        """Return log-mels (W, M, T) in dB."""
        name, severity = domain
        own = {} if domain == CLEAN else {"settings": {k: str(v) for k, v in self.settings.get(name, {}).items()}}
        text = json.dumps([self._about, name, severity, own], sort_keys=True)
        file = self.cache / f"{name}-{severity}-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}.npy"
        if not file.exists():
            say(f"hearing {len(self.windows)} windows through {name} {severity}")
            values = self._hear(name, severity).numpy()
            with replacing(file) as part, part.open("wb") as out:
                np.save(out, values)
        return torch.from_numpy(np.load(file))

    def waves(self, indices: Sequence[int], name: str, severity: int) -> Tensor:
        """Return clips (B, N) as they are heard in a domain."""
        waves = self.clips.cache.waves(torch.tensor(indices, dtype=torch.int64))
        if not severity:
            return waves
        corrupt = default_registry().build("corruption", name, **self.settings.get(name, {}))
        keys = self.clips.keys(indices)
        found: Tensor = corrupt(waves, sample_rate=self.front_end.sample_rate, severity=severity, keys=keys)
        return found

    def _hear(self, name: str, severity: int) -> Tensor:
        f = self.front_end
        analyse, out = LogMel(f), torch.empty(len(self.windows), f.n_mels, f.frames)
        for part in torch.tensor(self._indices, dtype=torch.int64).split(_CLIPS_AT_ONCE):
            rows, cut = self.windows.cut(self.waves(part.tolist(), name, severity), part.tolist())
            if len(rows):
                out[rows] = analyse(cut)
        return out


def spread_of(decibels: Sequence[Tensor]) -> tuple[float, float]:
    """Return mean and standard deviation of log-mels, for the standardisation of a front end."""
    together = torch.cat([part.flatten() for part in decibels])
    return float(together.mean()), max(float(together.std()), 1e-3)
