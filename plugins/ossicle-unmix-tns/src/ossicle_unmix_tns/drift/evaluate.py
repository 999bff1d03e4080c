"""One adapter over one stream: an error a domain, and how it changes over the stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle.registry import default_registry
from ossicle_unmix_tns.drift.side_by_side import SideBySide
from ossicle_unmix_tns.streams.protocol import StreamProtocol

_PARTS = 8
"""Pieces of a stream whose errors are told one by one."""

_SMALL = 16
_SIDE_BY_SIDE = ("source", "tbn", "alpha-bn", "rbn", "iabn", "unmix-tns")
"""Adapters of which many copies go through a stream of small batches as one."""


@dataclass(frozen=True)
class DomainResult:
    """What became of the windows of one domain.

    Parameters
    ----------
    corruption, severity
        The domain.
    windows
        How many were heard in it.
    error
        Share of them that was labelled wrongly, in percent.
    over_stream
        The same for eight pieces of the domain's part of the stream, in the order of time.
    """

    corruption: str
    severity: int
    windows: int
    error: float
    over_stream: tuple[float, ...]


def run_stream(
    network: Any,
    adapter: str,
    settings: Mapping[str, Any],
    protocol: StreamProtocol,
    inputs: Mapping[tuple[str, int], Tensor],
    labels: Tensor,
    *,
    frozen: bool = False,
) -> list[DomainResult]:
    """Run one adapter over one stream.

    Parameters
    ----------
    network
        A trained classifier; it stays as it is.
    adapter, settings
        A component of the kind ``adapter`` and what it is built with.
    inputs
        Standardised log-mels (W, 1, M, T) by domain.
    labels
        Classes of the windows, (W,).
    frozen
        The adapter's state stays what it is before the first window.
    """
    worker = default_registry().build("adapter", adapter, **settings)
    adapted = worker.adapt(network)
    if frozen:
        worker.freeze(adapted)
    domains = protocol.heard()
    if protocol.setting == "single" and protocol.batch_size <= _SMALL and adapter in _SIDE_BY_SIDE:
        copies = SideBySide(adapted, len(domains))
        alone = replace(protocol, domains=domains[:1])
        missed = []
        for batch in alone.batches(labels.tolist()):
            at = torch.from_numpy(batch.clips)
            missed.append(copies(torch.stack([inputs[d][at] for d in domains])).argmax(dim=2) != labels[at])
        return [_result(d, row.numpy()) for d, row in zip(domains, torch.cat(missed, dim=1), strict=True)]
    wrong: list[list[bool]] = [[] for _ in domains]
    with torch.no_grad():
        for batch in protocol.batches(labels.tolist()):
            if batch.reset:
                worker.reset(adapted)
            at = torch.from_numpy(batch.clips)
            x = _gather(inputs, domains, batch.domains, at)
            flags = (adapted(x).argmax(dim=1) != labels[at]).tolist()
            for domain, is_wrong in zip(batch.domains.tolist(), flags, strict=True):
                wrong[domain].append(is_wrong)
    return [_result(domain, np.asarray(found)) for domain, found in zip(domains, wrong, strict=True)]


def _gather(
    inputs: Mapping[tuple[str, int], Tensor], domains: tuple[tuple[str, int], ...], numbers: Any, at: Tensor
) -> Tensor:
    if (numbers == numbers[0]).all():
        return inputs[domains[numbers[0]]][at]
    return torch.stack([inputs[domains[number]][i] for number, i in zip(numbers.tolist(), at.tolist(), strict=True)])


def _result(domain: tuple[str, int], wrong: Any) -> DomainResult:
    pieces = [100 * float(part.mean()) for part in np.array_split(wrong, _PARTS) if len(part)]
    error = 100 * float(wrong.mean()) if len(wrong) else float("nan")
    return DomainResult(domain[0], domain[1], len(wrong), error, tuple(pieces))
