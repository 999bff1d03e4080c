"""What the semi-supervised recipes share: a run from its command line to its summary and model folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from ossicle.audio.classifier import load_classifier, save_classifier
from ossicle.audio.log_mel import LogMel
from ossicle.runs.exits import run_guarded
from ossicle.runs.folder import RunFolder
from ossicle.runs.log import METRICS, MetricsLog
from ossicle.runs.report import leave_report
from ossicle.training.distributed import Ranks
from ossicle.training.loop import STATE_FILE, LoopConfig, run_loop
from ossicle.training.memory import keep_freed_memory
from ossicle_semisup.graphs import GraphedTrainer
from ossicle_semisup.options import Options, built, parse
from ossicle_semisup.preparation import build_method, prepare
from ossicle_semisup.summary import SUMMARY, summarise
from ossicle_semisup.trainer import Clips, SemiTrainer, TrainingConfig

BEST = "best"


def run(folder: Path, argv: Sequence[str] | None = None) -> int:
    """Train one method as a recipe's command line asks, and return the exit code."""
    return run_guarded(lambda: _run(parse(folder, argv)))


def _run(options: Options) -> int:
    ranks = Ranks.join(options.device)
    if ranks.device.type == "cpu":
        keep_freed_memory()
    try:
        return _Run(options, ranks).train()
    finally:
        ranks.leave()


class _Run:
    """One run: everything that its steps share."""

    def __init__(self, options: Options, ranks: Ranks) -> None:
        self.options, self.ranks = options, ranks
        self.config = built(TrainingConfig, options.settings["training"], "training")
        loop = {"steps": self.config.steps, "minutes": options.minutes, **options.settings.get("loop", {})}
        self.loop = built(LoopConfig, loop, "loop")
        # The others find the folder and the decoded clips of the first.
        with ranks.first_alone():
            self.folder = RunFolder.create(options.out, options.settings, resume=options.resume or not ranks.first)
            self.ready = prepare(options, self.say)
        self.trainer = self._trainer()
        state = self.folder.path / STATE_FILE
        if options.resume and state.exists():
            self.trainer.resume(state)
        path = self.folder.path / METRICS
        self.log = MetricsLog(path, resume_step=self.trainer.step_number) if ranks.first else None
        self.first_network = next(iter(self.trainer.method.evaluated()))
        self.reported = options.settings["recipe"].get("model", "ema")

    def say(self, text: str) -> None:
        """Tell people, once."""
        if self.ranks.first and not self.options.quiet:
            print(text, file=sys.stderr, flush=True)

    def _trainer(self) -> SemiTrainer:
        ready = self.ready
        labels = torch.tensor([record.label for record in ready.records])
        chosen = [torch.tensor(ready.parts[name]) for name in ("labeled", "unlabeled")]
        clips = Clips(ready.cache.waves, ready.decibels, labels, *chosen)
        method = build_method(self.options.settings, ready)
        front_end = LogMel(ready.front_end)
        kind = GraphedTrainer if self.options.graph and self.ranks.alone else SemiTrainer
        return kind(method, clips, front_end, self.config, classes=len(ready.labels), ranks=self.ranks)

    def train(self) -> int:
        """Take all steps, evaluate, and return the exit code."""
        first = self.ranks.first
        done = run_loop(
            self.trainer,
            self.loop,
            self.folder.path if first else None,
            log=self._write,
            validate=self._validate if first and "valid" in self.ready.parts else None,
            on_checkpoint=self._checkpoint,
            agree=self.ranks.any,
        )
        for warning in self.trainer.monitor.warnings:
            self.say(f"warning: {warning}")
        if not first:
            return 0
        if done:
            self._finish()
        else:
            self.say(f"stopped at step {self.trainer.step_number} of {self.config.steps}; go on with --resume")
        leave_report(self.folder.path, say=self.say)
        return 0

    def _finish(self) -> None:
        summary = summarise(self.trainer, self.ready, self.options, self.folder)
        if self.trainer.best:
            best = load_classifier(self.folder.path / BEST, device=self.ranks.device).network
            summary["best_valid_error"] = self.trainer.best["error"]
            summary["error_rate_best"] = self.trainer.error_rate(best, self.ready.parts["test"])
        self.folder.write_json(SUMMARY, summary)
        shown = {
            name: value for name, value in summary.items() if name.startswith("error_rate") and name != "error_rates"
        }
        if self.log:
            self.log.event("ended", self.trainer.step_number, shown)
        self.say(
            f"error {100 * summary['error_rate']:.2f} %, average {100 * summary['error_rate_ema']:.2f} % of {summary['n_test']} clips"
        )
        print(self.folder.path)

    def _write(self, step: int, values: dict[str, float]) -> None:
        if self.log:
            self.log.write(step, **values)
            shown = "  ".join(f"{key} {value:.4g}" for key, value in values.items())
            self.say(f"step {step}/{self.config.steps}  {shown}")

    def _validate(self) -> dict[str, float]:
        found = self.trainer.evaluate(self.ready.parts["valid"])
        shown = found["error_rate" if self.reported == self.first_network else f"error_rate_{self.reported}"]
        if shown < self.trainer.best.get("error", 2.0):
            self.trainer.best["error"] = shown
            self._export(self.folder.path / BEST)
        return {f"valid_{key}": value for key, value in found.items()}

    def _checkpoint(self) -> None:
        self._export(self.folder.path)
        if self.log:
            self.log.event("checkpoint", self.trainer.step_number)

    def _export(self, place: Path) -> None:
        card = {
            "recipe": self.options.settings["recipe"]["summary"],
            "method": self.options.method,
            "seed": self.config.seed,
            "steps": self.trainer.step_number,
        }
        network, name = self.trainer.networks()[self.reported], self.options.settings["backbone"]["name"]
        save_classifier(place, network, self.ready.front_end, self.ready.labels, backbone=name, card=card)
