"""UnMix-TNS between statistics and normalisation: assignment, the collapsed mixture, the components' step.

Tomar, Vray, Thiran and Bozorgtabar, "Un-Mixing Test-Time Normalization Statistics: Combatting Label Temporal Correlation", ICLR
2024. The published layer forms every component's mixed statistics, B x K x C, and averages them. Written out, the averages are matrix
products of (B, K) with (K, C). With p the assignment, u = p - 1/K, A the components' means and e the instance's, both
less an origin, and bars for means over components:

    mean = A̅ + (e - p A) / K
    var  = S̅ + (v - p S) / K + [(1 - p)² A² + 2 e (u (1 - p)) A + e² Σ u²] / K - (A̅ - p A / K)²

Nothing here grows with the origin's distance from zero, and e² meets no equal of opposite sign.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ossicle_unmix_tns.statistics import Statistics

Variance = Literal["paper", "total"]

_NORM_FLOOR = 1e-12


@torch.no_grad()
def assign(instance_means: Tensor, means: Tensor, temperature: float) -> Tensor:
    """Return how much each component answers for each instance, (B, K), rows summing to one.

    A softmax of cosine similarities over channels, uncentred, divided by the temperature (0.07 in the published code); in float64
    where the device has it.

    Parameters
    ----------
    instance_means
        (B, C).
    means
        The components', (K, C).
    """
    # In float64 where there is one: the temperature multiplies an error by 14, a mean of 1000 by what it is off.
    wide = means.dtype if means.device.type == "mps" else torch.float64
    similarity = _directions(instance_means.to(wide)) @ _directions(means.to(wide)).t()
    return torch.softmax(similarity / temperature, dim=1)


def _directions(x: Tensor) -> Tensor:
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min(_NORM_FLOOR)


def collapse(
    statistics: Statistics, origin: Tensor, share: Tensor, apart: Tensor, spreads: Tensor, form: Variance = "paper"
) -> tuple[Tensor, Tensor]:
    """Return each instance's mixed mean, less its centre, and variance, both (B, C).

    Gradients reach the instances' means and variances, and nothing else.

    Parameters
    ----------
    origin
        (C,), near the components' means.
    share
        Assignments (B, K).
    apart, spreads
        The components' means less the origin, and their variances, (K, C).
    form
        ``paper``: a component mixed with an instance has the mixture of their variances, as published. ``total`` adds the distance
        of their means, p (1 - p) (e - A)², which the law of total variance asks for.
    """
    components = share.shape[1]
    offset = statistics.centre - origin
    above = offset + statistics.rest
    with torch.no_grad():
        # Differences first: an instance 1000 away multiplies what a share near 1/K has lost.
        left, lean, share = (s.to(apart.dtype) for s in (1 - share, share - 1 / components, share))
        middle, pulled = apart.mean(dim=0), share @ apart
        square, cross = left.square() @ apart.square(), (lean * left) @ apart
        lean_square = lean.square().sum(dim=1, keepdim=True)
        fixed = spreads.mean(dim=0) - (share @ spreads) / components - (middle - pulled / components).square()
        if form == "total":
            both = share * left
            square = square + both @ apart.square()
            cross = cross - both @ apart
            lean_square = lean_square + both.sum(dim=1, keepdim=True)
    # Less the centre, not less the origin: an instance far from all components would lose its digits.
    mean = middle - pulled / components + statistics.rest / components - offset * (1 - 1 / components)
    var = fixed + (statistics.variance + square + above * (2 * cross + above * lean_square)) / components
    return mean, var.clamp_min(0)


@torch.no_grad()
def pull(
    statistics: Statistics, origin: Tensor, share: Tensor, keep: Tensor, apart: Tensor, spreads: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the batch pulls the components by: Σ p (m - M) and Σ p (v - S), (K, C), and the weight Σ p, (K, 1).

    Parameters
    ----------
    keep
        Which instances count, (B,); the others might hold NaN.
    """
    rows = keep[:, None]
    share = torch.where(rows, share, 0).to(apart.dtype)
    above, variance = torch.where(rows, statistics.above(origin), 0), torch.where(rows, statistics.variance, 0)
    weight = share.sum(dim=0)[:, None]
    return share.t() @ above - weight * apart, share.t() @ variance - weight * spreads, weight


def add_exactly(means: Tensor, rest: Tensor, move: Tensor) -> tuple[Tensor, Tensor]:
    """Return means + rest + move as a sum and what the sum has lost (Kahan): near 1000 a float32 has no digits for small steps."""
    move = move + rest
    moved = means + move
    return moved, move - (moved - means)


def forget(counts: Tensor, weight: Tensor, most: float) -> tuple[Tensor, Tensor]:
    """Return how far each component goes per unit of weight, and by how much what it counts for grows, both (K, 1).

    Heard so far counts as N instances, which grow with what is heard up to the most. What is left of the old after a weight w is then
    N / (N + w) while N grows, and exp(-w / N) where it no longer does: the same however the weight is cut into batches.

    Parameters
    ----------
    counts, weight
        N and w, (K, 1).
    most
        What N grows to.
    """
    growth = torch.minimum(weight, most - counts)
    gone = -torch.expm1(-torch.log1p(growth / counts) - (weight - growth) / most)
    return gone / weight.clamp_min(torch.finfo(weight.dtype).tiny), growth
