"""What the vocoder recipes share: options, preparation, training, export, a report."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ossicle.audio.corpus import INDEX, Corpus, read_corpus, write_corpus
from ossicle.audio.mel import MelSettings
from ossicle.errors import ConfigError, InputError, OssicleError
from ossicle.runs.exits import run_guarded
from ossicle.runs.folder import RunFolder
from ossicle.runs.log import METRICS, MetricsLog
from ossicle.runs.report import ORIGINAL, write_report, write_samples
from ossicle.toml import read_toml
from ossicle.training.checkpoint import load_state as load_training_state
from ossicle.training.checkpoint import save_state as save_training_state
from ossicle.training.loop import STATE_FILE, LoopConfig, run_loop
from ossicle_istftnet.config import GeneratorConfig, variant
from ossicle_istftnet.folder import load_folder, save_folder
from ossicle_istftnet.formats import load_state
from ossicle_istftnet.training import Trainer, TrainingConfig
from ossicle_istftnet.widening import widen_state

Lists = Callable[[Path], dict[str, list[Path]]]
"""Reads a data folder: the sound files of ``train`` and ``valid``."""

MODEL = "model"


@dataclass(frozen=True)
class Options:
    """The command line of a vocoder recipe, with the settings of its ``recipe.toml`` and ``--set`` merged."""

    data: Path | None
    out: Path
    cache: Path
    settings: dict[str, Any]
    device: str
    init: Path | None
    widen: Path | None
    minutes: float | None
    prepare: bool
    resume: bool
    threads: int | None


def parse(folder: Path, argv: Sequence[str] | None = None) -> Options:
    """Read a recipe's command line."""
    parser = argparse.ArgumentParser(
        description=f"Train a vocoder: the recipe in {folder.parent.name}/{folder.name}. Numbers come from recipe.toml.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder of the data set; not needed where the cache is complete")
    add("--out", type=Path, default=Path("runs") / f"{folder.parent.name}-{folder.name}", help="run folder")
    add("--cache", type=Path, help="folder of the decoded corpus (default: CACHE beside OUT's parent)")
    add("--smoke", action="store_true", help="take smoke.toml: a few steps, to see that everything works")
    add("--prepare", action="store_true", help="decode the corpus into the cache and stop")
    add("--resume", action="store_true", help="go on where the run folder's state ends")
    add("--init", type=Path, help="start from a checkpoint: public, or a model folder of ours")
    add(
        "--widen",
        type=Path,
        help="start a full-phase run from the run folder of a sine-phase one, where that has come to",
    )
    add("--minutes", type=float, help="stop in good order after so long; --resume goes on")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, cuda:N")
    add("--threads", type=int, help="CPU threads (default: torch's)")
    add("--seed", type=int, help="overrides training.seed")
    add("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override one number of recipe.toml")
    given = parser.parse_args(argv)
    settings = read_toml(folder / ("smoke.toml" if given.smoke else "recipe.toml"))
    for assignment in given.set:
        _assign(settings, assignment)
    if given.seed is not None:
        settings.setdefault("training", {})["seed"] = given.seed
    return Options(
        data=given.data,
        out=given.out,
        cache=given.cache or given.out.parent / "cache" / folder.parent.name,
        settings=settings,
        device=given.device,
        init=given.init,
        widen=given.widen,
        minutes=given.minutes,
        prepare=given.prepare,
        resume=given.resume,
        threads=given.threads,
    )


def _assign(settings: dict[str, Any], assignment: str) -> None:
    path, equals, text = assignment.partition("=")
    section, dot, key = path.partition(".")
    if not equals or not dot or section not in settings:
        raise ConfigError(
            f"--set {assignment} is not understood",
            why=f"it must be SECTION.KEY=VALUE with a section of {', '.join(settings)}",
            hint="for example --set training.batch_size=8",
        )
    try:
        settings[section][key] = json.loads(text)
    except json.JSONDecodeError:
        settings[section][key] = text


def run(folder: Path, lists: Lists, argv: Sequence[str] | None = None) -> int:
    """Prepare, train, export; return the exit code.

    The run folder receives ``run.json`` (settings and environment), ``metrics.jsonl``, ``state.pt`` (to resume from),
    ``model/`` (the averaged weights, as `ossicle vocode --checkpoint` takes them), ``samples/`` where a sound library is
    installed, and ``report.html``, made anew at every checkpoint.
    """
    return run_guarded(lambda: _run(parse(folder, argv), lists))


