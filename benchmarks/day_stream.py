"""A day in the life of an adapted classifier: 86,400 windows of a second, bursts of NaN and silence, a kill, constant memory.

`python benchmarks/day_stream.py --data ESC10 --model FOLDER` writes results/day-stream.json. Sounds come in scenes (a Markov chain over
classes) from real clips; what they go through drifts from hour to hour. A child process does the first hours over again, is killed
without warning, goes on from the state on its disk, and must give the same labels.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from ossicle.audio.adaptive import AdaptiveClassifier, finite_rows
from ossicle.audio.classifier import load_classifier
from ossicle.audio.clip_cache import prepare_clips
from ossicle.registry import default_registry
from ossicle.runs.environment import PACKAGES, describe
from ossicle.runs.folder import write_json

HOUR = 3600
WEATHER = (None, "white-noise", "low-pass", "gain", "reverb", "equalizer", "packet-loss", "clipping")
"""What each hour sounds through, in turn; nothing first."""
BURST = 60
"""Windows of a burst: NaN at a quarter past every fourth hour, silence at half past."""


class Day:
    """The sound of a day, window by window; any window can be had again without those before it."""

    def __init__(self, data: Path, cache: Path, rate: int, size: int) -> None:
        dataset = default_registry().build("dataset", "esc10", folder=data)
        records = [record for record in dataset.clips() if record.fold >= 4]
        self.clips = prepare_clips(cache, [r.path for r in records], sample_rate=rate, n_samples=5 * rate)
        self.by_class = [[i for i, r in enumerate(records) if r.label == k] for k in range(len(dataset.labels))]
        self.rate, self.size = rate, size
        self.changes = {name: default_registry().build("corruption", name) for name in WEATHER if name}

    def windows(self, first: int, count: int) -> torch.Tensor:
        """Return windows (count, size) from number `first` on."""
        return torch.cat([self._window(at) for at in range(first, first + count)])

    def _window(self, at: int) -> torch.Tensor:
        hour, second = divmod(at, HOUR)
        if hour % 4 == 1 and 900 <= second < 900 + BURST:
            return torch.full((1, self.size), math.nan)
        if hour % 4 == 1 and 1800 <= second < 1800 + BURST:
            return torch.zeros(1, self.size)
        # A scene lasts half a minute; its class and its clips come from its number.
        draw = np.random.default_rng([7, at // 30])
        own = self.by_class[int(draw.integers(len(self.by_class)))]
        clip = own[int(np.random.default_rng([8, at]).integers(len(own)))]
        start = int(np.random.default_rng([9, at]).integers(0, 4 * self.rate))
        wave = torch.from_numpy(self.clips.samples[clip, start : start + self.size].astype(np.float32))[None] / 32768
        name = WEATHER[hour % len(WEATHER)]
        if name is None:
            return wave
        return self.changes[name](wave, sample_rate=self.rate, severity=1 + hour % 5, keys=[str(at)])


def listen(args: argparse.Namespace, total: int, state: Path | None, labels: Path) -> list[dict[str, float]]:
    """Hear the day from where the state ends, append a label a window to a file, and return memory by the hour."""
    classifier = load_classifier(args.model)
    model = AdaptiveClassifier(classifier, args.adapt)
    if state is not None and state.exists():
        model.load(state)
    settings = classifier.front_end.settings
    day = Day(args.data, args.cache, settings.sample_rate, settings.n_samples)
    hours = []
    os.truncate(labels, model.heard) if labels.exists() else labels.write_bytes(b"")
    with labels.open("ab") as out:
        while model.heard < total:
            if state is not None and model.heard % args.save_every == 0:
                out.flush()
                model.save(state)
            waves = day.windows(model.heard, min(args.batch, total - model.heard))
            usable = finite_rows(waves)
            told = torch.full((len(waves),), 255)
            model.heard += int((~usable).sum())
            if bool(usable.any()):
                told[usable] = model(waves[usable]).argmax(dim=1)
            out.write(bytes(told.tolist()))
            if model.heard % HOUR < args.batch:
                hours.append({"windows": model.heard, "rss_mib": round(resident_mib(), 1)})
                print(f"{model.heard} windows, {hours[-1]['rss_mib']} MiB", file=sys.stderr, flush=True)
    broken = [n for n, v in model.adapted.network.state_dict().items() if not bool(torch.isfinite(v.double()).all())]
    assert not broken, f"state is not finite: {broken}"
    return hours


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def killed_and_resumed(args: argparse.Namespace, folder: Path, whole: bytes) -> dict[str, object]:
    """Do the first hours again in a child, kill it on its way, start it again, and compare its labels."""
    total = min(args.again, args.windows)
    labels, state = folder / "again.labels", folder / "again.safetensors"
    command = [
        sys.executable,
        __file__,
        "--data",
        str(args.data),
        "--model",
        str(args.model),
        "--cache",
        str(args.cache),
    ]
    command += ["--adapt", args.adapt, "--batch", str(args.batch), "--save-every", str(args.save_every)]
    command += ["--child", str(folder), "--again", str(total)]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while child.poll() is None and (not labels.exists() or labels.stat().st_size < total * 0.6):
        time.sleep(0.05)
    killed_at = labels.stat().st_size
    child.send_signal(signal.SIGKILL)
    child.wait()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return {
        "windows": total,
        "killed_after": killed_at,
        "state_every": args.save_every,
        "same_labels": labels.read_bytes() == whole[:total],
        "state_kib": round(state.stat().st_size / 1024, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of ESC-10")
    add("--model", type=Path, required=True, help="a classifier of one-second windows")
    add("--cache", type=Path, default=Path("runs/day-stream/cache"))
    add("--adapt", default="unmix-tns")
    add("--windows", type=int, default=24 * HOUR)
    add("--batch", type=int, default=1)
    add("--again", type=int, default=2 * HOUR, help="windows that the killed process hears")
    add("--save-every", type=int, default=600)
    add("--out", type=Path, default=Path(__file__).parent / "results" / "day-stream.json")
    add("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.child is not None:
        listen(args, args.again, args.child / "again.safetensors", args.child / "again.labels")
        return
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        hours = listen(args, args.windows, None, Path(name) / "whole.labels")
        took = time.perf_counter() - started
        whole = (Path(name) / "whole.labels").read_bytes()
        result = {
            "windows": len(whole),
            "batch": args.batch,
            "adapter": args.adapt,
            "not_labelled": whole.count(255),
            "windows_of_nan": sum(h % 4 == 1 for h in range(args.windows // HOUR)) * BURST,
            "memory_by_hour": hours,
            "growth_after_the_first_hour_mib": round(hours[-1]["rss_mib"] - hours[0]["rss_mib"], 1) if hours else None,
            "times_real_time": round(args.windows / took, 1),
            "killed_and_resumed": killed_and_resumed(args, Path(name), whole),
            "environment": describe((*PACKAGES, "ossicle-unmix-tns")),
        }
    write_json(args.out, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
