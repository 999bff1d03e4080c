"""One training step after another: batches of views, the method's loss, the optimizer, averages, a monitor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ossicle.audio.log_mel import LogMel
from ossicle.errors import ConfigError
from ossicle.training.checkpoint import load_state, save_state
from ossicle.training.distributed import Ranks, join_batch_norms
from ossicle.training.ema import Average
from ossicle.training.seeds import generator_for
from ossicle_semisup.monitor import GuessMonitor
from ossicle_semisup.pools import Pool, augmented, strong_pool, weak_pool
from ossicle_semisup.ramps import SCHEDULES, Progress
from ossicle_semisup.sampler import Sampler

Waves = Callable[[Tensor], Tensor]
"""Clips (B, N) of indices (B,)."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a method is trained.

    Parameters
    ----------
    seed
        Decides weights, order, augmentation and mixing; equal seeds pair runs of different methods.
    steps
        Number of optimizer steps.
    batch_labeled, batch_unlabeled
        Clips a step, of all processes together.
    optimizer, learning_rate, weight_decay, schedule
        ``adam`` or ``adamw`` (decoupled decay); how the rate falls (`ossicle_semisup.ramps.SCHEDULES`).
    clip_norm
        Longest gradient; 0 does not clip.
    ema_decay
        Of the average of the student that is evaluated beside it.
    amp
        ``fp32``, or ``bf16`` for convolutions and products.
    channels_last
        Memory layout of the images.
    strength
        Of the strong pool: 1 is the paper's, 0 has the weak pool's ranges.
    """

    seed: int = 0
    steps: int = 1500
    batch_labeled: int = 20
    batch_unlabeled: int = 60
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 5e-4
    schedule: str = "cosine-7-16"
    clip_norm: float = 0.0
    ema_decay: float = 0.99
    amp: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
    strength: float = 0.5

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"no schedule is called {self.schedule!r}", hint=f"use one of {', '.join(SCHEDULES)}")
        if self.optimizer not in ("adam", "adamw") or self.amp not in ("fp32", "bf16"):
            raise ConfigError(f"optimizer {self.optimizer}, amp {self.amp}", hint="adam or adamw; fp32 or bf16")
        if min(self.steps, self.batch_labeled, self.batch_unlabeled) < 1 or not self.learning_rate > 0:
            raise ConfigError("steps, batches and the learning rate must be above 0")


@dataclass(frozen=True)
class Clips:
    """What a run learns from.

    Parameters
    ----------
    waves
        Clips by index.
    decibels
        Log-mels of all of them as they are, (U, M, T) in dB.
    labels
        (U,) int64, -1 where nobody knows; of the unlabelled ones only the monitor sees them.
    labeled, unlabeled
        Indices, (n,) int64.
    """

    waves: Waves
    decibels: Tensor
    labels: Tensor
    labeled: Tensor
    unlabeled: Tensor


class SemiTrainer:
    """Trains a method; drives with `ossicle.training.loop.run_loop`.

    Parameters
    ----------
    method
        An `ossicle.protocols.SSLMethod`, a torch module.
    clips
        The data.
    front_end
        Analyses augmented waveforms and standardises log-mels.
    config
        How.
    device
        Where; log-mels and networks move there. With several processes, each has its own.
    ranks
        The processes that train as one.
    """

    def __init__(
        self,
        method: Any,
        clips: Clips,
        front_end: LogMel,
        config: TrainingConfig,
        *,
        classes: int,
        device: torch.device | str = "cpu",
        ranks: Ranks | None = None,
        pools: Mapping[str, Pool | None] | None = None,
    ) -> None:
        self.ranks = ranks or Ranks(device=torch.device(device))
        self.device = self.ranks.device
        self.config, self.front_end, self.classes = config, front_end.to(self.device), classes
        self.method = method.to(self.device).train()
        join_batch_norms(self.method, self.ranks)
        if hasattr(self.method, "across"):
            self.method.across = self.ranks.mean
        if config.channels_last:
            self.method = self.method.to(memory_format=torch.channels_last)
        self.step_number = 0
        self.best: dict[str, float] = {}
        self._started, self._spent = _now(), (0.0, 0.0)
        self._clips = clips
        self._decibels = clips.decibels.to(self.device)
        self._pools = pools or {"none": None, "weak": weak_pool(), "strong": strong_pool(config.strength)}
        sources = {view.source for view in method.views}
        sizes = {"unlabeled": (clips.unlabeled, config.batch_unlabeled)}
        self._samplers = {
            source: Sampler(*sizes.get(source, (clips.labeled, config.batch_labeled)), seed=config.seed, name=source)
            for source in sorted(sources)
        }
        self.optimizer = self._optimizer()
        self.average = Average(self.method.student, decay=config.ema_decay)
        self.monitor = GuessMonitor(classes, config.steps)

    def _optimizer(self) -> torch.optim.Optimizer:
        kind = torch.optim.AdamW if self.config.optimizer == "adamw" else torch.optim.Adam
        c = self.config
        return kind(self.method.trainable(), lr=c.learning_rate, weight_decay=c.weight_decay, foreach=True)

    @property
    def spent(self) -> tuple[float, float]:
        """Seconds that the run took so far, by the clock and of processor time, those before a resumption among them."""
        wall, cpu = (
            now - start + before for now, start, before in zip(_now(), self._started, self._spent, strict=True)
        )
        return wall, cpu

    def step(self) -> dict[str, float]:
        """Take one step and return its metrics."""
        c, number = self.config, self.step_number
        progress = Progress(number, c.steps)
        draw = generator_for(c.seed, "step", number, *([] if self.ranks.first else [self.ranks.rank]))
        batch, shown = self.batches(number, draw)
        for group in self.optimizer.param_groups:
            group["lr"] = c.learning_rate * SCHEDULES[c.schedule](number / c.steps)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=c.amp == "bf16"):
            out = self.method.loss(batch, draw=draw, progress=progress)
        self.optimizer.zero_grad(set_to_none=True)
        out.loss.backward()
        self.ranks.average_gradients(self.method.trainable())
        if c.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.method.trainable(), c.clip_norm, foreach=True)
        self.optimizer.step()
        self.method.after_step(number)
        self.average.update(self.method.student, number)
        self.step_number += 1
        metrics = {"loss": float(out.loss.detach()), **{name: float(value) for name, value in out.metrics.items()}}
        metrics = self.ranks.mean_values(metrics)
        if out.guesses is not None:
            labels = self._clips.labels[shown["unlabeled"]].to(self.device)
            guesses, labels = (self.ranks.gather(rows).cpu() for rows in (out.guesses, labels))
            mask = None if out.mask is None else self.ranks.gather(out.mask).cpu()
            metrics |= self.monitor.see(number, guesses, mask, labels)
        return metrics

    def batches(self, number: int, draw: torch.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return a step's views and targets by name, and the indices of the clips of each source."""
        shown = {source: self.ranks.share(sampler.batch(number)) for source, sampler in self._samplers.items()}
        waves = {source: self._clips.waves(indices).to(self.device) for source, indices in shown.items()}
        batch: dict[str, Tensor] = {}
        for view in self.method.views:
            decibels = self._decibels[shown[view.source].to(self.device)]
            changed = augmented(waves[view.source], decibels, self._pools[view.strength], self.front_end, draw)
            batch[view.name] = self._image(changed)
            if view.source != "unlabeled":
                labels = self._clips.labels[shown[view.source]]
                batch[f"{view.source}/targets"] = nn.functional.one_hot(labels, self.classes).float().to(self.device)
        return batch, shown

    def _image(self, decibels: Tensor) -> Tensor:
        image = self.front_end.standardize(decibels)
        return image.contiguous(memory_format=torch.channels_last) if self.config.channels_last else image

    def networks(self) -> dict[str, nn.Module]:
        """Return what is worth evaluating: the method's networks, the one to report first, and the student's average."""
        return {**self.method.evaluated(), "ema": self.average.module}

    @torch.no_grad()
    def predict(self, network: nn.Module, indices: Sequence[int], *, at_once: int = 64) -> Tensor:
        """Return logits (n, K) of clips as they are, on the CPU."""
        training = network.training
        network.eval()
        parts = [
            network(self._image(self._decibels[torch.as_tensor(part, device=self.device)])).float().cpu()
            for part in torch.as_tensor(indices).split(at_once)
        ]
        network.train(training)
        return torch.cat(parts)

    def error_rate(self, network: nn.Module, indices: Sequence[int]) -> float:
        """Return the share of clips that a network gets wrong, in [0, 1]."""
        wrong = self.predict(network, indices).argmax(dim=1) != self._clips.labels[torch.as_tensor(indices)]
        return float(wrong.double().mean())

    def evaluate(self, indices: Sequence[int]) -> dict[str, float]:
        """Return the error rate of every network, in [0, 1]: ``error_rate`` of the first, ``error_rate_NAME`` of others."""
        found = {name: self.error_rate(network, indices) for name, network in self.networks().items()}
        first = next(iter(found))
        return {"error_rate" if name == first else f"error_rate_{name}": value for name, value in found.items()}

    def save(self, path: Path) -> None:
        """Write all state."""
        state = {
            "step": self.step_number,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.module.state_dict(),
            "monitor": self.monitor.state(),
            "best": dict(self.best),
            "spent": self.spent,
        }
        save_state(path, state)

    def resume(self, path: Path) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        CheckpointError
            If the file is missing or damaged.
        """
        state = load_state(path, device=self.device)
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.module.load_state_dict(state["average"])
        self.monitor.load(state["monitor"])
        self.best = dict(state["best"])
        self._started, self._spent = _now(), tuple(state["spent"])
        self.step_number = int(state["step"])


def _now() -> tuple[float, float]:
    return time.monotonic(), time.process_time()
