"""The one loop. It knows no loss and no data: it is given both.

    for each step:  batch -> loss -> gradients (accumulated, averaged over processes, clipped) -> optimiser step

A generator of what each step did. Whoever draws from it logs, evaluates, saves and decides when to stop, so a loop
that is not drawn from does nothing, and between two steps the model is the caller's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from twofold.errors import Diverged
from twofold.train.distributed import Group
from twofold.train.optimiser import Optimiser

__all__ = ["Step", "run_steps"]

Batch = Any


@dataclass(frozen=True)
class Step:
    """`loss` in nats, averaged over the global batch; `gradient_norm` before clipping; `seconds` of wall time."""

    step: int
    loss: float
    gradient_norm: float
    scale: float
    seconds: float


def run_steps(
    model: nn.Module,
    loss: Callable[[Batch], Tensor],
    optimiser: Optimiser,
    batch_at: Callable[[int], Batch],
    scale_at: Callable[[int], float],
    first: int = 0,
    clip: float = 1.0,
    accumulate: int = 1,
    group: Group | None = None,
) -> Iterator[Step]:
    """Steps first, first + 1, … without end. `batch_at(step * accumulate + k)` is the k-th part of a step's batch.

    Raises Diverged when the loss is no longer a number.
    """
    group = group or Group()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    step = first
    while True:
        began = time.perf_counter()
        total = torch.zeros((), device=parameters[0].device)
        for part in range(accumulate):
            value = loss(batch_at(step * accumulate + part)) / accumulate
            value.backward()
            total += value.detach()
        mean = group.mean_gradients(parameters, total)
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip if clip > 0 else float("inf"))
        if not bool(torch.isfinite(norm)) or mean != mean:
            raise Diverged(
                f"the loss is {mean} and the gradient's norm {float(norm)} at step {step}: training has diverged; "
                "lower the learning rate and resume from the last checkpoint"
            )
        scale = scale_at(step)
        optimiser.step(scale)
        optimiser.zero_grad()
        yield Step(step, mean, float(norm), scale, time.perf_counter() - began)
        step += 1
