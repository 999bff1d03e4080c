"""The jobs of the GPU queue that train semi-supervised methods. See QUEUE.md.

Pack ESC-10 for a machine that cannot decode: python benchmarks/gpu/ssl_jobs.py --data ESC-10 --pack CACHE
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ossicle.audio.clip_cache import ClipCache, prepare_clips
from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.registry import default_registry
from ossicle.runs.folder import RunFolder, write_json
from ossicle.runs.timing import medians
from ossicle.toml import read_toml
from ossicle.training.loop import STATE_FILE, LoopConfig, run_loop
from ossicle_semisup.datasets.base import BaseDataset, Clip
from ossicle_semisup.graphs import GraphedTrainer
from ossicle_semisup.options import parse
from ossicle_semisup.preparation import arrange, build_method
from ossicle_semisup.summary import SUMMARY, summarise
from ossicle_semisup.trainer import Clips, SemiTrainer, TrainingConfig

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "esc10" / "semisup"
RECORDS = "records.json"
SHARD_BYTES = 48 * 2**20
METHODS = ("supervised", "mixmatch", "remixmatch", "fixmatch", "mean-teacher", "deep-co-training")
CLASSES = 10


# --- ESC-10, decoded


class PackedClips(BaseDataset):
    """Clips that were decoded beforehand: their records, and no sound files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._packed = json.loads((self.folder / RECORDS).read_text("utf-8"))
        self.labels = tuple(self._packed["labels"])

    def _read(self) -> Iterable[Clip]:
        for row in self._packed["clips"]:
            yield Clip(self.folder / row["name"], row["label"], fold=row["fold"], source=row["source"])

    def cache(self) -> ClipCache:
        """Read all shards."""
        shards = [np.load(path) for path in sorted(self.folder.glob("clips-*.npy"))]
        samples = np.concatenate(shards)
        if len(samples) != len(self.clips()):
            sys.exit(f"{self.folder} holds {len(samples)} clips of {len(self.clips())}: carry all of its shards")
        return ClipCache(samples, {}, self._packed["sample_rate"])


