"""Mini-batch stochastic gradient descent: step after step against the gradient of the cost of a few examples.

    v ← μ v − η (g + λ W),   θ ← θ + v         g: the gradient of the batch's mean cost, λ for weights only

The order of the examples, and how each is shifted, is a function of (seed, epoch) alone, so a run that stopped at some
step goes on from there as if it had not. η stays as it is for the first part of the run and then falls evenly to 0.

Robbins, Monro 1951; Polyak 1964 for the momentum μ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError, Diverged
from twofold.neuron.images import Images
from twofold.neuron.network import Array

__all__ = [
    "Gradient", "Learner", "Settings", "Step", "accuracy", "outputs", "shifted", "steps_per_epoch", "train",
]

_CHUNK = 500  # images that are measured at a time


class Gradient(Protocol):
    @property
    def cost(self) -> float: ...
    @property
    def parameters(self) -> list[Array]: ...


class Learner(Protocol):
    """What can be trained: it tells its cost and the gradient, and its parameters can be changed in place."""

    @property
    def parameters(self) -> list[Array]: ...
    def forward(self, x: Array) -> list[Array]: ...
    def gradients(self, x: Array, labels: NDArray[np.integer[Any]]) -> Gradient: ...


@dataclass(frozen=True)
class Settings:
    """How to descend. Raises ConfigError for what cannot be."""

    learning_rate: float = 3.0
    batch: int = 10
    epochs: int = 30
    momentum: float = 0.0
    decay: float = 0.0  # λ
    shift: int = 0  # pixels by which each image is moved at random, in each direction, each time it is seen
    cooldown: float = 0.5  # the last part of the run, in which the learning rate falls to 0; 0: it stays
    seed: int = 0

    def __post_init__(self) -> None:
        for name, fits, what in (
            ("learning_rate", self.learning_rate > 0, "above 0"), ("batch", self.batch >= 1, "1 or more"),
            ("epochs", self.epochs >= 1, "1 or more"), ("momentum", 0 <= self.momentum < 1, "from 0 to below 1"),
            ("decay", self.decay >= 0, "0 or more"), ("shift", self.shift >= 0, "0 or more"),
            ("cooldown", 0 <= self.cooldown <= 1, "from 0 to 1"), ("seed", self.seed >= 0, "0 or more"),
        ):  # fmt: skip
            value = getattr(self, name)
            if not fits or not math.isfinite(value):
                raise ConfigError(f"{name}={value} cannot be; it must be {what}")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step."""
        left = 1 - step / steps
        return self.learning_rate * (min(1.0, left / self.cooldown) if self.cooldown else 1.0)


@dataclass(frozen=True)
class Step:
    step: int  # how many steps have been taken, this one included
    steps: int  # how many there will be
    epoch: float  # how often every image has been seen
    rate: float  # the learning rate
    cost: float  # of this step's batch, before the step
    accuracy: float | None = None  # on held-out images after the step, where it was measured


def steps_per_epoch(n: int, settings: Settings) -> int:
    return math.ceil(n / settings.batch)


def train(
    network: Learner, images: Array, labels: NDArray[np.integer[Any]], settings: Settings, *,
    held_out: Images | None = None, measure_every: int | None = None,
    start: int = 0, velocity: Sequence[Array] | None = None,
) -> Iterator[Step]:  # fmt: skip
    """Change `network` in place, a step each time the iterator is asked for the next.

    Held-out accuracy is measured after every `measure_every` steps (an epoch if None) and after the last. To go on
    from where a run stopped, give the network as it was, the step it had reached, and its `velocity`, which is changed
    in place too. Raises Diverged when the cost is no number any more, when an epoch's is twice that of the first batch
    or of the first epoch, and when for a whole epoch nothing has come back from the outputs.
    """
    n = len(images)
    each = steps_per_epoch(n, settings)
    steps = each * settings.epochs
    velocity = [np.zeros_like(parameter) for parameter in network.parameters] if velocity is None else velocity
    known: list[float] = []  # the costs of an epoch
    heard = False  # whether anything came back from the outputs in it
    first = math.inf  # the cost before the first step, or of the first whole epoch, whichever is less
    for step in range(start, steps):
        epoch, place = divmod(step, each)
        if place == 0 or step == start:
            order = np.random.default_rng((settings.seed, epoch)).permutation(n)
        chosen = order[place * settings.batch : (place + 1) * settings.batch]
        batch = images[chosen]
        if settings.shift:
            batch = shifted(batch, settings.shift, np.random.default_rng((settings.seed, epoch, place)))
        rate = settings.rate(step, steps)
        with np.errstate(over="ignore", invalid="ignore"):
            gradient = network.gradients(batch, labels[chosen])
            _descend(network.parameters, gradient.parameters, velocity, rate, settings)
        known.append(gradient.cost)
        first = gradient.cost if step == 0 else first
        heard = heard or bool(gradient.parameters[-1].any())
        if not math.isfinite(gradient.cost):
            raise Diverged(_diverged(f"the cost is {gradient.cost}", step, settings))
        if place == each - 1:
            mean, whole, known = sum(known) / len(known), len(known) == each, []
            if whole and not heard:
                raise Diverged(_diverged("every output is at its end, so nothing is learned any more", step, settings))
            heard = False
            if mean > 2 * first:
                raise Diverged(_diverged(f"the cost has risen from {first:.3g} to {mean:.3g}", step, settings))
            first = min(first, mean) if epoch == 0 else first
        measured = held_out is not None and ((step + 1) % (measure_every or each) == 0 or step + 1 == steps)
        yield Step(step + 1, steps, (step + 1) / each, rate, gradient.cost,
                   accuracy(network, held_out) if held_out is not None and measured else None)  # fmt: skip


def outputs(network: Learner, pixels: Array) -> Array:
    """What the last layer says of each image [n, 10]."""
    with np.errstate(over="ignore", invalid="ignore"):  # of a network that has diverged
        return np.concatenate([network.forward(pixels[i : i + _CHUNK])[-1] for i in range(0, len(pixels), _CHUNK)])


def accuracy(network: Learner, images: Images) -> float:
    """The share of images whose digit has the strongest output."""
    return float((outputs(network, images.pixels).argmax(axis=1) == images.labels).mean())


def shifted(images: Array, most: int, random: np.random.Generator) -> Array:
    """Every image [n, side · side] moved by up to `most` pixels each way; what comes in at an edge is paper."""
    n, side = len(images), math.isqrt(images.shape[1])
    padded = np.pad(images.reshape(n, side, side), ((0, 0), (most, most), (most, most)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
    down, right = random.integers(0, 2 * most + 1, (2, n))
    return windows[np.arange(n), down, right].reshape(n, -1)


def _descend(
    parameters: Sequence[Array], gradients: Sequence[Array], velocity: Sequence[Array], rate: float, settings: Settings
) -> None:
    for parameter, gradient, v in zip(parameters, gradients, velocity, strict=True):
        if settings.decay and parameter.ndim > 1:
            gradient = gradient + settings.decay * parameter
        v *= settings.momentum
        v -= rate * gradient
        parameter += v


def _diverged(what: str, step: int, settings: Settings) -> str:
    return (
        f"{what} at step {step + 1}: the steps are too large; try a learning rate of "
        f"{settings.learning_rate / 5:.2g} instead of {settings.learning_rate:g}"
    )
