"""What the drift recipes share: options, a classifier for each seed, every adapter over every stream, resumable."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.audio.classifier import load_classifier, save_classifier
from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.errors import ConfigError
from ossicle.runs.exits import run_guarded
from ossicle.runs.folder import RunFolder
from ossicle.toml import read_toml
from ossicle_unmix_tns.corruptions import HELD_OUT, TESTED, TYPES
from ossicle_unmix_tns.drift.data import Clips, find_windows, load_clips
from ossicle_unmix_tns.drift.evaluate import run_stream
from ossicle_unmix_tns.drift.features import Features, spread_of
from ossicle_unmix_tns.drift.report import ResultTable, write_results
from ossicle_unmix_tns.drift.training import TrainingConfig, train
from ossicle_unmix_tns.streams.protocol import CLEAN, StreamProtocol

_FIRST_SEED = 2020
"""The authors' first seed of an order."""

_OURS = ("component", "smallest_batch", "largest_batch", "seeded", "by_batch_size", "frozen", "streams")
"""Settings of a recipe's adapter that are not the component's."""

_SETS = {"tested": TESTED, "held-out": HELD_OUT, "all": TYPES}


@dataclass(frozen=True)
class Options:
    """A recipe's command line, with the settings of its ``recipe.toml``."""

    data: Path
    out: Path
    seeds: tuple[int, ...]
    adapters: tuple[str, ...]
    streams: tuple[str, ...]
    settings: dict[str, Any]
    model: Path | None
    tune: bool
    resume: bool
    quiet: bool


def run(folder: Path, argv: Sequence[str] | None = None) -> int:
    """Fill a recipe's table as its command line asks, and return the exit code."""
    return run_guarded(lambda: _run(parse(folder, argv)))


