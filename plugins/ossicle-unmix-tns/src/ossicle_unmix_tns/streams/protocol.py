"""The protocol of a stream: everything that decides which clip comes when, kept with every result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np

from ossicle.errors import ConfigError
from ossicle_unmix_tns.streams import orders

Order = Literal["iid", "sorted", "dirichlet", "dirichlet-small", "scenes"]
Setting = Literal["single", "continual", "mixed", "gradual"]

ORDERS: tuple[Order, ...] = ("iid", "sorted", "dirichlet", "dirichlet-small", "scenes")
SETTINGS: tuple[Setting, ...] = ("single", "continual", "mixed", "gradual")

CLEAN = ("clean", 0)
"""The domain without corruption."""

_GRADUAL = (1, 2, 3, 4, 5, 4, 3, 2, 1)


@dataclass(frozen=True)
class Batch:
    """What a classifier hears at once.

    Parameters
    ----------
    clips
        Indices of clips, (B,).
    domains
        Which domain each is heard in: an index into the stream's domains, (B,).
    reset
        Whether the method starts anew before it.
    """

    clips: orders.Indices
    domains: orders.Indices
    reset: bool


@dataclass(frozen=True, kw_only=True)
class StreamProtocol:
    """Which clip comes when, in which domain, and where a method starts anew.

    Parameters
    ----------
    order
        ``iid``; ``sorted`` by class; ``dirichlet``, the authors' order, which needs ten clips in each of K chunks;
        ``dirichlet-small``, which ends on any number; ``scenes``, a Markov chain over classes.
    setting
        ``single``: each domain by itself, the method anew for each. ``continual``: one domain after the other, never anew. ``mixed``:
        clips of all domains in one order. ``gradual``: within each corruption severities 1, 2, 3, 4, 5, 4, 3, 2, 1, anew for
        each corruption, each severity on a part of the clips of its own.
    domains
        Pairs of a corruption's name and a severity; ``("clean", 0)`` is none. For ``gradual`` the severities are left aside.
    batch_size
        Clips at once; the last batch of a pass may be smaller.
    seed
        Of the order. As in the authors' code, every domain's order is drawn from the same seed anew.
    delta
        Concentration of the Dirichlet orders: the smaller, the longer the runs of one class.
    mean_run
        Clips of one class in a row in ``scenes``, in the mean.
    """

    order: Order = "dirichlet"
    setting: Setting = "single"
    domains: tuple[tuple[str, int], ...] = (CLEAN,)
    batch_size: int = 64
    seed: int = 0
    delta: float = 0.1
    mean_run: float = 16.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "domains", tuple((str(name), int(severity)) for name, severity in self.domains))
        if self.order not in ORDERS or self.setting not in SETTINGS:
            raise ConfigError(
                f"a stream of order {self.order!r}, setting {self.setting!r}",
                hint=f"orders: {', '.join(ORDERS)}; settings: {', '.join(SETTINGS)}",
            )
        if not self.domains or self.batch_size < 1 or not self.delta > 0:
            raise ConfigError("a stream needs a domain, a batch size of at least 1 and a delta above 0")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "domains": [list(domain) for domain in self.domains]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StreamProtocol:
        """Return the protocol that `to_dict` described.

        Raises
        ------
        ConfigError
            If a name is not known.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                f"a stream protocol has no {', '.join(unknown)}", hint=f"it has {', '.join(sorted(known))}"
            )
        return cls(**{**values, "domains": tuple(tuple(domain) for domain in values.get("domains", (CLEAN,)))})

    @property
    def name(self) -> str:
        """A short name that differs where the protocol does."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return f"{self.setting}-{self.order}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"

    def arrange(self, labels: Sequence[int]) -> orders.Indices:
        """Return the order of clips with these labels."""
        if self.order == "iid":
            return orders.shuffled(labels, seed=self.seed)
        if self.order == "sorted":
            return orders.class_sorted(labels, seed=self.seed)
        if self.order == "scenes":
            return orders.scenes(labels, mean_run=self.mean_run, seed=self.seed)
        deal = orders.dirichlet if self.order == "dirichlet" else orders.dirichlet_small
        return deal(labels, delta=self.delta, seed=self.seed)

    def heard(self) -> tuple[tuple[str, int], ...]:
        """Return the domains that batches number: those given, or the severities of ``gradual``."""
        if self.setting != "gradual":
            return self.domains
        return tuple((name, severity) for name, _ in self.domains for severity in sorted(set(_GRADUAL)))

    def batches(self, labels: Sequence[int]) -> Iterator[Batch]:
        """Yield the stream for clips with these labels, (N,)."""
        if self.setting == "mixed":
            count = len(labels)
            order = self.arrange([int(label) for _ in self.domains for label in labels])
            yield from self._cut(order % max(count, 1), order // max(count, 1), reset=True)
            return
        order = self.arrange(labels)
        for number in range(len(self.domains)):
            anew = self.setting != "continual" or number == 0
            if self.setting == "gradual":
                levels = sorted(set(_GRADUAL))
                parts = np.array_split(order, len(_GRADUAL))
                for at, (part, severity) in enumerate(zip(parts, _GRADUAL, strict=True)):
                    domain = number * len(levels) + levels.index(severity)
                    yield from self._cut(part, np.full(len(part), domain), reset=at == 0)
            else:
                yield from self._cut(order, np.full(len(order), number), reset=anew)

    def _cut(self, clips: orders.Indices, domains: orders.Indices, *, reset: bool) -> Iterator[Batch]:
        for start in range(0, len(clips), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield Batch(clips[part], domains[part], reset and start == 0)
