"""Pools of clips with some that do not belong, made of two data sets, and detectors measured on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.atomic import replacing
from ossicle.audio.files import SUFFIXES
from ossicle.errors import InputError
from ossicle.runs.report import leave_report
from ossicle_outliers.hearing import heard
from ossicle_outliers.recipes.detectors import measured
from ossicle_outliers.recipes.options import Options
from ossicle_outliers.recipes.page import histograms, shown_method, side_by_side
from ossicle_outliers.recipes.results import Results, over_seeds, write_table
from ossicle_outliers.sound.analysis import build_analysis
from ossicle_outliers.sound.pool import read_pool
from ossicle_outliers.sound.settings import SoundSettings

_LEADING = "Of the method whose scores are drawn, first seed; the detector saw no label."


def find_clips(folder: Path) -> list[Path]:
    """Return the sound files in a folder and below it, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def clip_vectors(
    folder: Path, settings: Mapping[str, Any], cache: Path, options: Options
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the vector (D,) of every clip in a folder by its file's name without suffix; they are kept in `cache`.

    Raises
    ------
    InputError
        If there is no clip, or one of them cannot be read.
    """
    paths = find_clips(folder)
    if not paths:
        raise InputError(f"{folder} holds no sound files")
    names = [path.stem for path in paths]
    if cache.exists():
        with np.load(cache, allow_pickle=False) as known:
            if known["names"].tolist() == names:
                return dict(zip(names, known["rows"], strict=True))
    options.say(f"analysing {len(paths)} clips of {folder.name}")
    pool = read_pool(paths, build_analysis(SoundSettings(**settings)))
    if pool.failed:
        path, error = next(iter(pool.failed.items()))
        raise InputError(f"{len(pool.failed)} clips cannot be read", why=f"the first is {path}: {error.what}")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with replacing(cache) as part, part.open("wb") as file:
        np.savez(file, names=np.array(names), rows=pool.rows)
    return dict(zip(names, pool.rows, strict=True))


def draw_pool(
    normal: Sequence[str], foreign: Sequence[str], count: int, seed: int
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return names and labels of a pool: all normal clips, and `count` of the foreign ones drawn without replacement."""
    chosen = np.random.default_rng(seed).choice(len(foreign), count, replace=False)
    names = [*normal, *(foreign[at] for at in sorted(chosen.tolist()))]
    return names, (np.arange(len(names)) >= len(normal)).astype(np.int64)


def digits(names: Sequence[str], takes: int, **wanted: str) -> list[str]:
    """Return the clips ``DIGIT_SPEAKER_TAKE`` of takes below a number, and of a digit or speaker where one is named."""
    found = []
    for name in names:
        digit, speaker, take = name.split("_")
        parts = {"digit": digit, "speaker": speaker}
        if int(take) < takes and all(parts[key] == value for key, value in wanted.items()):
            found.append(name)
    return found


def run(options: Options) -> int:
    """Measure every method on every pool and seed, and write ``results.csv`` into the run folder."""
    settings = options.settings
    cache = options.out.parent / f"{options.out.name}-cache"
    takes = settings["run"]["takes"]
    speech = clip_vectors(options.need("data"), settings["vectors"], cache / "speech.npz", options)
    names = digits(list(speech), takes)
    pools: list[dict[str, Any]] = settings["pools"]
    sounds: dict[str, Any] = {}
    if any(pool["foreign"] == "esc10" for pool in pools):
        sounds = clip_vectors(options.need("foreign"), settings["vectors"], cache / "foreign.npz", options)
    vectors = {**speech, **sounds}
    files = {path.stem: path for folder in options.data.values() if folder for path in find_clips(folder.expanduser())}
    leading: dict[str, dict[str, Path]] = {}
    results = Results(options.out, settings)
    for pool in pools:
        normal, foreign = _parts(names, takes, pool, sorted(sounds))
        for seed in settings["run"]["seeds"]:
            chosen, y = draw_pool(normal, foreign, pool["count"], seed)
            x = np.stack([vectors[name] for name in chosen])
            for method, given in settings["methods"].items():
                key = {"pool": pool["name"], "method": method, "seed": seed}

                facts = {"n": len(x), "foreign": int(y.sum())}
                found = results.measure(key, partial(measured, facts, given, x, y, seed))
                if method == shown_method(list(settings["methods"])) and seed == settings["run"]["seeds"][0]:
                    leading[pool["name"]] = _labelled(chosen, y, found.get("highest", []), files)
                options.say(f"{pool['name']:<16} {method:<20} seed {seed}  AUC {found['auc']:.4f}")
    rows = results.rows()
    table = over_seeds(rows, ("pool", "method"), ("auc", "pauc", "ap", "cpu_s"), ("n", "foreign"))
    write_table(options.out / "results.csv", table)
    for line in over_seeds(table, ("method",), ("auc",)):
        options.say(f"{line['method']:<20} mean AUC over {line['seeds']} pools {line['auc']:.4f}")
    methods = list(settings["methods"])
    sections = [side_by_side("ROC AUC", table, "pool"), *histograms(rows, "pool", methods)]
    leave_report(options.out, [*sections, heard("Highest scores", leading, _LEADING)], say=options.say)
    print(options.out / "results.csv")
    return 0


def _labelled(
    names: Sequence[str], y: npt.NDArray[np.int64], highest: Sequence[int], files: Mapping[str, Path]
) -> dict[str, Path]:
    kinds = ("belongs", "foreign")
    return {f"{rank}. {names[at]}, {kinds[y[at]]}": files[names[at]] for rank, at in enumerate(highest, start=1)}


def _parts(
    names: Sequence[str], takes: int, pool: Mapping[str, Any], sounds: Sequence[str]
) -> tuple[list[str], list[str]]:
    wanted = {key: pool[key] for key in ("digit", "speaker") if key in pool}
    normal = digits(names, takes, **wanted)
    if pool["foreign"] == "esc10":
        return normal, list(sounds)
    if pool["foreign"] == "other-digits":
        return normal, [name for name in names if name not in set(normal)]
    return normal, digits(names, takes, speaker=pool["foreign"])
