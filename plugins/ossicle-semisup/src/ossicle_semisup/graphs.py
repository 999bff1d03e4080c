"""A training step as one recorded graph: features, augmentation, guesses, gradients, optimizer and averages.

At small batches a step is hundreds of launches, each shorter than what starting it takes; a graph replays them as one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.cuda_graphs import Record, Replay, record_cuda_graph
from ossicle.errors import ConfigError
from ossicle.training.seeds import generator_for
from ossicle_semisup.augmentation_plan import apply_plan, changes_waveforms, draw_plan
from ossicle_semisup.ramps import SCHEDULES, Progress
from ossicle_semisup.static_inputs import StaticInputs
from ossicle_semisup.trainer import SemiTrainer

_AT_ONCE = 256


class GraphedTrainer(SemiTrainer):
    """Trains as `SemiTrainer` does, from the same draws, each step a replay of the graph that the first one recorded.

    All random numbers of a step are drawn on the CPU while the device computes the step before, and go there in one copy.
    The clips lie on the device. Adam is the fused one, which rounds in another way than the other trainer's.
    States are those of `SemiTrainer`: either can go on from what the other saved.

    Parameters
    ----------
    record
        Makes a graph of a call; None: a CUDA graph, and plain steps on other devices. Tests on a CPU give one that merely
        calls.

    Raises
    ------
    ConfigError
        If the run has several processes, or an augmentation draws while it works.
    """

    def __init__(self, *arguments: Any, record: Record | None = None, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._record = record or (record_cuda_graph if self.device.type == "cuda" else None)
        if self._record is None:
            return
        if not self.ranks.alone:
            raise ConfigError("a graph holds the steps of one process", hint="train without a graph")
        if not hasattr(self.method, "compute"):
            raise ConfigError(f"{self.method!r} cannot be recorded", why="it draws while it computes")
        self._eager_settings = {
            key: self.optimizer.param_groups[0][key] for key in ("lr", "foreach", "fused", "capturable")
        }
        self._rate = torch.zeros((), device=self.device)
        self._take_optimizer()
        self._table, self._row_of = self._clips_here()
        self._inputs: StaticInputs | None = None
        self._replay: Replay | None = None
        self._ahead: tuple[int, dict[str, Tensor]] | None = None
        self._names: list[str] = []

    def _take_optimizer(self) -> None:
        """Let the optimizer be one that a graph can hold, whatever its state was saved by."""
        on_cuda = self.device.type == "cuda"
        for group in self.optimizer.param_groups:
            group.update(lr=self._rate, foreach=False, fused=True, capturable=on_cuda)
        for state in self.optimizer.state.values():
            state["step"] = torch.as_tensor(state["step"], dtype=torch.float32).to(self.device)

    def _clips_here(self) -> tuple[Tensor, Tensor]:
        """Return the clips that training sees, on the device, in int16 where that holds them exactly; and rows by index."""
        needed = torch.cat([self._clips.labeled, self._clips.unlabeled]).unique()
        row_of = torch.zeros(len(self._clips.labels), dtype=torch.int64)
        row_of[needed] = torch.arange(len(needed))
        if not any(changes_waveforms(self._pools[view.strength]) for view in self.method.views):
            return torch.empty(0, device=self.device), row_of
        parts = [self._clips.waves(part) for part in needed.split(_AT_ONCE)]
        scaled = [part * 32768.0 for part in parts]
        if all(bool(((part == part.round()) & (part.abs() < 32768)).all()) for part in scaled):
            parts = [part.to(torch.int16) for part in scaled]
        return torch.cat([part.to(self.device) for part in parts]), row_of

    def step(self) -> dict[str, float]:
        """Take one step and return its metrics."""
        if self._record is None:
            return super().step()
        number = self.step_number
        ready, given = self._ahead or (-1, {})
        if ready != number:
            given = self._draw(number)
        if self._inputs is None:
            self._inputs = StaticInputs(given, self.device)
        self._inputs.fill(given)
        if self._replay is None:
            self._replay = self._recorded()
        out = self._replay()
        self.step_number += 1
        shown = given.get("index unlabeled")
        # The device is at work: this is the time to draw for the next step.
        self._ahead = (number + 1, self._draw(number + 1)) if number + 1 < self.config.steps else None
        return self._told(number, out.cpu(), shown)

    def _draw(self, number: int) -> dict[str, Tensor]:
        """Return all that a step depends on, on the CPU, drawn in the order of `SemiTrainer.step`."""
        c, progress = self.config, Progress(number, self.config.steps)
        draw = generator_for(c.seed, "step", number)
        given: dict[str, Tensor] = {}
        rows: dict[str, int] = {}
        shown = {source: sampler.batch(number) for source, sampler in self._samplers.items()}
        for source, indices in shown.items():
            given |= {f"index {source}": indices, f"row {source}": self._row_of[indices]}
        for view in self.method.views:
            count = rows[view.name] = len(shown[view.source])
            plan = draw_plan(self._pools[view.strength], count, self.front_end.settings, draw)
            given |= {f"view {view.name} {name}": value for name, value in plan.items()}
            if view.source != "unlabeled":
                labels = self._clips.labels[shown[view.source]]
                given[f"batch {view.source}/targets"] = nn.functional.one_hot(labels, self.classes).float()
                rows[f"{view.source}/targets"] = count
        given |= {f"drawn {name}": value for name, value in self.method.draws(rows, draw).items()}
        factors = {f"factor {name}": value for name, value in self.method.factors(progress).items()}
        factors["rate"] = c.learning_rate * SCHEDULES[c.schedule](number / c.steps)
        factors |= {"pace": self.method.pace(number), "average": self.average.pace(number)}
        return given | {name: torch.tensor(value, dtype=torch.float32) for name, value in factors.items()}

    def _recorded(self) -> Replay:
        """Return the graph; recording takes steps of its own, which are undone."""
        assert self._record is not None
        kept = [(held, held.detach().clone()) for held in self._state()]
        replay = self._record(self._compute)
        known = {id(held) for held, _ in kept}
        with torch.no_grad():
            for held, before in kept:
                held.copy_(before)
            for held in self._state():
                if id(held) not in known:
                    held.zero_()  # An optimizer's first state is zero.
        return replay

    def _state(self) -> list[Tensor]:
        modules = (self.method, self.average.module)
        held = [x for module in modules for x in (*module.parameters(), *module.buffers())]
        return held + [x for state in self.optimizer.state.values() for x in state.values() if isinstance(x, Tensor)]

    def _compute(self) -> Tensor:
        """Take the step that the inputs say, and return its metrics, guessed classes and mask as one tensor."""
        assert self._inputs is not None
        given, c = self._inputs.tensors, self.config
        self._rate.copy_(given["rate"])
        batch = {**self._of("batch ", given), **self._views(given)}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=c.amp == "bf16"):
            out = self.method.compute(batch, self._of("drawn ", given), self._of("factor ", given))
        self.optimizer.zero_grad(set_to_none=True)
        out.loss.backward()
        if c.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.method.trainable(), c.clip_norm, foreach=True)
        self.optimizer.step()
        self.method.follow(given["pace"])
        self.average.follow(self.method.student, given["average"])
        metrics = {"loss": out.loss.detach(), **out.metrics}
        self._names = list(metrics)
        told = [torch.stack([value.float() for value in metrics.values()])]
        if out.guesses is not None:
            told += [out.guesses.argmax(dim=1).float(), out.guesses.new_ones(len(out.guesses))]
            if out.mask is not None:
                told[-1] = out.mask.float()
        return torch.cat(told)

    @staticmethod
    def _of(kind: str, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name.removeprefix(kind): value for name, value in given.items() if name.startswith(kind)}

    @torch.no_grad()
    def _views(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        views = {}
        for view in self.method.views:
            pool, source = self._pools[view.strength], view.source

            def waves(source: str = source) -> Tensor:
                clips = self._table[given[f"row {source}"]]
                return clips if clips.is_floating_point() else clips.float() / 32768.0

            decibels = self._decibels[given[f"index {source}"]]
            plan = self._of(f"view {view.name} ", given)
            views[view.name] = self._image(apply_plan(pool, plan, waves, decibels, self.front_end))
        return views

    def _told(self, number: int, out: Tensor, shown: Tensor | None) -> dict[str, float]:
        metrics = dict(zip(self._names, out.tolist(), strict=False))
        rest = out[len(self._names) :]
        if len(rest) and shown is not None:
            guessed, mask = rest.view(2, -1)
            guesses = nn.functional.one_hot(guessed.long(), self.classes)
            metrics |= self.monitor.see(number, guesses, mask, self._clips.labels[shown])
        return metrics

    def save(self, path: Path) -> None:
        """Write all state, in the form of `SemiTrainer`'s."""
        if self._record is None:
            super().save(path)
            return
        for group in self.optimizer.param_groups:
            group.update(self._eager_settings)
        super().save(path)
        self._take_optimizer()

    def resume(self, path: Path) -> None:
        """Go on from what `save` wrote."""
        super().resume(path)
        if self._record is not None:
            # The optimizer's tensors are new ones: a graph recorded before would write into the old.
            self._take_optimizer()
            self._replay, self._ahead = None, None
