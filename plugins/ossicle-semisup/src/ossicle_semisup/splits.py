"""Who is labelled, who is not, who is held back; and whether clips that belong together were torn apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch

from ossicle.errors import ConfigError
from ossicle.training.seeds import generator_for
from ossicle_semisup.datasets.base import Clip


def hold_out(indices: Sequence[int], clips: Sequence[Clip], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Return the rest and a validation part of clips, about `share` of each class; clips of one source stay together.

    Clips without a label are never held out.
    """
    if not 0 < share < 1:
        raise ConfigError(f"a validation share of {share}", why="it must lie between 0 and 1")
    draw = generator_for(seed, "validation")
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for i in indices:
        groups[clips[i].label, clips[i].source or str(i)].append(i)
    held: list[int] = []
    for label in sorted({label for label, _ in groups if label >= 0}):
        own = [members for (of, _), members in sorted(groups.items()) if of == label]
        wanted = share * sum(map(len, own))
        taken = 0
        for at in torch.randperm(len(own), generator=draw).tolist():
            if taken + len(own[at]) / 2 > wanted:
                break
            held += own[at]
            taken += len(own[at])
    kept = set(held)
    return [i for i in indices if i not in kept], sorted(held)


def choose_labeled(
    indices: Sequence[int],
    clips: Sequence[Clip],
    *,
    classes: int,
    share: float | None = None,
    per_class: int | None = None,
    seed: int,
) -> tuple[list[int], list[int]]:
    """Return the labelled clips, drawn class by class, and all others.

    Parameters
    ----------
    share
        Of each class, rounded to the nearest number as the paper does (half to even).
    per_class
        The same number of each class; give one of the two.

    Raises
    ------
    ConfigError
        If a class ends with no labelled clip, or has fewer than asked for.
    """
    if (share is None) == (per_class is None):
        raise ConfigError("say how many clips are labelled", hint="either --labels SHARE or --labels-per-class N")
    draw = generator_for(seed, "labels")
    members: dict[int, list[int]] = defaultdict(list)
    for i in indices:
        if clips[i].label >= 0:
            members[clips[i].label].append(i)
    labeled: list[int] = []
    for label in range(classes):
        own = members[label]
        count = per_class if per_class is not None else round((share or 0.0) * len(own))
        if not own or count < 1:
            raise ConfigError(
                f"class {label} has no labelled clip",
                why=f"{len(own)} clips of it are there for training",
                hint="label more of them",
            )
        if count > len(own):
            raise ConfigError(
                f"class {label} has {len(own)} clips for training, not {count}", hint="label fewer of each class"
            )
        labeled += [own[at] for at in torch.randperm(len(own), generator=draw)[:count].tolist()]
    chosen = set(labeled)
    return sorted(labeled), [i for i in indices if i not in chosen]


def leaks(parts: Mapping[str, Sequence[int]], clips: Sequence[Clip]) -> list[str]:
    """Return a warning for each pair of parts that share recordings or speakers."""
    found = []
    names = list(parts)
    for attribute, word in (("source", "recordings"), ("speaker", "speakers")):
        values = {name: {getattr(clips[i], attribute) for i in parts[name]} - {""} for name in names}
        for at, first in enumerate(names):
            for second in names[at + 1 :]:
                if shared := values[first] & values[second]:
                    few = ", ".join(sorted(shared)[:3])
                    found.append(
                        f"{first} and {second} share {len(shared)} {word} ({few}{', ...' if len(shared) > 3 else ''})"
                    )
    return found
