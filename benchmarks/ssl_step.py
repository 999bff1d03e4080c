"""Time a training step of each semi-supervised method against the authors' way, interleaved; write medians as JSON.

Features and augmentation alone, the step on cached features, and both together; ours in float32 and in bfloat16. Peak
memory is that of a process of its own that takes a few steps. What the file holds of other methods and sizes is kept.
`share_of_a_core` near 1 says that nothing else held the processor meanwhile.

Run: python benchmarks/ssl_step.py --out benchmarks/results/ssl-step.json
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from ssl_authors_way import WAYS, Loader, Way
from torch import Tensor

from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.registry import default_registry
from ossicle.runs.environment import describe
from ossicle.runs.report import write_measurement
from ossicle.runs.timing import medians
from ossicle.training.memory import keep_freed_memory
from ossicle.training.seeds import generator_for
from ossicle_semisup.trainer import Clips, SemiTrainer, TrainingConfig

CLASSES, LABELED, CLIPS = 10, 48, 160
FRONT_ENDS = {
    "64x32": LogMelSettings(sample_rate=16000, n_fft=2048, hop_length=512, n_mels=64, n_samples=16000),
    "64x126": LogMelSettings(sample_rate=16000, n_fft=2048, hop_length=640, n_mels=64, n_samples=80000),
}
AMPS = ("fp32", "bf16")
NETWORK = "audio-wrn-28-2"


class Bench:
    """One method on one size of input: the same clips, networks from the same seed, for either side."""

    def __init__(self, method: str, settings: LogMelSettings, batch: int, network: str = NETWORK) -> None:
        self.method, self.settings, self.size, self.network = method, settings, batch, network
        draw = torch.Generator().manual_seed(0)
        self.samples = (3000 * torch.randn(CLIPS, settings.n_samples, generator=draw)).to(torch.int16)
        self.labels = torch.arange(CLIPS) % CLASSES
        self.parts = {"labeled": torch.arange(LABELED), "unlabeled": torch.arange(LABELED, CLIPS)}

    def waves(self, indices: Tensor) -> Tensor:
        """Return clips (B, N)."""
        return self.samples[indices].float() / 32768.0

    def make_network(self, seed: int) -> Any:
        """Return the network that both sides train."""
        return default_registry().build("backbone", self.network, classes=CLASSES, seed=seed)

    def ours(self, amp: str = "fp32", preset: str = "default") -> SemiTrainer:
        """Return a trainer with one of the method's presets and the paper's pools."""
        config = TrainingConfig(
            steps=100_000,
            batch_labeled=self.size,
            batch_unlabeled=self.size,
            optimizer="adam",
            learning_rate=1e-3,
            weight_decay=0.0,
            schedule="constant",
            ema_decay=0.999,
            amp=amp,
            strength=1.0,
        )
        given = {"make_network": self.make_network, "classes": CLASSES, "seed": 0}
        if self.method != "supervised":
            given["preset"] = preset
        method = default_registry().build("ssl-method", self.method, **given)
        analyse = LogMel(self.settings)
        decibels = analyse(self.waves(torch.arange(CLIPS)))
        clips = Clips(self.waves, decibels, self.labels, self.parts["labeled"], self.parts["unlabeled"])
        return SemiTrainer(method, clips, analyse, config, classes=CLASSES)

    def theirs(self) -> tuple[Way, Loader]:
        """Return the authors' way of the method, and what gives it batches."""
        networks = [self.make_network(0)]
        if self.method == "deep-co-training":
            networks.append(self.make_network(1_000_003))
        sizes = {"labeled": self.size, "unlabeled": self.size}
        loader = Loader(
            self.waves(torch.arange(CLIPS)),
            self.labels,
            self.parts,
            sizes,
            views=self.ours().method.views,
            settings=self.settings,
            classes=CLASSES,
        )
        return WAYS[self.method](networks, classes=CLASSES), loader

    def calls(self) -> dict[str, dict[str, Callable[[], Any]]]:
        """Return what to time: parts of a step, and within each the sides."""
        way, loader = self.theirs()
        trainers = {amp: self.ours(amp) for amp in AMPS}
        cached = {amp: self.ours(amp) for amp in AMPS}
        steps = iter(range(10**9))
        still, still_way = loader.batch(), self.theirs()[0]
        for trainer in cached.values():
            held = trainer.batches(0, generator_for(0, "step", 0))
            trainer.batches = lambda number, draw, held=held: held

        def features() -> None:
            number = next(steps)
            trainers["fp32"].batches(number, generator_for(0, "step", number))

        return {
            "features": {"authors": loader.batch, "ours": features},
            "step": {
                "authors": lambda: still_way.step(still),
                **{amp: trainer.step for amp, trainer in cached.items()},
            },
            "end_to_end": {
                "authors": lambda: way.step(loader.batch()),
                **{amp: trainer.step for amp, trainer in trainers.items()},
            },
        }

    def measure(self, rounds: int) -> dict[str, Any]:
        """Return medians, clips a second and ratios of every part and side."""
        shown = self.size * (1 if self.method == "supervised" else 2 + (self.method == "deep-co-training"))
        found: dict[str, Any] = {}
        calls = self.calls()
        clock, processor = time.perf_counter(), time.process_time()
        for part, sides in calls.items():
            times = medians(sides, device="cpu", rounds=3 * rounds if part == "features" else rounds)
            found[part] = {
                side: {
                    "median_s": took,
                    "clips_per_s": shown / took,
                    **({} if side == "authors" else {"times_authors": times["authors"] / took}),
                    **({"times_fp32": times["fp32"] / took} if side == "bf16" else {}),
                }
                for side, took in times.items()
            }
        share = (time.process_time() - processor) / (time.perf_counter() - clock)
        return {"clips_a_step": shown, "rounds": rounds, "share_of_a_core": share, **found}

    def take_steps(self, side: str, steps: int) -> None:
        """Take steps from waveforms on, for a look at the memory; side ``none`` only prepares ours."""
        if side == "none":
            self.ours()
        elif side == "authors":
            way, loader = self.theirs()
            for _ in range(steps):
                way.step(loader.batch())
        else:
            trainer = self.ours(side)
            for _ in range(steps):
                trainer.step()


