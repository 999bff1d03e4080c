"""Corruptions that leave gaps: lost packets and dropouts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ossicle_unmix_tns.corruptions.base import Corruption, rand

_PACKET_S = 0.02
_BURSTS = (1.0, 1.0, 2.0, 3.0, 5.0)


def lost_packets(chances: Tensor, share: float, burst: float) -> Tensor:
    """Return which packets are lost, (B, P) bool, in the two-state model of Gilbert ("Capacity of a burst-noise channel", 1960).

    Parameters
    ----------
    chances
        Uniform numbers (B, P).
    share
        Of the packets that are lost in the long run.
    burst
        Mean number of packets lost in a row; at 1, every loss is followed by a packet that arrives.
    """
    recover = 1 / burst
    fail = min(1.0, share * recover / (1 - share))
    lost = torch.zeros_like(chances, dtype=torch.bool)
    state = chances[:, 0] < share
    lost[:, 0] = state
    for at in range(1, chances.shape[1]):
        state = torch.where(state, chances[:, at] >= recover, chances[:, at] < fail)
        lost[:, at] = state
    return lost


def silence_packets(
    wave: Tensor, sample_rate: int, share: float, burst: float, draws: Sequence[torch.Generator]
) -> Tensor:
    """Return clips (B, N) whose lost packets of 20 ms are silent."""
    size = max(1, round(_PACKET_S * sample_rate))
    packets = -(-wave.shape[1] // size)
    lost = lost_packets(rand(draws, packets, wave), share, burst)
    return wave.masked_fill(lost.repeat_interleave(size, dim=1)[:, : wave.shape[1]], 0.0)


class PacketLoss(Corruption):
    """Packets of 20 ms that do not arrive, in bursts of 1, 1, 2, 3 and 5 in the mean; nothing conceals them."""

    name = "packet-loss"
    grid = (2, 5, 10, 20, 40)
    unit = "% of the packets"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Silence what is lost."""
        share, burst = self.setting(severity) / 100, _BURSTS[severity - 1]
        return silence_packets(wave, sample_rate, share, burst, draws)


class Dropout(Corruption):
    """One gap of silence somewhere in the clip."""

    name = "dropout"
    grid = (5, 10, 20, 30, 40)
    unit = "% of the clip"

    def change(
        self, wave: Tensor, sample_rate: int, severity: int, keys: Sequence[str], draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Silence a stretch that begins at random and lies within the clip."""
        total = wave.shape[1]
        size = round(total * self.setting(severity) / 100)
        start = (rand(draws, 1, wave) * (total - size + 1)).long()
        at = torch.arange(total, device=wave.device)
        return wave.masked_fill((at >= start) & (at < start + size), 0.0)
