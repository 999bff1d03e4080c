"""The autoencoders of arXiv 2304.00709: plain (AE) and probabilistic (PAE), sized by the number of columns."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from ossicle.training.seeds import generator_for
from ossicle_outliers.errors import SettingError

Kind = Literal["ae", "pae"]


def layer_sizes(width: int) -> list[int]:
    """Return the sizes from the input to the latent layer, both included, for rows of `width` columns.

    Halves round to the even neighbour, as the published code does; no layer is narrower than one.
    """
    if width < 20:
        inner = [round(width / 2)]
    elif width < 100:
        inner = [round(width / 2), round(width / 4)]
    else:
        inner = [round(width / 2), round(width / 4), round(width / (8 if width < 200 else 16))]
    return [width, *(max(1, size) for size in inner)]


class Autoencoder(nn.Module):
    """An encoder and its mirror image, ReLU after every layer but the last.

    Parameters
    ----------
    width
        Columns d of the rows.
    kind
        ``ae`` gives a reconstruction; ``pae`` a reconstruction and, beside it, what variances are made of.
    sizes
        From the input to the latent layer, both included.
    dropout
        Share of inner values set to zero in training.
    batch_norm
        Normalise inner layers over the batch in training.
    seed
        Of the initial weights: uniform within 1 / sqrt(fan in), as torch's linear layers start.
    """

    def __init__(
        self, width: int, kind: Kind, sizes: list[int], *, dropout: float = 0.0, batch_norm: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        self.width, self.kind = width, kind
        draw = generator_for(seed, "weights")
        whole = [*sizes, *sizes[-2::-1]]
        whole[-1] = width * (2 if kind == "pae" else 1)
        layers: list[nn.Module] = []
        for at, (before, after) in enumerate(pairwise(whole)):
            layers.append(_linear(before, after, draw))
            if at < len(whole) - 2:
                layers += [nn.BatchNorm1d(after)] if batch_norm else []
                layers += [nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return reconstructions (B, d) of rows (B, d), and (B, d) raw uncertainties of a ``pae``, else None."""
        out = self.layers(x)
        return (out[:, : self.width], out[:, self.width :]) if self.kind == "pae" else (out, None)


def make_network(width: int, kind: str = "pae", *, seed: int = 0, **options: float) -> Autoencoder:
    """Return the published network for rows of `width` columns; options are `Autoencoder`'s.

    Raises
    ------
    SettingError
        If there is no such kind of network.
    """
    if kind == "ae" or kind == "pae":
        return Autoencoder(width, kind, layer_sizes(width), seed=seed, **options)  # type: ignore[arg-type]
    raise SettingError(f"there is no network {kind!r}", hint="use 'ae' or 'pae'")


def _linear(before: int, after: int, draw: torch.Generator) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, before, after)
    bound = before**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=draw)
        layer.bias.uniform_(-bound, bound, generator=draw)
    return layer