def pack(folder: Path, labels: Sequence[str], clips: Sequence[Clip], cache: ClipCache) -> None:
    """Write decoded clips in shards that can be carried one by one."""
    if cache.failed:
        sys.exit(f"{len(cache.failed)} clips cannot be decoded")
    folder.mkdir(parents=True, exist_ok=True)
    at_once = max(1, SHARD_BYTES // (2 * cache.samples.shape[1]))
    for number, begin in enumerate(range(0, len(clips), at_once)):
        np.save(folder / f"clips-{number:03}.npy", cache.samples[begin : begin + at_once])
    rows = [{"name": c.path.name, "label": c.label, "fold": c.fold, "source": c.source} for c in clips]
    write_json(folder / RECORDS, {"sample_rate": cache.sample_rate, "labels": list(labels), "clips": rows})


def pack_noise(folder: Path, n_samples: int, sample_rate: int) -> None:
    """Write clips of noise with ESC-10's classes and folds, four a class and fold, for a run in miniature."""
    clips = [
        Clip(Path(f"{fold}-{label}-{take}.wav"), label, fold=fold, source=f"{fold}{label}{take}")
        for fold in range(1, 6)
        for label in range(CLASSES)
        for take in range(4)
    ]
    noise = np.random.default_rng(0).integers(-3000, 3000, (len(clips), n_samples), np.int16)
    pack(folder, [f"class {k}" for k in range(CLASSES)], clips, ClipCache(noise, {}, sample_rate))


# --- esc10-table


def esc10_table(given: argparse.Namespace) -> dict[str, Any]:
    """Train every method of the ESC-10 recipe on every fold, as far as the minutes go; what is finished stays."""
    deadline = time.monotonic() + 60 * given.minutes
    recipe = read_toml(RECIPE / "recipe.toml")
    front_end = recipe["front_end"]
    names, folds, more = list(recipe["methods"]), range(1, 6), ["--set", f"training.amp={given.amp}"]
    cache = given.cache
    if given.smoke:
        names, folds, cache = ["supervised", "fixmatch"], range(1, 3), given.out / "noise"
        front_end = {"sample_rate": 4000, "n_fft": 256, "hop_length": 100, "n_mels": 16, "n_samples": 2000}
        more += ["--smoke", "--labels", "0.2", "--set", "backbone.name=audio-resnet-tiny"]
        more += [word for key, value in front_end.items() for word in ("--set", f"front_end.{key}={value}")]
        pack_noise(cache, front_end["n_samples"], front_end["sample_rate"])
    elif cache is None:
        sys.exit("esc10-table needs --cache, the folder that ssl_jobs.py --pack wrote")
    dataset = PackedClips(cache)
    clips, analyse = dataset.cache(), LogMel(LogMelSettings(**front_end)).to(given.device)
    parts = torch.arange(len(clips.samples)).split(64)
    decibels = torch.cat([analyse(clips.waves(part).to(given.device)).cpu() for part in parts])
    rows, left = [], []
    for fold in folds:
        for name in names:
            words = ["--data", str(cache), "--method", name, "--fold", str(fold), "--seed", str(given.seed)]
            place = given.out / "esc10-table" / f"{name}-fold{fold}-seed{given.seed}"
            options = parse(RECIPE, [*words, "--out", str(place), "--device", given.device, *more])
            finished = place / SUMMARY
            if not finished.exists() and time.monotonic() < deadline:
                ready = arrange(options.settings, dataset, clips, fold=fold, decibels=decibels)
                _train(options, ready, given, (deadline - time.monotonic()) / 60)
            if finished.exists():
                rows.append(json.loads(finished.read_text("utf-8")))
            else:
                left.append(f"{name}, fold {fold}")
    return {"amp": given.amp, "runs": rows, "not_finished": left, "table": _table(rows)}


def _train(options: Any, ready: Any, given: argparse.Namespace, minutes: float) -> None:
    config = TrainingConfig(**options.settings["training"])
    state = options.out / STATE_FILE
    folder = RunFolder.create(options.out, options.settings, resume=(options.out / "run.json").exists())
    labels = torch.tensor([clip.label for clip in ready.records])
    chosen = (torch.tensor(ready.parts[name]) for name in ("labeled", "unlabeled"))
    trainer = GraphedTrainer(
        build_method(options.settings, ready),
        Clips(ready.cache.waves, ready.decibels, labels, *chosen),
        LogMel(ready.front_end),
        config,
        classes=len(ready.labels),
        device=given.device,
        record=_called if given.smoke and given.device == "cpu" else None,
    )
    if state.exists():
        trainer.resume(state)
    log: list[dict[str, float]] = []
    loop = LoopConfig(steps=config.steps, minutes=minutes, log_every=2 if given.smoke else 100)
    if run_loop(trainer, loop, folder.path, log=lambda step, values: log.append({"step": step, **values})):
        folder.write_json(SUMMARY, {**summarise(trainer, ready, options, folder), "log": log})
    print(options.out.name, f"step {trainer.step_number} of {config.steps}", flush=True)


def _called(call: Callable[[], Any]) -> Callable[[], Any]:
    return call


def _table(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    table = []
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        line: dict[str, Any] = {"method": name, "folds": len(own), "steps": own[0]["steps"]}
        for key in ("error_rate", "error_rate_ema"):
            values = [row[key] for row in own]
            line[key] = {"mean": statistics.fmean(values), "spread": statistics.stdev(values) if own[1:] else None}
        table.append(line)
    return table


# --- ssl-steps


def ssl_steps(given: argparse.Namespace) -> dict[str, Any]:
    """Time every method's step: eager in float32 and bfloat16, a graph in both; and the authors' way, where torchaudio is.

    What the minutes do not suffice for is named; `--resume` goes on with it.
    """
    deadline = time.monotonic() + 60 * given.minutes
    before = given.out / "ssl-steps.json"
    sizes = {
        "64x431, 30 + 30": (44100, 220500, 512, 2048, 64, 30, 30, "audio-wrn-28-2"),
        "64x173, 128 + 128": (22050, 88200, 512, 2048, 64, 128, 128, "audio-wrn-28-2"),
        "64x32, 128 + 128": (16000, 16000, 512, 2048, 64, 128, 128, "audio-wrn-28-2"),
        "64x32, 30 + 30": (16000, 16000, 512, 2048, 64, 30, 30, "audio-wrn-28-2"),
    }
    if given.smoke:
        sizes = {"16x21, 4 + 4": (4000, 2000, 100, 256, 16, 4, 4, "audio-resnet-tiny")}
    rows = json.loads(before.read_text("utf-8"))["rows"] if given.resume and before.exists() else []
    done = {(row["size"], row["method"]) for row in rows}
    left = []
    for label, size in sizes.items():
        for method in METHODS:
            if (label, method) in done:
                continue
            if time.monotonic() > deadline:
                left.append(f"{method}, {label}")
                continue
            rows.append({"size": label, "method": method, **_Steps(given, method, *size).measure()})
            print(label, method, rows[-1]["median_s"], flush=True)
    return {"rows": rows, "not_finished": left}


class _Steps:
    """A method on noise of one size."""

    def __init__(
        self,
        given: argparse.Namespace,
        method: str,
        rate: int,
        n_samples: int,
        hop: int,
        n_fft: int,
        mels: int,
        labeled: int,
        unlabeled: int,
        backbone: str,
    ) -> None:
        self.given, self.method, self.backbone = given, method, backbone
        self.sizes = {"labeled": labeled, "unlabeled": unlabeled}
        self.settings = LogMelSettings(sample_rate=rate, n_fft=n_fft, hop_length=hop, n_mels=mels, n_samples=n_samples)
        count = 20 if given.smoke else 512
        draw = torch.Generator().manual_seed(0)
        self.samples = torch.randint(-3000, 3000, (count, n_samples), generator=draw, dtype=torch.int16)
        self.labels = torch.arange(count) % CLASSES
        self.parts = {"labeled": torch.arange(count // 2), "unlabeled": torch.arange(count // 2, count)}
        analyse = LogMel(self.settings).to(given.device)
        split = torch.arange(count).split(64)
        self.decibels = torch.cat([analyse(self.waves(part).to(given.device)).cpu() for part in split])

    def waves(self, indices: torch.Tensor) -> torch.Tensor:
        return self.samples[indices].float() / 32768.0

    def make_network(self, seed: int) -> Any:
        return default_registry().build("backbone", self.backbone, classes=CLASSES, seed=seed)

    def trainer(self, kind: type[SemiTrainer], amp: str) -> SemiTrainer:
        sizes = {f"batch_{name}": size for name, size in self.sizes.items()}
        config = TrainingConfig(steps=10**6, optimizer="adam", weight_decay=0.0, strength=1.0, amp=amp, **sizes)
        build = default_registry().build
        method = build("ssl-method", self.method, make_network=self.make_network, classes=CLASSES)
        clips = Clips(self.waves, self.decibels, self.labels, self.parts["labeled"], self.parts["unlabeled"])
        on_cpu = kind is GraphedTrainer and self.given.device == "cpu"
        more = {"record": _called} if on_cpu else {}
        return kind(method, clips, LogMel(self.settings), config, classes=CLASSES, device=self.given.device, **more)

    def authors(self) -> Callable[[], Any] | None:
        """Return a step in the authors' way; their transforms need torchaudio."""
        if importlib.util.find_spec("torchaudio") is None:
            return None
        sys.path.insert(0, str(ROOT / "benchmarks"))
        from ssl_authors_way import WAYS, Loader

        seeds = (0, 1_000_003) if self.method == "deep-co-training" else (0,)
        views = self.trainer(SemiTrainer, "fp32").method.views
        loader = Loader(
            self.waves(torch.arange(len(self.samples))),
            self.labels,
            self.parts,
            self.sizes,
            views=views,
            settings=self.settings,
            classes=CLASSES,
        )
        # Their steps make tensors where torch makes them by default.
        with torch.device(self.given.device):
            way = WAYS[self.method]([self.make_network(seed).to(self.given.device) for seed in seeds], classes=CLASSES)

        def step() -> None:
            batch = {name: part.to(self.given.device) for name, part in loader.batch().items()}
            with torch.device(self.given.device):
                way.step(batch)

        return step

    def measure(self) -> dict[str, Any]:
        given = self.given
        forms = {
            "eager fp32": (SemiTrainer, "fp32"),
            "eager bf16": (SemiTrainer, "bf16"),
            "graph fp32": (GraphedTrainer, "fp32"),
            "graph bf16": (GraphedTrainer, "bf16"),
        }
        peaks = {label: self._peak_mib(*form) for label, form in forms.items()}
        calls: dict[str, Callable[[], Any]] = {label: self.trainer(*form).step for label, form in forms.items()}
        rounds, warmup = (2, 1) if given.smoke else (given.rounds, 5)
        took = medians(calls, device=given.device, rounds=rounds, warmup=warmup)
        if authors := self.authors():
            # Their transforms take seconds a step: fewer rounds will do.
            took |= medians({"authors' way": authors}, device=given.device, rounds=max(2, rounds // 10))
        shown = sum(self.sizes.values())
        return {
            "median_s": took,
            "clips_a_step": shown,
            "clips_per_s": {label: shown / seconds for label, seconds in took.items()},
            "peak_mib": peaks,
        }

    def _peak_mib(self, kind: type[SemiTrainer], amp: str) -> float | None:
        if not self.given.device.startswith("cuda"):
            return None
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        trainer = self.trainer(kind, amp)
        for _ in range(3):
            trainer.step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20


def main() -> None:
    """Decode ESC-10 for a machine that cannot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-10 or ESC-50")
    parser.add_argument("--pack", type=Path, required=True, help="folder to write")
    given = parser.parse_args()
    front_end = read_toml(RECIPE / "recipe.toml")["front_end"]
    dataset = default_registry().build("dataset", "esc10", folder=given.data)
    clips = dataset.clips()
    shape = {key: front_end[key] for key in ("sample_rate", "n_samples")}
    with tempfile.TemporaryDirectory() as place:
        pack(given.pack, dataset.labels, clips, prepare_clips(Path(place), [clip.path for clip in clips], **shape))


if __name__ == "__main__":
    main()
