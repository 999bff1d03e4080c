"""Fast Griffin-Lim from mels: the vocoder without weights that a trained one has to beat.

Sources: Griffin and Lim (1984); Perraudin, Balazs and Sondergaard, "A fast Griffin-Lim algorithm" (2013).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import fold, pad

from ossicle.audio.mel import MelFrontEnd, MelSettings, check_mels
from ossicle.errors import ConfigError


class GriffinLim:
    """Magnitudes by the pseudo-inverse of the mel bank, phases by iteration.

    Parameters
    ----------
    iterations, momentum
        How long and how boldly phases are sought; momentum 0 is the original algorithm.
    front_end
        The analysis its mels come from, as `MelSettings` or its dictionary; None is HiFi-GAN's at 22,050 Hz.
    seed
        Of the phases it starts from.
    """

    def __init__(
        self,
        *,
        iterations: int = 32,
        momentum: float = 0.99,
        front_end: MelSettings | dict[str, Any] | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if iterations < 1 or not 0.0 <= momentum < 1.0:
            raise ConfigError(
                f"{iterations} iterations with momentum {momentum}", why="at least one, and momentum in [0, 1)"
            )
        settings = MelSettings.from_dict(front_end) if isinstance(front_end, dict) else front_end
        self._front_end = MelFrontEnd(settings or MelSettings.hifigan())
        self.iterations, self.momentum, self.seed = iterations, momentum, seed
        self.sample_rate = self.front_end.sample_rate
        self.hop_length = self.front_end.hop_length
        self.n_mels = self.front_end.n_mels
        self._inverse = torch.linalg.pinv(self._front_end.bank.double()).float()
        self.to(device)

    @property
    def front_end(self) -> MelSettings:
        """The analysis that its mels come from."""
        return self._front_end.settings

    def to(self, device: Any) -> GriffinLim:
        """Move to a device and return itself."""
        self._front_end.to(device)
        self._inverse = self._inverse.to(device)
        return self

    @torch.no_grad()
    def mel(self, wave: Tensor) -> Tensor:
        """Return natural-log mels (B, M, T) of samples (B, N) at `sample_rate`."""
        return self._front_end(wave.to(self._inverse.device, torch.float32))

    @torch.no_grad()
    def __call__(self, mel: Tensor) -> Tensor:
        """Return samples (B, N), float32, of natural-log mels (B, M, T); N = T * hop_length for HiFi-GAN's framing.

        Raises
        ------
        MelError
            If the shape does not fit or values are not finite.
        """
        mel = mel.to(self._inverse.device, torch.float32)
        check_mels(mel, self.n_mels, taken_by="Griffin-Lim")
        magnitude = torch.matmul(self._inverse, mel.exp()).clamp(min=0.0)
        draw = torch.Generator().manual_seed(self.seed)
        # The same starting phases for every row, so that a row does not depend on its neighbours in the batch.
        angle = torch.rand(1, *magnitude.shape[1:], generator=draw).to(magnitude.device) * (2 * torch.pi)
        phase = torch.polar(torch.ones_like(angle), angle).expand_as(magnitude)
        previous = torch.zeros_like(phase)
        for _ in range(self.iterations):
            rebuilt = self._analyse(self._synthesise(magnitude * phase))
            phase = rebuilt - self.momentum / (1 + self.momentum) * previous
            phase = phase / phase.abs().clamp(min=1e-16)
            previous = rebuilt
        s = self.front_end
        cut = s.n_fft // 2 if s.padding == "center" else (s.n_fft - s.hop_length) // 2
        wave = self._synthesise(magnitude * phase)
        return wave[:, cut : wave.shape[1] - cut]

    def _window(self) -> Tensor:
        s = self.front_end
        left = (s.n_fft - s.win_length) // 2
        return pad(self._front_end.window, (left, s.n_fft - s.win_length - left))

    def _analyse(self, wave: Tensor) -> Tensor:
        s = self.front_end
        return torch.stft(wave, s.n_fft, s.hop_length, s.n_fft, self._window(), center=False, return_complex=True)

    def _synthesise(self, spectrum: Tensor) -> Tensor:
        # torch.istft refuses frames that are not centred, since its window sum starts at zero; ours is floored.
        s, window = self.front_end, self._window()
        frames = torch.fft.irfft(spectrum, s.n_fft, dim=1) * window[None, :, None]
        length = (spectrum.shape[2] - 1) * s.hop_length + s.n_fft
        weights = window.square()[None, :, None].expand(1, -1, spectrum.shape[2])
        return _overlap_add(frames, length, s.hop_length) / _overlap_add(weights, length, s.hop_length).clamp(min=1e-3)

    def __repr__(self) -> str:
        return f"GriffinLim({self.iterations} iterations, momentum {self.momentum}, {self.sample_rate} Hz)"


def _overlap_add(frames: Tensor, length: int, hop: int) -> Tensor:
    return fold(frames, (1, length), (1, frames.shape[1]), stride=(1, hop))[:, 0, 0]