def _run(options: Options, lists: Lists) -> int:
    settings = options.settings
    if options.threads:
        torch.set_num_threads(options.threads)
    # Denormal numbers appear as weights decay and slow a CPU down many times.
    torch.set_flush_denormal(True)
    generator, front_end, config = build_configs(settings)
    train, valid = (prepare(options, part, lists, front_end.sample_rate) for part in ("train", "valid"))
    if options.prepare:
        print(f"prepared {len(train)} + {len(valid)} utterances in {options.cache}", file=sys.stderr)
        return 0
    initial = load_initial(options.init, generator) if options.init else None
    trainer = Trainer(generator, front_end, config, train, device=options.device, initial=initial)
    run_folder = RunFolder.create(options.out, settings, resume=options.resume)
    if options.widen and not (options.out / STATE_FILE).exists():
        state = load_training_state(options.widen / STATE_FILE, device="cpu")
        save_training_state(options.out / STATE_FILE, widen_state(state, seed=config.seed))
    if (options.resume or options.widen) and (options.out / STATE_FILE).exists():
        trainer.resume(options.out / STATE_FILE)
        print(f"resumed at step {trainer.step_number}", file=sys.stderr)
    metrics = MetricsLog(options.out / METRICS, resume_step=trainer.step_number)

    def report(step: int, values: dict[str, float]) -> None:
        metrics.write(step, **values)
        line = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        print(f"step {step}/{config.steps}  {line}", file=sys.stderr, flush=True)

    def export() -> None:
        save_folder(
            options.out / MODEL,
            trainer.shipped_state(),
            generator,
            front_end,
            card={"steps": trainer.step_number, "seed": config.seed, **settings.get("recipe", {})},
        )
        show(options.out, trainer, valid)

    finished = run_loop(
        trainer,
        LoopConfig(steps=config.steps, minutes=options.minutes, **settings.get("loop", {})),
        options.out,
        log=report,
        validate=lambda: trainer.validate(valid),
        on_checkpoint=export,
    )
    results = {"finished": finished, "steps": trainer.step_number, "seed": config.seed, **trainer.validate(valid)}
    run_folder.write_json("summary.json", results)
    show(options.out, trainer, valid)
    print(options.out / MODEL)
    return 0


def show(folder: Path, trainer: Trainer, valid: Corpus) -> None:
    """Write held-out speech, its synthesis and the run's report; that they cannot be written does not end a run."""
    try:
        if importlib.util.find_spec("soundfile"):
            pairs = {f"held-out-{index}": pair for index, pair in enumerate(trainer.samples(valid), start=1)}
            for version, which in ((ORIGINAL, 0), (f"step-{trainer.step_number:07d}", 1)):
                waves = {name: pair[which].numpy() for name, pair in pairs.items()}
                write_samples(folder, version, waves, trainer.front_end.settings.sample_rate)
        write_report(folder)
    except OssicleError as error:
        print(f"no report: {error}", file=sys.stderr)


def build_configs(settings: dict[str, Any]) -> tuple[GeneratorConfig, MelSettings, TrainingConfig]:
    """Return the three configurations of a recipe's settings."""
    shape = dict(settings["generator"])
    name = shape.pop("variant", None)
    base = variant(name).to_dict() if name else {}
    training = dict(settings.get("training", {}))
    for key in ("betas", "gain_db"):
        if key in training:
            training[key] = tuple(training[key])
    try:
        config = TrainingConfig(**training)
        front_end = MelSettings.hifigan(**settings["front_end"])
    except TypeError as error:
        raise ConfigError("the recipe has a setting that is not known", why=str(error)) from error
    return GeneratorConfig.from_dict({**base, **shape}), front_end, config


def prepare(options: Options, part: str, lists: Lists, sample_rate: int) -> Corpus:
    """Return the decoded corpus of ``train`` or ``valid``, decoding it first where the cache is not complete."""
    folder = options.cache / part
    limit = options.settings.get("data", {}).get("limit")
    if options.data is None:
        if not (folder / INDEX).exists():
            raise InputError(
                "no data",
                why=f"--data is not given and {folder} holds no cache",
                hint="name the data set with --data DIR",
            )
        return read_corpus(folder)
    files = lists(options.data)[part][:limit]
    missing = [file for file in files if not file.exists()]
    if missing or not files:
        raise InputError(
            f"{len(missing)} of {len(files)} {part} files are missing in {options.data}",
            why=f"the first is {missing[0]}" if missing else "the list is empty",
            hint="check that --data is the folder that the recipe's README describes",
        )

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty() or done == total:
            print(f"\rdecoding {part}: {done}/{total}", end="\n" if done == total else "", file=sys.stderr)

    write_corpus(
        folder, files, sample_rate=sample_rate, read=lambda file: _decode(file, sample_rate), progress=progress
    )
    return read_corpus(folder)


def _decode(file: Path, sample_rate: int) -> np.ndarray:
    # Sound libraries are needed here alone: with a cache in place a run goes without them.
    from ossicle.audio.files import read
    from ossicle.audio.resample import resample_array

    clip = read(file, mono=True)
    return resample_array(clip.samples, clip.sample_rate, sample_rate)[0]


def load_initial(path: Path, generator: GeneratorConfig) -> dict[str, torch.Tensor]:
    """Return the weights of a public checkpoint or a model folder, to start training from."""
    if path.is_dir():
        state, found, _ = load_folder(path)
        if found != generator:
            raise ConfigError(f"{path} is another generator", why=f"it is ({found}); the recipe trains ({generator})")
        return state
    return load_state(path)
