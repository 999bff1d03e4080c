"""The end of a generator: from the last convolution's channels to samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ossicle import kernels
from ossicle.errors import MelError


def split_polar(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return magnitude and phase in radians, each (B, n_fft // 2 + 1, F), of channels (B, n_fft + 2, F).

    The phase is the sine itself, so it lies in [-1, 1]: literal to Kaneko et al. (2022) as published and trained.
    """
    magnitude, phase = x.chunk(2, dim=1)
    return torch.exp(magnitude), torch.sin(phase)


def inverse_stft(spectrum: Tensor, n_fft: int, hop: int) -> Tensor:
    """Return samples (B, (F - 1) * hop) of a complex spectrum (B, n_fft // 2 + 1, F), periodic Hann, centre-trimmed."""
    window = torch.hann_window(n_fft, device=spectrum.device, dtype=spectrum.real.dtype)
    return torch.istft(spectrum, n_fft, hop, n_fft, window, center=True)


def windowed_frames(spectrum: Tensor, n_fft: int) -> Tensor:
    """Return what an inverse STFT adds up, (B, n_fft, F), of a complex spectrum (B, n_fft // 2 + 1, F)."""
    window = torch.hann_window(n_fft, device=spectrum.device, dtype=spectrum.real.dtype)
    return torch.fft.irfft(spectrum, n_fft, dim=1) * window[:, None]


def istft_head(x: Tensor, n_fft: int, hop: int) -> Tensor:
    """Return samples (B, (F - 1) * hop) of channels (B, n_fft + 2, F): the plain reference of kernel ``istft-head``."""
    if x.shape[0] == 0 or x.shape[2] < 2:
        return x.new_zeros(x.shape[0], max(x.shape[2] - 1, 0) * hop)
    magnitude, phase = split_polar(x)
    return inverse_stft(torch.polar(magnitude, phase), n_fft, hop)


class SineHead(nn.Module):
    """Exponential magnitude, sine phase, inverse STFT; the fused kernel where one is to be had."""

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop = hop

    def forward(self, x: Tensor) -> Tensor:
        """Return samples (B, (F - 1) * hop) of channels (B, n_fft + 2, F), computed in float32 at least."""
        x = _wide(x)
        if x.requires_grad:
            return istft_head(x, self.n_fft, self.hop)
        head = kernels.pick(
            "istft-head", device=x.device.type, dtype=str(x.dtype).removeprefix("torch."), fallback=istft_head
        )
        return head(x, self.n_fft, self.hop)

    def frames(self, x: Tensor) -> Tensor:
        """Return windowed frames (B, n_fft, F), not yet added up, of channels (B, n_fft + 2, F)."""
        magnitude, phase = split_polar(_wide(x))
        return windowed_frames(torch.polar(magnitude, phase), self.n_fft)


class FullPhaseHead(nn.Module):
    """Exponential magnitude, phase as the angle of two channels a bin, inverse STFT."""

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop = hop

    def forward(self, x: Tensor) -> Tensor:
        """Return samples (B, (F - 1) * hop) of channels (B, 3 * (n_fft // 2 + 1), F)."""
        return inverse_stft(self.spectrum(x), self.n_fft, self.hop)

    def frames(self, x: Tensor) -> Tensor:
        """Return windowed frames (B, n_fft, F), not yet added up, of channels (B, 3 * (n_fft // 2 + 1), F)."""
        return windowed_frames(self.spectrum(x), self.n_fft)

    def spectrum(self, x: Tensor) -> Tensor:
        """Return the complex spectrum (B, n_fft // 2 + 1, F) of channels (B, 3 * (n_fft // 2 + 1), F)."""
        magnitude, cosine, sine = _wide(x).chunk(3, dim=1)
        # The tiny offset keeps the gradient finite where both channels vanish.
        scale = torch.exp(magnitude) * torch.rsqrt(cosine.square() + sine.square() + 1e-12)
        return torch.complex(scale * cosine, scale * sine)


class TanhHead(nn.Module):
    """HiFi-GAN's end: one channel through tanh."""

    def forward(self, x: Tensor) -> Tensor:
        """Return samples (B, N) in [-1, 1] of one channel (B, 1, N)."""
        return torch.tanh(_wide(x))[:, 0]


def _wide(x: Tensor) -> Tensor:
    """Widen to float32: exp overflows in half precision, and an inverse STFT wants better than bfloat16."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_frames(n_frames: int, upsampled: int) -> None:
    """Raise `MelError` where an inverse STFT would get a single frame, which carries no sample."""
    if upsampled < 2:
        raise MelError(
            f"{n_frames} mel frame is too short for this generator",
            why="its inverse STFT gets a single frame, whose centre-trimmed output is empty",
            hint="give at least 2 frames",
        )
