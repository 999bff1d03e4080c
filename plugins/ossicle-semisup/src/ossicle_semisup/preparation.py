"""From a data set's folder to what a run learns from: decoded, split, analysed, standardised."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ossicle.audio.clip_cache import ClipCache, prepare_clips
from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.errors import ConfigError, InputError
from ossicle.registry import default_registry
from ossicle_semisup.options import Options, built
from ossicle_semisup.ramps import Ramp
from ossicle_semisup.splits import choose_labeled, hold_out, leaks


@dataclass
class Prepared:
    """A data set ready to learn from."""

    records: Sequence[Any]
    labels: Sequence[str]
    parts: dict[str, list[int]]
    cache: ClipCache
    front_end: LogMelSettings
    decibels: Tensor
    warnings: list[str]


def prepare(options: Options, say: Callable[[str], None]) -> Prepared:
    """Decode, split, analyse and standardise.

    Raises
    ------
    InputError, ConfigError
        If clips are missing or a class is left without a label.
    """
    settings = options.settings
    dataset = default_registry().build("dataset", settings["recipe"]["dataset"], folder=options.data)
    records = dataset.clips()
    missing = dataset.missing()
    if missing:
        raise InputError(
            f"{len(missing)} of {len(records)} clips are missing in {options.data}",
            why=f"the first is {missing[0]}",
            hint=f"get the data set at {dataset.home}" if dataset.home else None,
        )
    front_end = built(LogMelSettings, settings["front_end"], "front_end")
    cache = prepare_clips(
        options.cache / f"{front_end.sample_rate}-{front_end.n_samples}",
        [record.path for record in records],
        sample_rate=front_end.sample_rate,
        n_samples=front_end.n_samples,
        progress=_progress("decoding", options.quiet),
    )
    ready = arrange(settings, dataset, cache, fold=options.fold)
    for warning in ready.warnings:
        say(f"note: {warning}")
    return ready


def arrange(
    settings: Mapping[str, Any], dataset: Any, cache: ClipCache, *, fold: int | None, decibels: Tensor | None = None
) -> Prepared:
    """Split, analyse and standardise clips that are decoded.

    Parameters
    ----------
    settings
        A recipe's.
    dataset
        Its component, whose clips the cache holds in their order.
    fold
        The fold that is tested, where there are some.
    decibels
        Log-mels (U, M, T) of all clips, where they are known.

    Raises
    ------
    ConfigError
        If a class is left without a label.
    """
    records, front_end = dataset.clips(), built(LogMelSettings, settings["front_end"], "front_end")
    warnings = [f"{records[i].path} is left out: {why}" for i, why in sorted(cache.failed.items())]
    found = built(dataset.split, {"fold": fold, **settings.get("split", {})}, "split")
    parts = {name: [i for i in indices if i not in cache.failed] for name, indices in found.items()}
    seed, labels = settings["training"]["seed"], settings["labels"]
    if labels.get("valid"):
        parts["train"], parts["valid"] = hold_out(parts["train"], records, labels["valid"], seed)
    warnings += leaks(parts, records)
    labeled, others = choose_labeled(
        parts["train"],
        records,
        classes=len(dataset.labels),
        share=labels.get("share"),
        per_class=labels.get("per_class"),
        seed=seed,
    )
    unlabeled = parts["train"] if labels.get("unlabeled", "rest") == "all" else others
    parts |= {"labeled": labeled, "unlabeled": unlabeled}
    if settings["data"]["test_on_valid"]:
        parts["test"] = parts.pop("valid")
    if not parts.get("test"):
        raise ConfigError(
            "no clip is for testing", hint="name some as test clips, or hold a part out: --valid 0.2 --test-on-valid"
        )
    if decibels is None:
        analyse = LogMel(front_end)
        decibels = torch.cat([analyse(cache.waves(chunk)) for chunk in torch.arange(len(records)).split(64)])
    if settings["recipe"].get("standardize", True):
        heard = decibels[torch.tensor(parts["train"])]
        values = {**front_end.to_dict(), "mean_db": float(heard.mean()), "scale_db": max(float(heard.std()), 1e-3)}
        front_end = LogMelSettings.from_dict(values)
    return Prepared(records, dataset.labels, parts, cache, front_end, decibels, warnings)


def build_method(settings: Mapping[str, Any], ready: Prepared) -> Any:
    """Return the method that a recipe's settings name, with networks of the backbone they name."""
    registry = default_registry()
    classes = len(ready.labels)
    backbone = dict(settings["backbone"])
    name = backbone.pop("name")

    def make_network(seed: int) -> Any:
        return registry.build("backbone", name, classes=classes, seed=seed, **backbone)

    given = {k: v for k, v in settings["method"].items() if k not in ("name", "component", "seed")}
    if isinstance(given.get("ramp"), str):
        given["ramp"] = {"shape": given["ramp"]}
    if "ramp" in given:
        given["ramp"] = built(Ramp, given["ramp"], "method.ramp")
    component = settings["method"]["component"]
    target = registry.get("ssl-method", component)
    known = inspect.signature(target).parameters
    if "p_data" in known:
        counts = torch.bincount(
            torch.tensor([ready.records[i].label for i in ready.parts["labeled"]]), minlength=classes
        )
        given.setdefault("p_data", (counts / counts.sum()).tolist())
    if "input_scale" in known:
        given.setdefault("input_scale", ready.front_end.scale_db)
    seed = settings["training"]["seed"]
    return registry.build("ssl-method", component, make_network=make_network, classes=classes, seed=seed, **given)


def _progress(what: str, quiet: bool) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if not quiet and (sys.stderr.isatty() or done == total):
            print(f"\r{what}: {done}/{total}", end="\n" if done == total else "", file=sys.stderr)

    return show
