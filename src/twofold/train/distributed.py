"""Several processes, one model: each takes its share of every batch, and gradients are averaged before each step.

    torchrun --standalone --nproc-per-node 2 -m twofold pretrain …

Gloo on CPU, NCCL on GPU. A run that was launched on several processes and cannot form a group fails loudly: it must
never train replicas that do not know each other.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from twofold.errors import GroupError

__all__ = ["Group", "join_group"]

_PATIENCE = datetime.timedelta(hours=12)


class Group:
    """One process by itself: rank 0 of 1."""

    rank = 0
    world = 1

    def mean_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> float:
        """Replace every gradient by its mean over the group; return the mean loss."""
        return float(loss)

    def agree(self, value: float) -> float:
        """Rank 0's value, in every process: decisions that depend on the clock are taken once."""
        return value

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Rank 0 runs the block, then the others do, to find what it has made."""
        yield

    def close(self) -> None:
        pass


class _ProcessGroup(Group):
    def __init__(self, rank: int, world: int, device: torch.device) -> None:
        self.rank, self.world, self.device = rank, world, device
        self.patient = dist.new_group(timeout=_PATIENCE)  # rank 0 may be long at preparing text or measuring

    def mean_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> float:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients] + [loss.reshape(1)]) / self.world
        dist.all_reduce(flat, group=self.patient)
        place = 0
        for gradient in gradients:
            gradient.copy_(flat[place : place + gradient.numel()].view_as(gradient))
            place += gradient.numel()
        return float(flat[-1])

    def agree(self, value: float) -> float:
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0, group=self.patient)
        return float(shared)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        if self.rank:
            dist.barrier(group=self.patient)
        yield
        if not self.rank:
            dist.barrier(group=self.patient)

    def close(self) -> None:
        dist.destroy_process_group()


def join_group(device: torch.device, timeout_seconds: float = 60.0) -> Group:
    """The group that torchrun's environment describes, or a group of one when there is none.

    Raises GroupError when the environment names several processes but they cannot meet.
    """
    world = os.environ.get("WORLD_SIZE", "1")
    if world == "1":
        return Group()
    try:
        rank, size = int(os.environ["RANK"]), int(world)
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo", timeout=datetime.timedelta(seconds=timeout_seconds)
        )
        if dist.get_world_size() != size or dist.get_rank() != rank:
            raise RuntimeError(f"the group has {dist.get_world_size()} processes")
        met = torch.ones(1, device=device)
        dist.all_reduce(met)
        if int(met) != size:
            raise RuntimeError(f"{int(met)} processes answered")
    except (KeyError, ValueError, RuntimeError, dist.DistError) as error:
        raise GroupError(
            f"WORLD_SIZE={world} asks for several processes, but they cannot form a group ({error}); "
            "launch them with torchrun, or unset WORLD_SIZE to train on one"
        ) from error
    return _ProcessGroup(rank, size, device)
