"""Orders of clips by their labels (N,): independent, sorted, Dirichlet, scenes. Each returns indices, every clip once."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ossicle.errors import ConfigError

Indices = npt.NDArray[np.int64]

_SMALLEST_CHUNK = 10
_TRIES = 2000


def shuffled(labels: Sequence[int], *, seed: int) -> Indices:
    """Return clips in random order: independent and identically distributed, as methods would like them."""
    order = list(range(len(labels)))
    random.Random(seed).shuffle(order)
    return np.asarray(order, dtype=np.int64)


def class_sorted(labels: Sequence[int], *, seed: int) -> Indices:
    """Return one class after the other, each in random order."""
    order = shuffled(labels, seed=seed)
    return order[np.argsort(np.asarray(labels, dtype=np.int64)[order], kind="stable")]


def dirichlet(labels: Sequence[int], *, delta: float, seed: int) -> Indices:
    """Return clips in the order of the authors' benchmark, the same numbers as their code draws.

    As many chunks follow each other as there are classes; each class is spread over them by proportions from Dirichlet(delta),
    and within a chunk comes as one run.

    Raises
    ------
    ConfigError
        If there are too few clips: theirs asks for ten in every chunk, and draws again until there are. `dirichlet_small` ends
        on any number.
    """
    order = shuffled(labels, seed=seed)
    classes = int(max(labels, default=-1)) + 1
    if len(order) < _SMALLEST_CHUNK * classes:
        raise ConfigError(
            f"{len(order)} clips of {classes} classes cannot be put into the authors' Dirichlet order",
            why=f"every one of {classes} chunks must hold {_SMALLEST_CHUNK}",
            hint="use the order dirichlet-small",
        )
    draw = np.random.RandomState(seed)
    own = np.asarray(labels, dtype=np.int64)[order]
    for _ in range(_TRIES):
        chunks = _deal(own, classes, classes, delta, draw)
        if chunks is not None and min(sum(map(len, chunk)) for chunk in chunks) >= _SMALLEST_CHUNK:
            return order[_in_a_row(chunks, draw)]
    raise ConfigError(
        f"no Dirichlet({delta:g}) order was found in {_TRIES} draws",
        why="a chunk always stayed almost empty",
        hint="use the order dirichlet-small, or a larger delta",
    )


def dirichlet_small(labels: Sequence[int], *, delta: float, seed: int) -> Indices:
    """Return clips in a Dirichlet order that ends for any number of clips, even one of each class.

    Chunks and proportions as in `dirichlet`, over the classes that are there. A draw need not fill any chunk, and where every
    chunk that still has room gets nothing, they share alike.
    """
    order = shuffled(labels, seed=seed)
    draw = np.random.RandomState(seed)
    _, own = np.unique(np.asarray(labels, dtype=np.int64)[order], return_inverse=True)
    classes = int(own.max(initial=-1)) + 1
    chunks = _deal(own, classes, classes, delta, draw, share_alike=True)
    assert chunks is not None
    return order[_in_a_row(chunks, draw)] if len(order) else order


def scenes(labels: Sequence[int], *, mean_run: float, seed: int) -> Indices:
    """Return clips as a microphone hears them: a class stays for `mean_run` clips in the mean, then another one begins.

    A Markov chain over classes; the next one is drawn among the others by the number of clips that each has left.
    """
    if mean_run < 1:
        raise ConfigError(f"runs of {mean_run:g} clips in the mean", why="a run has at least one")
    draw = np.random.RandomState(seed)
    own = np.asarray(labels, dtype=np.int64)
    order = shuffled(labels, seed=seed)
    left = {int(c): list(order[own[order] == c]) for c in np.unique(own)}
    out: list[int] = []
    current = -1
    while len(out) < len(own):
        if not left.get(current) or draw.random_sample() < 1 / mean_run:
            others = [c for c, rows in left.items() if rows and c != current] or [current]
            counts = np.array([len(left[c]) for c in others], dtype=np.float64)
            current = others[int(draw.choice(len(others), p=counts / counts.sum()))]
        out.append(left[current].pop())
    return np.asarray(out, dtype=np.int64)


def mean_run(labels: Sequence[int]) -> float:
    """Return the mean number of clips of one class in a row."""
    own = np.asarray(labels)
    return len(own) / (1 + int((own[1:] != own[:-1]).sum())) if len(own) else 0.0


def _deal(
    own: Indices, classes: int, count: int, delta: float, draw: np.random.RandomState, *, share_alike: bool = False
) -> list[list[Indices]] | None:
    """Deal clips into chunks, a list of one run a class each; None where a class finds no open chunk."""
    chunks: list[list[Indices]] = [[] for _ in range(count)]
    for label in range(classes):
        rows = np.flatnonzero(own == label)
        draw.shuffle(rows)
        share = draw.dirichlet(np.repeat(delta, count))
        room = np.array([sum(map(len, chunk)) < len(own) / count for chunk in chunks])
        share = share * room
        if not share.sum() > 0:
            if not share_alike:
                return None
            share = room.astype(np.float64) if room.any() else np.ones(count)
        cuts = (np.cumsum(share / share.sum()) * len(rows)).astype(int)[:-1]
        for chunk, piece in zip(chunks, np.split(rows, cuts), strict=True):
            chunk.append(piece)
    return chunks


def _in_a_row(chunks: list[list[Indices]], draw: np.random.RandomState) -> Indices:
    out = [chunk[at] for chunk in chunks for at in draw.permutation(len(chunk))]
    return np.concatenate(out) if out else np.empty(0, np.int64)
