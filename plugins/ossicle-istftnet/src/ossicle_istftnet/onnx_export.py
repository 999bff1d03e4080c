"""A generator as one ONNX file: mels in, samples out, the inverse STFT inside, no complex numbers, any length.

The inverse STFT is a transposed convolution with the windowed inverse-DFT basis, divided by the window's squared sum: a
constant inside, other at the two ends, and computed in the graph by the same convolution over a row of ones.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose1d

from ossicle.atomic import replacing
from ossicle.errors import MissingPackageError
from ossicle_istftnet.generator import Generator

OPSET = 17


class RealInverseSTFT(nn.Module):
    """Magnitude and phase to samples in real arithmetic, equal to torch.istft with a periodic Hann window."""

    basis: Tensor
    square: Tensor

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        bins, taps = torch.arange(n_fft // 2 + 1).double(), torch.arange(n_fft).double()
        angle = 2 * torch.pi * bins[:, None] * taps / n_fft
        # Inner bins stand for their mirror images too; the imaginary parts of the outer two do not count.
        weight = torch.full((len(bins), 1), 2.0).double()
        weight[0] = weight[-1] = 1.0
        window = torch.hann_window(n_fft, dtype=torch.float64)
        real, imaginary = weight * angle.cos(), -weight * angle.sin()
        imaginary[0] = imaginary[-1] = 0.0
        self.register_buffer("basis", (torch.cat([real, imaginary]) * window / n_fft).float()[:, None])
        self.register_buffer("square", window.square().float()[None, None])

    def forward(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Return samples (B, (F - 1) * hop) of real and imaginary parts (B, n_fft // 2 + 1, F)."""
        half = self.n_fft // 2
        samples = conv_transpose1d(torch.cat([real, imaginary], 1), self.basis, stride=self.hop)
        envelope = conv_transpose1d(torch.ones_like(real[:1, :1]), self.square, stride=self.hop)
        return samples[:, 0, half:-half] / envelope[:, 0, half:-half].clamp(min=1e-11)


class ExportedGenerator(nn.Module):
    """What is written: a generator whose head is in real arithmetic."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        config = generator.config
        self.generator = generator
        self.full_phase = config.phase == "full"
        self.istft: RealInverseSTFT | None = None
        if config.istft_n_fft is not None and config.istft_hop is not None:
            self.istft = RealInverseSTFT(config.istft_n_fft, config.istft_hop)

    def forward(self, mel: Tensor) -> Tensor:
        """Return samples (B, N) of natural-log mels (B, M, T)."""
        channels = self.generator.channels(mel)
        if self.istft is None:
            return torch.tanh(channels)[:, 0]
        if self.full_phase:
            magnitude, cosine, sine = channels.chunk(3, dim=1)
            scale = torch.exp(magnitude) * torch.rsqrt(cosine.square() + sine.square() + 1e-12)
            return self.istft(scale * cosine, scale * sine)
        magnitude, phase = channels.chunk(2, dim=1)
        scale, angle = torch.exp(magnitude), torch.sin(phase)
        return self.istft(scale * torch.cos(angle), scale * torch.sin(angle))


def export_onnx(generator: Generator, path: Path) -> None:
    """Write a generator as ONNX, opset 17, inputs ``mel`` (batch, mels, frames), output ``wave`` (batch, samples).

    Raises
    ------
    MissingPackageError
        If the package onnx is not installed.
    """
    try:
        import onnx  # noqa: F401  (torch's exporter writes through it)
    except ImportError as error:
        raise MissingPackageError(
            "the package onnx is not installed", why=str(error), hint="pip install 'ossicle-istftnet[onnx]'"
        ) from error
    import warnings

    example = torch.full((1, generator.config.n_mels, 16), -8.0)
    with replacing(path) as part, warnings.catch_warnings():
        # The exporter that needs no further package is called legacy, and traces lengths that are then dynamic.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            ExportedGenerator(generator).eval(),
            (example,),
            str(part),
            input_names=["mel"],
            output_names=["wave"],
            dynamic_axes={"mel": {0: "batch", 2: "frames"}, "wave": {0: "batch", 1: "samples"}},
            opset_version=OPSET,
            dynamo=False,
        )
