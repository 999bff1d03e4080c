"""The command line of the semi-supervised recipes, merged with the numbers of their TOML files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from ossicle.errors import ConfigError
from ossicle.toml import read_toml

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """A recipe's command line, with the settings of its ``recipe.toml``, of the method and of ``--set`` merged."""

    data: Path
    out: Path
    cache: Path
    method: str
    fold: int | None
    settings: dict[str, Any]
    device: str
    resume: bool
    minutes: float | None
    quiet: bool
    graph: bool


def parse(folder: Path, argv: Sequence[str] | None = None) -> Options:
    """Read a recipe's command line."""
    recipe = read_toml(folder / "recipe.toml")
    methods = recipe["methods"]
    parser = argparse.ArgumentParser(
        description=f"Learn from few labels: {recipe['recipe']['summary']}. Numbers come from recipe.toml.",
        epilog="methods: " + ", ".join(methods),
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the data set")
    add("--method", required=True, choices=list(methods), metavar="METHOD", help="one of those listed below")
    add("--out", type=Path, help="run folder (default: runs/RECIPE/METHOD-...)")
    add("--cache", type=Path, help="folder of the decoded clips (default: cache/ beside the run folder)")
    add("--fold", type=int, help="the fold that is tested, where the data set has folds")
    add("--labels", type=float, help="share of the training clips that is labelled")
    add("--labels-per-class", type=int, help="number of labelled clips of each class, instead of a share")
    add("--seed", type=int, default=0)
    add("--steps", type=int, help="length of the run")
    add("--valid", type=float, help="share of the training clips held out to choose the checkpoint and settings on")
    add("--test-on-valid", action="store_true", help="report on the held-out training clips; the test set stays unseen")
    add(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change any number: training.learning_rate=1e-3"
    )
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--graph", action="store_true", help="on CUDA, record the step as one graph and replay it")
    add("--threads", type=int, help="threads of torch (default: as torch finds them)")
    add("--minutes", type=float, help="stop in good order after so long; --resume goes on")
    add("--resume", action="store_true", help="go on where the run folder's state ends")
    add(
        "--with",
        dest="more",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="take this TOML file's numbers too",
    )
    add("--smoke", action="store_true", help="take smoke.toml too: a few steps, to see that everything works")
    add("--quiet", action="store_true")
    given = parser.parse_args(argv)
    settings = _with_method(recipe, recipe, given.method)
    for more in [*given.more, *([folder / "smoke.toml"] if given.smoke else [])]:
        layer = read_toml(more if more.exists() else folder / more)
        settings = _with_method(merge(settings, layer), layer, given.method)
    chosen = settings["methods"][given.method]
    settings["method"] = {"name": given.method, **{k: v for k, v in chosen.items() if k != "training"}}
    del settings["methods"]
    settings["labels"] = _label_settings(settings["labels"], given)
    settings["training"]["seed"] = given.seed
    if given.steps:
        settings["training"]["steps"] = given.steps
    settings["data"] = {**settings.get("data", {}), "fold": given.fold, "test_on_valid": given.test_on_valid}
    for text in given.set:
        key, _, value = text.partition("=")
        _assign(settings, key.split("."), _value(value))
    if unknown := sorted(set(settings["labels"]) - {"share", "per_class", "unlabeled", "valid"}):
        raise ConfigError(f"the section [labels] of the settings has names that are not known: {', '.join(unknown)}")
    if given.threads:
        torch.set_num_threads(given.threads)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if given.device == "auto" else given.device
    name = f"{given.method}{'' if given.fold is None else f'-fold{given.fold}'}-seed{given.seed}"
    out = given.out or Path("runs") / f"{folder.parent.name}-{folder.name}" / name
    cache = given.cache or out.parent / "cache"
    return Options(
        data=given.data,
        out=out,
        cache=cache,
        method=given.method,
        fold=given.fold,
        settings=settings,
        device=device,
        resume=given.resume,
        minutes=given.minutes,
        quiet=given.quiet,
        graph=given.graph,
    )


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with those of `over` in their place."""
    merged = dict(base)
    for key, value in over.items():
        merged[key] = (
            merge(merged[key], value) if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) else value
        )
    return merged


def _with_method(settings: dict[str, Any], layer: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Return settings with the training that a file has for a method: above the file's own, below the next file's."""
    own = layer.get("methods", {}).get(method, {}).get("training", {})
    return merge(settings, {"training": own})


def built(kind: Callable[..., T], values: Mapping[str, Any], section: str) -> T:
    """Return what a section of the settings describes.

    Raises
    ------
    ConfigError
        If a name in it is missing or not known.
    """
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"the section [{section}] of the settings does not fit", why=str(error)) from error


def _label_settings(settings: Mapping[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    chosen = dict(settings)
    if given.labels is not None or given.labels_per_class is not None:
        chosen["share"], chosen["per_class"] = given.labels, given.labels_per_class
    if given.valid is not None:
        chosen["valid"] = given.valid
    if given.test_on_valid and not chosen.get("valid"):
        raise ConfigError("--test-on-valid needs a held-out part", hint="add --valid 0.2")
    return chosen


def _assign(settings: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *parents, last = path
    if parents[:1] == ["methods"]:
        hint = f"write method.{'.'.join(path[2:]) or 'NAME'}: the section of the one that --method chose"
        raise ConfigError(f"--set {'.'.join(path)} would change nothing", hint=hint)
    for name in parents:
        settings = settings.setdefault(name, {})
        if not isinstance(settings, dict):
            raise ConfigError(f"--set {'.'.join(path)}: {name} is not a section")
    settings[last] = value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
