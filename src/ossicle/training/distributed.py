"""Several processes that train as one: each takes its share of every batch, gradients and batch statistics are those of all.

Started by ``torchrun --nproc-per-node N``; without it there is one process, and nothing here costs anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.errors import ConfigError


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, and which of them this is.

    Parameters
    ----------
    rank, world
        Number of this process, from 0, and of all.
    device
        Where this one computes.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @classmethod
    def join(cls, device: torch.device | str = "cpu") -> Ranks:
        """Join the processes that torchrun started (gloo on CPUs, NCCL on GPUs), or be alone.

        Raises
        ------
        ConfigError
            If torchrun's environment is incomplete.
        """
        place = torch.device(device)
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls(device=place)
        import torch.distributed as dist

        absent = [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
        if absent:
            raise ConfigError(
                f"WORLD_SIZE is {world}, but {', '.join(absent)} is not set",
                hint="start the run with torchrun --nproc-per-node N",
            )
        if place.type == "cuda":
            place = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(place)
        if not dist.is_initialized():
            # Default arguments in it hold the process group that is there when it is imported, and torch imports it at some
            # later time: that group's threads would then outlive leave(), and the process might be aborted at its end.
            from torch.distributed import nn as _  # noqa: F401

            dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
        return cls(dist.get_rank(), dist.get_world_size(), place)

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self.world == 1

    @property
    def first(self) -> bool:
        """Whether this process writes what the run writes."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """Return this process's part of a batch (B, ...).

        Raises
        ------
        ConfigError
            If the batch does not divide evenly.
        """
        if len(rows) % self.world:
            raise ConfigError(
                f"a batch of {len(rows)} cannot be shared by {self.world} processes", hint="choose a multiple"
            )
        size = len(rows) // self.world
        return rows[self.rank * size : (self.rank + 1) * size]

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over the processes of a tensor that has one shape in all, without a gradient."""
        if self.alone:
            return value
        return _summed(value) / self.world

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows (B, ...) of all processes, in their order, without a gradient."""
        if self.alone:
            return rows
        import torch.distributed as dist

        parts = [torch.empty_like(rows) for _ in range(self.world)]
        dist.all_gather(parts, rows.detach().contiguous())
        return torch.cat(parts)

    def mean_values(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the means of named numbers, which have the same names in all processes."""
        if self.alone:
            return dict(values)
        means = self.mean(torch.tensor(list(values.values()), dtype=torch.float64, device=self.device))
        return dict(zip(values, means.tolist(), strict=True))

    def any(self, wish: bool) -> bool:
        """Return whether any process wishes it: so that all stop at one step."""
        if self.alone:
            return wish
        return bool(self.mean(torch.tensor(float(wish), device=self.device)) > 0)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their means over the processes, in one exchange."""
        if self.alone:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        parts = self.mean(flat).split([g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let the first process go through the block before all others, such as to prepare files for them."""
        if not self.first:
            self._wait()
        yield
        if self.first:
            self._wait()

    def _wait(self) -> None:
        if not self.alone:
            import torch.distributed as dist

            dist.barrier()

    def leave(self) -> None:
        """Part from the other processes."""
        if not self.alone:
            import torch.distributed as dist

            dist.destroy_process_group()


class _SumOverRanks(torch.autograd.Function):
    """The sum over the processes, whose gradient is the sum of theirs; torch's own of ``torch.distributed.nn`` is deprecated."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return _summed(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _summed(value: Tensor) -> Tensor:
    import torch.distributed as dist

    total = value.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def _sum_over_ranks(value: Tensor) -> Tensor:
    total: Tensor = _SumOverRanks.apply(value)
    return total


class JointBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation by the statistics of all processes' rows; torch's own does this on GPUs alone.

    The statistics come from centred sums, in float32. Source: Ioffe and Szegedy, "Batch normalization" (2015), over the joint
    batch.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) of (B, C, H, W)."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        axes, shape = (0, 2, 3), (1, -1, 1, 1)
        count = _sum_over_ranks(wide.new_tensor(float(wide.numel() // wide.shape[1])))
        mean = _sum_over_ranks(wide.sum(axes)) / count
        centred = wide - mean.view(shape)
        variance = _sum_over_ranks(centred.square().sum(axes)) / count
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            self._follow(mean.detach(), variance.detach() * count / (count - 1))
        y = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance, weight)


def join_batch_norms(module: nn.Module, ranks: Ranks) -> None:
    """Let every BatchNorm2d of a module see the rows of all processes; alone, nothing changes.

    Parameters, buffers and their names stay as they are.
    """
    if not ranks.alone:
        for part in module.modules():
            if type(part) is nn.BatchNorm2d:
                part.__class__ = JointBatchNorm2d
