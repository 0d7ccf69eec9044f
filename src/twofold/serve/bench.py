"""A client's own network on its way down: taken some steps further at a time, so that others come in between.

What is remembered of a descent and who may go on with it; the steps themselves are `twofold.neuron.descent`'s.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from twofold.errors import Diverged
from twofold.neuron.descent import Settings, Step, steps_per_epoch, train
from twofold.neuron.experiment import CONVOLUTIONAL, Plan, begin, usual_rate
from twofold.neuron.images import Digits, Images
from twofold.neuron.saved import AnyNetwork
from twofold.neuron.scoring import score
from twofold.serve.landscape import Slice, Trail, cut

__all__ = ["Bench", "Benches", "Choice", "Told"]

T = TypeVar("T")
KEPT = 512  # costs, and accuracies, that are remembered of a descent
TOLD = 12  # costs of one burst
ON_SLICE, ON_SLICE_OF_MAPS = 250, 50  # images whose mean cost is the height of the landscape; maps take longer
MEASURED = 2000  # held-out images that are read after each burst; of more, evenly spread ones
RECENT = 100  # steps whose mean cost may not be twice what it was before the first

Measure = tuple[int, float, float, float]  # after how many steps, held-out accuracy, its interval


@dataclass(frozen=True)
class Choice:
    """What a network is before its first step. A convolutional one has its own activation and loss."""

    activation: str = "sigmoid"
    loss: str = "squared"
    convolution: bool = False
    seed: int = 0

    @property
    def plan(self) -> Plan:
        """The lecture's network as in the lecture; others with weights that suit their activation. The learning rate is
        the usual one, and images are shown as they are."""
        if self.convolution:
            plan = replace(CONVOLUTIONAL, settings=replace(CONVOLUTIONAL.settings, decay=0.0, shift=0, seed=self.seed))
        else:
            lecture = (self.activation, self.loss) == ("sigmoid", "squared")
            start = "normal" if lecture else "he" if self.activation == "relu" else "xavier"
            plan = Plan(activation=self.activation, loss=self.loss, initialisation=start,
                        settings=Settings(seed=self.seed))  # fmt: skip
        return replace(plan, settings=replace(plan.settings, learning_rate=usual_rate(plan)))


@dataclass(frozen=True)
class Told:
    """What a burst of steps brought. `ended`: there are no more."""

    taken: int
    costs: list[tuple[int, float]]  # after how many steps in all, the mean cost of the batches since the one before
    measured: Measure
    ended: bool


class Bench:
    """One network. Its `lock` is held while it changes; whoever runs it has the `turn`, until another takes it."""

    def __init__(self, digits: Digits, choice: Choice) -> None:
        self.digits, self.lock, self.turn = digits, threading.RLock(), 0
        self.held_out = digits.held_out[:: -(-len(digits.held_out) // MEASURED)]
        self.begin(choice)

    def begin(self, choice: Choice) -> None:
        """Anew: what there was is gone."""
        with self.lock:
            self.take_turn()
            self.choice, self.network = choice, begin(choice.plan, self.digits.side)
            self.velocity = [np.zeros_like(parameter) for parameter in self.network.parameters]
            self.began = self.network.parameters[0].copy()
            self.cost_before = self._cost(self.network)
            self.recent: deque[float] = deque(maxlen=RECENT)
            self.step, self.epoch = 0, 0.0
            self.costs: list[tuple[int, float]] = []
            self.accuracies = [self._measure()]
            self.trail = Trail()
            self.trail.add(0, _flat(self.network))
            self._descent: tuple[Settings, Iterator[Step]] | None = None

    def take_turn(self) -> int:
        with self.lock:
            self.turn += 1
            return self.turn

    def burst(
        self, settings: Settings, most: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> Told:
        """At most so many steps, in about so many seconds. Raises Diverged; the network is then good for nothing."""
        with self.lock:
            descent, costs, end, ended = self._going(settings), list[float](), clock() + seconds, True
            for step in descent:
                self.step, self.epoch = self.step + 1, step.epoch
                costs.append(step.cost)
                self.recent.append(step.cost)
                if self.trail.wants(self.step):
                    self.trail.add(self.step, _flat(self.network))
                if len(costs) >= most or clock() >= end:
                    ended = False
                    break
            mean = sum(self.recent) / max(1, len(self.recent))
            if len(self.recent) == RECENT and mean > 2 * self.cost_before:
                raise Diverged(
                    f"the cost was {self.cost_before:.3g} before the first step and is {mean:.3g} after {self.step}: "
                    f"the steps are too large; try a learning rate of {settings.learning_rate / 5:.2g}"
                )
            told = Told(len(costs), _means(self.step - len(costs), costs), self._measure(), ended)
            self.costs = _thin([*self.costs, *told.costs])
            self.accuracies = _thin([*self.accuracies, told.measured])
            return told

    def slice(self) -> tuple[list[int], Slice]:
        """The steps of the path and the plane around it. The network may go on meanwhile."""
        with self.lock:
            steps, weights = list(self.trail.steps), list(self.trail.weights)
            if steps[-1] != self.step:
                steps, weights = [*steps, self.step], [*weights, _flat(self.network)]
            like = self.network
        return steps, cut(np.stack(weights), lambda at: self._cost(_unflat(at, like)))

    @property
    def on_slice(self) -> Images:
        """The images whose mean cost is the height of the landscape."""
        return self.digits.train[: ON_SLICE_OF_MAPS if self.choice.convolution else ON_SLICE]

    def _cost(self, network: AnyNetwork) -> float:
        images = self.on_slice
        with np.errstate(over="ignore", invalid="ignore"):  # far from where the network is
            return float(network.costs(images.pixels, images.labels).mean())

    def _going(self, settings: Settings) -> Iterator[Step]:
        """The descent that goes on, or, with other settings, one that goes on where it was."""
        if self._descent is None or self._descent[0] != settings:
            images = self.digits.train
            start = round(self.epoch * steps_per_epoch(len(images), settings))
            going = train(self.network, images.pixels, images.labels, settings, start=start, velocity=self.velocity)
            self._descent = settings, going
        return self._descent[1]

    def _measure(self) -> Measure:
        found = score(self.network, self.held_out)
        return self.step, found.accuracy, found.low, found.high


class Benches:
    """The clients' benches, by name; of more than `most` the one that was not used for longest is let go."""

    def __init__(self, most: int = 24) -> None:
        self.most, self._lock = most, threading.Lock()
        self._benches: OrderedDict[str, Bench] = OrderedDict()

    def find(self, client: str) -> Bench | None:
        with self._lock:
            if client in self._benches:
                self._benches.move_to_end(client)
            return self._benches.get(client)

    def put(self, client: str, bench: Bench) -> Bench:
        """`bench`, unless the client has one by now."""
        with self._lock:
            bench = self._benches.setdefault(client, bench)
            self._benches.move_to_end(client)
            while len(self._benches) > self.most:
                _, gone = self._benches.popitem(last=False)
                gone.turn += 1  # its run, if there is one, ends
            return bench


def _flat(network: AnyNetwork) -> np.ndarray:
    return np.concatenate([parameter.ravel() for parameter in network.parameters])


def _unflat(flat: np.ndarray, like: AnyNetwork) -> AnyNetwork:
    ends = np.cumsum([parameter.size for parameter in like.parameters])[:-1]
    return like.with_parameters([part.reshape(one.shape).astype(one.dtype, copy=False)
                                 for part, one in zip(np.split(flat, ends), like.parameters, strict=True)])  # fmt: skip


def _means(before: int, costs: list[float]) -> list[tuple[int, float]]:
    """At most TOLD means of neighbours, each with the number of steps up to its end."""
    n = min(TOLD, len(costs))
    edges = [i * len(costs) // n for i in range(n + 1)] if n else []
    return [(before + b, sum(costs[a:b]) / (b - a)) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _thin(points: list[T]) -> list[T]:
    """Every other one of too many; the last stays."""
    while len(points) > KEPT:
        points = [*points[:-1:2], points[-1]]
    return points