def peak_memory(method: str, size: str, batch: int, network: str, side: str) -> float:
    """Return the largest resident set in MiB of a process that takes three steps; with no side, that of one that takes none."""
    words = ["--methods", method, "--sizes", size, "--batch", str(batch), "--network", network, "--peak-of", side]
    done = subprocess.run([sys.executable, __file__, *words], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--methods", default=",".join(WAYS))
    parser.add_argument("--sizes", default=",".join(FRONT_ENDS))
    parser.add_argument("--batch", type=int, default=16, help="labelled clips a step, and as many unlabelled ones")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--network", default=NETWORK)
    parser.add_argument("--only", choices=("times", "memory"), help="one of the two")
    parser.add_argument("--peak-of", choices=("none", "authors", *AMPS), help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    methods, sizes = given.methods.split(","), given.sizes.split(",")
    if given.peak_of:
        Bench(methods[0], FRONT_ENDS[sizes[0]], given.batch, given.network).take_steps(given.peak_of, 3)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return 0
    if given.out is None:
        parser.error("--out says where the results go")
    kept = keep_freed_memory()
    results = json.loads(given.out.read_text("utf-8"))["results"] if given.out.exists() else {}
    for size in sizes:
        for method in methods:
            row = results.setdefault(size, {}).setdefault(method, {})
            if given.only != "memory":
                row |= Bench(method, FRONT_ENDS[size], given.batch, given.network).measure(given.rounds)
                parts = ("features", "step", "end_to_end")
                cells = [
                    f"{part} {side} {row[part][side]['times_authors']:.2f}x"
                    for part in parts
                    for side in row[part]
                    if side != "authors"
                ]
                print(f"{size} {method}: {', '.join(cells)}", file=sys.stderr, flush=True)
            if given.only != "times":
                peaks = {
                    s: peak_memory(method, size, given.batch, given.network, s) for s in ("none", "authors", *AMPS)
                }
                row["peak_memory_mib"] = peaks
            settings = {
                "batch": given.batch,
                "network": given.network,
                "threads": 1,
                "seed": 0,
                "freed_memory_kept": kept,
            }
            found = {"settings": settings, "results": results, "environment": describe()}
            write_measurement(given.out, found, title="Steps of semi-supervised training, measured")
    return 0


if __name__ == "__main__":
    sys.exit(main())
