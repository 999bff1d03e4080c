"""Published vocoder packages beside ours: random weights, for speed alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ossicle.errors import MissingPackageError, UnknownNameError


@dataclass(frozen=True)
class Peer:
    """A network of another package: mels (1, M, T) to samples, and what a second of its mels is."""

    call: Callable[[Tensor], Tensor]
    n_mels: int
    sample_rate: int
    hop_length: int


def _vocos() -> Peer:
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    backbone = VocosBackbone(input_channels=100, dim=512, intermediate_dim=1536, num_layers=8).eval()
    head = ISTFTHead(dim=512, n_fft=1024, hop_length=256, padding="center").eval()
    return Peer(lambda mel: head(backbone(mel)), 100, 24000, 256)


def _speechbrain() -> Peer:
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    dilations = [[1, 3, 5], [1, 3, 5], [1, 3, 5]]
    network = HifiganGenerator(80, 1, "1", dilations, [3, 7, 11], [16, 16, 4, 4], 512, [8, 8, 2, 2], 0).eval()
    return Peer(lambda mel: network(mel), 80, 22050, 256)


PEERS: dict[str, tuple[Callable[[], Peer], str]] = {
    "vocos": (_vocos, "vocos: 8 ConvNeXt blocks of 512, 13.5 M parameters, 24 kHz"),
    "speechbrain": (_speechbrain, "speechbrain: HiFi-GAN V1, 13.9 M parameters, 22,050 Hz"),
}


def build_peer(name: str, device: str) -> Peer:
    """Return a peer by name, on a device.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    MissingPackageError
        If its package is not installed.
    """
    if name not in PEERS:
        raise UnknownNameError(f"no peer is called {name!r}", hint=f"known: {', '.join(PEERS)}")
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            peer = PEERS[name][0]()
    except ImportError as error:
        raise MissingPackageError(
            f"the peer {name} is not installed", why=str(error), hint=f"pip install {name}"
        ) from error
    # A package that sets the number of threads on import would change everybody's measurement.
    torch.set_num_threads(threads)
    return peer if device == "cpu" else _moved(peer, device)


def _moved(peer: Peer, device: str) -> Peer:
    for cell in getattr(peer.call, "__closure__", None) or ():
        held: Any = cell.cell_contents
        if isinstance(held, torch.nn.Module):
            held.to(device)
    return peer
