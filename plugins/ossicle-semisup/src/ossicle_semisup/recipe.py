"""What the semi-supervised recipes share: options, preparation, training, evaluation, the model folder."""

from __future__ import annotations

import argparse
import csv
import inspect
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ossicle.atomic import write_bytes
from ossicle.audio.classifier import save_classifier
from ossicle.audio.clip_cache import ClipCache, prepare_clips
from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.errors import ConfigError, InputError, OssicleError
from ossicle.registry import default_registry
from ossicle.runs.folder import RunFolder
from ossicle.runs.log import MetricsLog
from ossicle.toml import read_toml
from ossicle.training.loop import STATE_FILE, LoopConfig, run_loop
from ossicle_semisup.ramps import Ramp
from ossicle_semisup.splits import choose_labeled, hold_out, leaks
from ossicle_semisup.trainer import Clips, SemiTrainer, TrainingConfig

SUMMARY = "summary.json"
PREDICTIONS = "predictions.csv"
BEST = "best"


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


def run(folder: Path, argv: Sequence[str] | None = None) -> int:
    """Train one method as a recipe's command line asks, and return the exit code."""
    try:
        return _run(parse(folder, argv))
    except OssicleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


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
    add("--threads", type=int, help="threads of torch (default: as torch finds them)")
    add("--minutes", type=float, help="stop in good order after so long; --resume goes on")
    add("--resume", action="store_true", help="go on where the run folder's state ends")
    add("--smoke", action="store_true", help="take smoke.toml too: a few steps, to see that everything works")
    add("--quiet", action="store_true")
    given = parser.parse_args(argv)
    settings = merge(recipe, read_toml(folder / "smoke.toml")) if given.smoke else recipe
    chosen = settings["methods"][given.method]
    settings = merge(settings, {"training": chosen.get("training", {})})
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
    if given.threads:
        torch.set_num_threads(given.threads)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if given.device == "auto" else given.device
    name = f"{given.method}{'' if given.fold is None else f'-fold{given.fold}'}-seed{given.seed}"
    out = given.out or Path("runs") / f"{folder.parent.name}-{folder.name}" / name
    cache = given.cache or out.parent / "cache"
    return Options(
        given.data, out, cache, given.method, given.fold, settings, device, given.resume, given.minutes, given.quiet
    )


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with those of `over` in their place."""
    merged = dict(base)
    for key, value in over.items():
        merged[key] = (
            merge(merged[key], value) if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) else value
        )
    return merged


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
    front_end = LogMelSettings(**settings["front_end"])
    cache = prepare_clips(
        options.cache / f"{front_end.sample_rate}-{front_end.n_samples}",
        [record.path for record in records],
        sample_rate=front_end.sample_rate,
        n_samples=front_end.n_samples,
        progress=_progress("decoding", options.quiet),
    )
    warnings = [f"{records[i].path} is left out: {why}" for i, why in sorted(cache.failed.items())]
    how = settings.get("split", {})
    parts = {
        name: [i for i in found if i not in cache.failed]
        for name, found in dataset.split(fold=options.fold, **how).items()
    }
    warnings += leaks(parts, records)
    seed, labels = settings["training"]["seed"], settings["labels"]
    if labels.get("valid"):
        parts["train"], parts["valid"] = hold_out(parts["train"], records, labels["valid"], seed)
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
    analyse = LogMel(front_end)
    chunks = torch.arange(len(records)).split(64)
    decibels = torch.cat([analyse(cache.waves(chunk)) for chunk in chunks])
    if settings["recipe"].get("standardize", True):
        heard = decibels[torch.tensor(parts["train"])]
        values = {**front_end.to_dict(), "mean_db": float(heard.mean()), "scale_db": max(float(heard.std()), 1e-3)}
        front_end = LogMelSettings.from_dict(values)
    for warning in warnings:
        say(f"note: {warning}")
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
    if isinstance(given.get("ramp"), Mapping):
        given["ramp"] = Ramp(**given["ramp"])
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


def _run(options: Options) -> int:
    def say(text: str) -> None:
        if not options.quiet:
            print(text, file=sys.stderr, flush=True)

    settings = options.settings
    try:
        config = TrainingConfig(**settings["training"])
    except TypeError as error:
        raise ConfigError("the recipe has a training setting that is not known", why=str(error)) from error
    folder = RunFolder.create(options.out, settings, resume=options.resume)
    ready = prepare(options, say)
    method = build_method(settings, ready)
    labels = torch.tensor([record.label for record in ready.records])
    clips = Clips(
        ready.cache.waves,
        ready.decibels,
        labels,
        torch.tensor(ready.parts["labeled"]),
        torch.tensor(ready.parts["unlabeled"]),
    )
    trainer = SemiTrainer(
        method, clips, LogMel(ready.front_end), config, classes=len(ready.labels), device=options.device
    )
    state = folder.path / STATE_FILE
    if options.resume and state.exists():
        trainer.resume(state)
    log = MetricsLog(folder.path / "metrics.jsonl", resume_step=trainer.step_number)

    def write(step: int, values: dict[str, float]) -> None:
        log.write(step, **values)
        say(f"step {step}/{config.steps}  " + "  ".join(f"{key} {value:.4g}" for key, value in values.items()))

    def validate() -> dict[str, float]:
        found = trainer.evaluate(ready.parts["valid"])
        shown = found[f"error_rate_{reported}"] if reported != first else found["error_rate"]
        if shown < trainer.best.get("error", 2.0):
            trainer.best["error"] = shown
            export(folder.path / BEST)
        return {f"valid_{key}": value for key, value in found.items()}

    first = next(iter(method.evaluated()))
    reported = settings["recipe"].get("model", "ema")

    def export(place: Path) -> None:
        card = {
            "recipe": settings["recipe"]["summary"],
            "method": options.method,
            "seed": config.seed,
            "steps": trainer.step_number,
        }
        save_classifier(
            place,
            trainer.networks()[reported],
            ready.front_end,
            ready.labels,
            backbone=settings["backbone"]["name"],
            card=card,
        )

    loop = settings.get("loop", {})
    done = run_loop(
        trainer,
        LoopConfig(steps=config.steps, minutes=options.minutes, **loop),
        folder.path,
        log=write,
        validate=validate if "valid" in ready.parts else None,
        on_checkpoint=lambda: export(folder.path),
    )
    for warning in trainer.monitor.warnings:
        say(f"warning: {warning}")
    if not done:
        say(f"stopped at step {trainer.step_number} of {config.steps}; go on with --resume")
        return 0
    summary = summarise(trainer, ready, options, folder)
    if trainer.best:
        summary["best_valid_error"] = trainer.best["error"]
    folder.write_json(SUMMARY, summary)
    say(
        f"error {100 * summary['error_rate']:.2f} %, average {100 * summary['error_rate_ema']:.2f} % of {summary['n_test']} clips"
    )
    print(folder.path)
    return 0


def summarise(trainer: SemiTrainer, ready: Prepared, options: Options, folder: RunFolder) -> dict[str, Any]:
    """Evaluate at the last step, write the predictions of every test clip, and return what the run found."""
    test = ready.parts["test"]
    truth = torch.tensor([ready.records[i].label for i in test])
    networks = trainer.networks()
    first = next(iter(networks))
    guessed = {name: trainer.predict(network, test).argmax(dim=1) for name, network in networks.items()}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["path", "source", "speaker", "label", *(f"predicted_{name}" for name in guessed)])
    for row, index in enumerate(test):
        record = ready.records[index]
        where = record.path.relative_to(options.data) if record.path.is_relative_to(options.data) else record.path
        table.writerow([where, record.source, record.speaker, record.label, *(int(g[row]) for g in guessed.values())])
    write_bytes(folder.path / PREDICTIONS, text.getvalue().encode())
    errors = {name: float((g != truth).double().mean()) for name, g in guessed.items()}
    classes = len(ready.labels)
    confusion = torch.bincount(truth * classes + guessed["ema"], minlength=classes**2).view(classes, classes)
    config = trainer.config
    return {
        "method": options.method,
        "error_rate": errors[first],
        "error_rate_ema": errors["ema"],
        "error_rates": errors,
        "n_labeled": len(ready.parts["labeled"]),
        "n_unlabeled": len(ready.parts["unlabeled"]),
        "n_test": len(test),
        "tested_on": "held-out training clips" if options.settings["data"]["test_on_valid"] else "test set",
        "seed": config.seed,
        "fold": options.fold,
        "steps": trainer.step_number,
        "wall_s": round(trainer.spent[0], 1),
        "cpu_s": round(trainer.spent[1], 1),
        "labels": list(ready.labels),
        "confusion_ema": confusion.tolist(),
        "guesses_by_true_class": trainer.monitor.table.tolist(),
        "warnings": [*ready.warnings, *trainer.monitor.warnings],
    }


def _progress(what: str, quiet: bool) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if not quiet and (sys.stderr.isatty() or done == total):
            print(f"\r{what}: {done}/{total}", end="\n" if done == total else "", file=sys.stderr)

    return show