def parse(folder: Path, argv: Sequence[str] | None = None) -> Options:
    """Read a recipe's command line."""
    settings = read_toml(folder / "recipe.toml")
    parser = argparse.ArgumentParser(
        description=f"Adapt to a drifting world: {settings['recipe']['summary']}. Numbers come from recipe.toml.",
        epilog=f"adapters: {', '.join(settings['adapters'])}; streams: {', '.join(settings['streams'])}",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the data set")
    add("--noise", type=Path, help="folder of recordings for the corruption environment (default: synthetic)")
    add("--speech", type=Path, help="folder of speech for the corruption babble (default: synthetic)")
    add("--out", type=Path, help="run folder (default: runs/RECIPE)")
    add("--seeds", default="0,1,2,3,4", help="of networks and orders, such as 0,1,2,3,4")
    add("--adapters", help="names of the recipe's, separated by commas (default: all)")
    add("--streams", help="names of the recipe's, separated by commas (default: all)")
    add("--model", type=Path, help="a trained model folder, instead of training one for each seed")
    add("--tune", action="store_true", help="try tuning.toml: held-out corruptions, clips and networks of their own")
    add("--resume", action="store_true", help="go on where the run folder ends")
    add("--threads", type=int, help="threads of torch (default: as torch finds them)")
    add("--smoke", action="store_true", help="take smoke.toml too: seconds, to see that everything works")
    add("--quiet", action="store_true")
    given = parser.parse_args(argv)
    if given.tune:
        settings = {**settings, **read_toml(folder / "tuning.toml")}
    if given.smoke:
        settings = _merge(settings, read_toml(folder / "smoke.toml"))
    for name, place in (("environment", given.noise), ("babble", given.speech)):
        own = settings.setdefault("corruption", {}).setdefault(name, {})
        settings["corruption"][name] = {"folder": str(place), **own} if place else {}
    if given.threads:
        torch.set_num_threads(given.threads)
    out = given.out or Path("runs") / f"{folder.parent.name}-{folder.name}{'-tune' if given.tune else ''}"
    try:
        seeds = tuple(int(text) for text in given.seeds.split(","))
    except ValueError as error:
        raise ConfigError(f"--seeds {given.seeds}", hint="write whole numbers, such as 0,1,2,3,4") from error
    return Options(
        given.data,
        out,
        seeds,
        _chosen("adapters", given.adapters, settings),
        _chosen("streams", given.streams, settings),
        settings,
        given.model,
        given.tune,
        given.resume,
        given.quiet,
    )


def _chosen(section: str, text: str | None, settings: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(text.split(",")) if text else tuple(settings[section])
    if unknown := [name for name in names if name not in settings[section]]:
        raise ConfigError(f"the recipe has no {', '.join(unknown)}", hint=f"{section}: {', '.join(settings[section])}")
    return names


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        k: _merge(base[k], v) for k, v in over.items() if isinstance(v, Mapping) and isinstance(base.get(k), Mapping)
    }
    return {**base, **over, **both}


class Bench:
    """The data of a run, and a trained classifier for each seed.

    Parameters
    ----------
    options
        What is asked for.
    say
        Tells what is done.
    """

    def __init__(self, options: Options, say: Any) -> None:
        s, self.options, self.say = options.settings, options, say
        self.front_end = LogMelSettings(**s["front_end"])
        self.clips: Clips = load_clips(
            s["recipe"]["dataset"],
            options.data,
            options.out / "cache",
            sample_rate=self.front_end.sample_rate,
            n_samples=s["data"]["n_samples"],
            split=s["split"],
        )
        self.parts = {name: self._features(name) for name in ("train", "tune", "test")}
        heard = self.parts["tune" if options.tune else "test"]
        self.labels = heard.windows.label
        self.heard = heard

    def _features(self, part: str) -> Features:
        s = self.options.settings
        windows = find_windows(self.clips, self.clips.parts[part], self.front_end, hop=s["data"]["hop"])
        return Features(self.clips, windows, self.front_end, self.options.out / "cache", s.get("corruption", {}))

    def classifier(self, seed: int) -> tuple[nn.Module, LogMel]:
        """Return a seed's network and front end, trained where its folder is not there."""
        folder = self.options.model or self.options.out / "models" / f"seed{seed}"
        if not folder.is_dir() and self.options.model is None:
            self._train(folder, seed)
        found = load_classifier(folder)
        if list(found.labels) != list(self.clips.labels):
            raise ConfigError(f"{folder} knows other labels", why=f"{', '.join(found.labels)}")
        if replace(found.front_end.settings, mean_db=0.0, scale_db=1.0) != self.front_end:
            raise ConfigError(f"{folder} hears otherwise", hint="give the recipe its [front_end]")
        return found.network, found.front_end

    def _train(self, folder: Path, seed: int) -> None:
        s = self.options.settings
        # While tuning, the clips that are tuned on stay unheard; else they are training clips as any.
        names = ("train",) if self.options.tune else ("train", "tune")
        decibels = [self.parts[name].get(CLEAN) for name in names]
        mean, scale = spread_of(decibels)
        front_end = LogMelSettings.from_dict({**self.front_end.to_dict(), "mean_db": mean, "scale_db": scale})
        x = LogMel(front_end).standardize(torch.cat(decibels))
        y = torch.cat([self.parts[name].windows.label for name in names])
        config = TrainingConfig(**s["training"])
        network = train(s["backbone"], x, y, config, classes=len(self.clips.labels), seed=seed, say=self.say)
        card = {"recipe": s["recipe"]["summary"], "seed": seed, "windows": len(x)}
        save_classifier(folder, network, front_end, self.clips.labels, backbone=s["backbone"]["name"], card=card)

    def inputs(self, front_end: LogMel, domains: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Tensor]:
        """Return standardised log-mels by domain."""
        return {domain: front_end.standardize(self.heard.get(domain, self.say)) for domain in domains}


def protocol(options: Options, name: str, seed: int) -> StreamProtocol:
    """Return one of the recipe's streams, over the corruptions that it names, for a seed."""
    s = options.settings
    stream = dict(s["streams"][name])
    severity = stream.pop("severity", s["corruptions"]["severity"])
    named = stream.pop("types", HELD_OUT if options.tune else _SETS[s["corruptions"]["types"]])
    domains = tuple((kind, severity) for kind in named)
    if stream.get("setting", "single") == "single":
        domains = (CLEAN, *domains)
    return StreamProtocol(**stream, domains=domains, seed=_FIRST_SEED + seed)


def _takes(chosen: Mapping[str, Any], stream: str, batch_size: int) -> bool:
    fits = chosen.get("smallest_batch", 1) <= batch_size <= chosen.get("largest_batch", batch_size)
    return fits and stream in chosen.get("streams", (stream,))


def adapter_settings(chosen: Mapping[str, Any], name: str, batch_size: int, seed: int) -> tuple[str, dict[str, Any]]:
    """Return the component that a recipe's adapter is, and what it is built with for a batch size and a seed."""
    own = {key: value for key, value in chosen.items() if key not in _OURS}
    own |= chosen.get("by_batch_size", {}).get(str(batch_size), {})
    return chosen.get("component", name), own | ({"seed": seed} if chosen.get("seeded") else {})


def _run(options: Options) -> int:
    def say(text: str) -> None:
        if not options.quiet:
            print(text, file=sys.stderr, flush=True)

    folder = RunFolder.create(options.out, {"recipe": options.settings, "tune": options.tune}, resume=options.resume)
    bench = Bench(options, say)
    table = ResultTable(folder.path)
    chosen = options.settings["adapters"]
    # Streams before seeds, so that what is stopped early has all seeds of the first streams.
    for name, seed in itertools.product(options.streams, options.seeds):
        waiting = [adapter for adapter in options.adapters if not table.has(seed, adapter, name)]
        stream = protocol(options, name, seed)
        waiting = [a for a in waiting if _takes(chosen[a], name, stream.batch_size)]
        if not waiting:
            continue
        network, front_end = bench.classifier(seed)
        inputs = bench.inputs(front_end, stream.heard())
        for adapter in waiting:
            component, own = adapter_settings(chosen[adapter], adapter, stream.batch_size, seed)
            frozen = chosen[adapter].get("frozen", False)
            results = run_stream(network, component, own, stream, inputs, bench.labels, frozen=frozen)
            table.add(seed, adapter, name, stream, results)
            say(f"seed {seed}, {name}, {adapter}: error {sum(r.error for r in results) / len(results):.2f} %")
    write_results(folder.path, table, say, bench.heard)
    print(folder.path)
    return 0
