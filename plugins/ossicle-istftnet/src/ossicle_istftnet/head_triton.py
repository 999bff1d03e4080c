"""The fused head in Triton: exp, sine, inverse real DFT, window, overlap-add and envelope in one pass over the channels.

Each program makes a tile of samples: BLOCK frame positions by HOP samples. Sample m = q * hop + r is the sum over the
OVERLAP frames q - j that reach it of tap r + j * hop, so nothing is scattered and no atomics are needed. Only this
module imports Triton, and only the kernel component imports this module.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

_TILE = 512


@triton.jit
def _head(
    x_ptr,
    basis_ptr,
    square_ptr,
    out_ptr,
    n_frames,
    n_samples,
    stride_batch,
    stride_channel,
    stride_frame,
    BINS: tl.constexpr,
    HALF: tl.constexpr,
    HOP: tl.constexpr,
    HOP_PADDED: tl.constexpr,
    OVERLAP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    batch = tl.program_id(1).to(tl.int64)
    q = HALF // HOP + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    r = tl.arange(0, HOP_PADDED)
    total = tl.zeros((BLOCK, HOP_PADDED), dtype=tl.float32)
    envelope = tl.zeros((BLOCK, HOP_PADDED), dtype=tl.float32)
    for j in range(OVERLAP):
        frame = q - j
        exists = (frame >= 0) & (frame < n_frames)
        square = tl.load(square_ptr + j * HOP_PADDED + r)
        envelope += tl.where(exists[:, None], square[None, :], 0.0)
        column = x_ptr + batch * stride_batch + frame * stride_frame
        for b in range(BINS):
            log_magnitude = tl.load(column + b * stride_channel, mask=exists, other=0.0)
            angle = tl.sin(tl.load(column + (BINS + b) * stride_channel, mask=exists, other=0.0))
            magnitude = tl.where(exists, tl.exp(log_magnitude), 0.0)
            row = basis_ptr + (j * BINS + b) * 2 * HOP_PADDED + r
            total += (magnitude * tl.cos(angle))[:, None] * tl.load(row)[None, :]
            total += (magnitude * tl.sin(angle))[:, None] * tl.load(row + HOP_PADDED)[None, :]
    n = q[:, None] * HOP + r[None, :] - HALF
    wanted = (n >= 0) & (n < n_samples) & (r[None, :] < HOP)
    # Positions outside the output may have no window over them at all.
    tl.store(out_ptr + batch * n_samples + n, total / tl.where(wanted, envelope, 1.0), mask=wanted)


@lru_cache(maxsize=32)
def _tables(n_fft: int, hop: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the windowed inverse-DFT basis (OVERLAP, BINS, 2, HOP_PADDED) and the squared window (OVERLAP, HOP_PADDED).

    Inner bins count twice; the imaginary parts of the first and last bin do not count at all, as in an inverse real DFT.
    """
    overlap, padded, bins = -(-n_fft // hop), triton.next_power_of_2(hop), n_fft // 2 + 1
    window = torch.hann_window(n_fft, dtype=torch.float64)
    weight = torch.full((bins, 1), 2.0 / n_fft, dtype=torch.float64)
    weight[[0, -1]] = 1.0 / n_fft
    angle = 2 * torch.pi / n_fft * torch.arange(bins, dtype=torch.float64)[:, None] * torch.arange(n_fft)
    sine = -angle.sin()
    sine[[0, -1]] = 0.0
    basis = torch.stack([angle.cos(), sine], dim=1) * weight[:, None] * window

    def by_overlap(table: Tensor) -> Tensor:
        taps = torch.nn.functional.pad(table, (0, overlap * hop - n_fft)).unflatten(-1, (overlap, hop))
        return torch.nn.functional.pad(taps, (0, padded - hop)).movedim(-2, 0).float().contiguous().to(device)

    return by_overlap(basis), by_overlap(window.square())


def fused_head(x: Tensor, n_fft: int, hop: int) -> Tensor:
    """Return samples (B, (F - 1) * hop), float32, of channels (B, n_fft + 2, F), float32 of any strides."""
    batch, _, n_frames = x.shape
    n_samples = max(n_frames - 1, 0) * hop
    out = torch.empty(batch, n_samples, device=x.device, dtype=torch.float32)
    if out.numel() == 0:
        return out
    basis, square = _tables(n_fft, hop, x.device)
    padded = basis.shape[-1]
    block = max(1, _TILE // padded)
    positions = -(-(n_samples + n_fft // 2 % hop) // hop)
    _head[(triton.cdiv(positions, block), batch)](
        x,
        basis,
        square,
        out,
        n_frames,
        n_samples,
        *x.stride(),
        BINS=n_fft // 2 + 1,
        HALF=n_fft // 2,
        HOP=hop,
        HOP_PADDED=padded,
        OVERLAP=basis.shape[0],
        BLOCK=block,
    )
    return out
