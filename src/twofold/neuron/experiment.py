"""One training of a network that reads digits, from its plan to its files, in a folder that outlives the process.

    unfinished.npz   the network, the velocity and what is known so far; written now and then and at Ctrl-C
    network.npz      the network at the end, with its lineage
    results.json     every figure that was measured
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twofold.atomic import atomic_write
from twofold.errors import ConfigError, Diverged
from twofold.interrupts import Interrupted, interrupt_as_event
from twofold.neuron.convolution import ConvolutionalNetwork
from twofold.neuron.descent import Settings, Step, steps_per_epoch, train
from twofold.neuron.images import Digits
from twofold.neuron.network import ACTIVATIONS, INITIALISATIONS, LOSSES, Network
from twofold.neuron.saved import AnyNetwork, load, load_arrays, save
from twofold.neuron.scoring import Noise, Score, noise, score

__all__ = ["CONVOLUTIONAL", "NETWORK", "Outcome", "Plan", "begin", "figures", "is_free", "run", "usual_rate"]

UNFINISHED, NETWORK, RESULTS = "unfinished.npz", "network.npz", "results.json"
_SAVE_EVERY = 5.0  # seconds
_DRAWN = 400  # costs that are kept of a run


@dataclass(frozen=True)
class Plan:
    """What is to be trained, and how. Raises ConfigError for choices that are none."""

    hidden: tuple[int, ...] = (16, 16)
    activation: str = "sigmoid"
    loss: str = "squared"
    initialisation: str = "normal"
    convolution: bool = False
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        for name, known in (("activation", ACTIVATIONS), ("loss", LOSSES), ("initialisation", INITIALISATIONS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} {getattr(self, name)!r} is none of {', '.join(known)}")


CONVOLUTIONAL = Plan(
    (), "relu", "cross-entropy", "he", True,
    Settings(learning_rate=0.05, batch=32, epochs=30, momentum=0.9, decay=2e-4, shift=2),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    network: AnyNetwork
    score: Score
    noise: list[Noise]
    steps: int
    seconds: float  # of training, pauses of the process not counted
    costs: list[tuple[int, float]]  # steps taken, mean cost since the last entry
    measured: list[tuple[int, float]]  # steps taken, held-out accuracy


def usual_rate(plan: Plan) -> float:
    """A learning rate that suits the choices, found on a fifth of the training images that was set aside for it."""
    rates = {("sigmoid", "squared"): 3.0, ("relu", "squared"): 0.3, ("sigmoid", "cross-entropy"): 1.0,
             ("relu", "cross-entropy"): 0.1}  # fmt: skip
    rate = 0.5 if plan.convolution else rates[plan.activation, plan.loss] if plan.hidden else 0.1
    return rate * (1 - plan.settings.momentum)


def begin(plan: Plan, side: int) -> AnyNetwork:
    """The network before its first step."""
    if plan.convolution:
        return ConvolutionalNetwork.initial(side, plan.settings.seed)
    return Network.initial((side**2, *plan.hidden, 10), plan.settings.seed, activation=plan.activation, loss=plan.loss,
                           initialisation=plan.initialisation)  # fmt: skip


def is_free(folder: Path, plan: Plan, digits: Digits) -> bool:
    """Whether a run of this plan can begin in `folder`, or go on there."""
    if (folder / RESULTS).exists():
        return False
    unfinished = folder / UNFINISHED
    return not unfinished.exists() or load(unfinished)[1].get("wishes") == _wishes(plan, digits)


def run(plan: Plan, digits: Digits, folder: Path, tell: Callable[[Step], None] = lambda step: None) -> Outcome:
    """Train in `folder`, going on where an unfinished run of the same plan stopped.

    Raises Interrupted after Ctrl-C, Diverged, and ConfigError when the folder holds an unfinished run of another plan.
    """
    course = _Course.open(plan, digits, folder)
    steps = steps_per_epoch(len(digits.train), plan.settings) * plan.settings.epochs
    course.save(folder / UNFINISHED)  # a place that cannot be written to is known before there is anything to lose
    began = saved = time.monotonic()
    spent = course.seconds
    with interrupt_as_event() as asked, _forgotten_if_diverged(folder):
        for step in train(course.network, digits.train.pixels, digits.train.labels, plan.settings,
                          held_out=digits.held_out, start=course.step, velocity=course.velocity):  # fmt: skip
            course.add(step, max(1, steps // _DRAWN))
            now = time.monotonic()
            course.seconds = spent + now - began
            tell(step)
            if step.step < steps and (asked.is_set() or now - saved > _SAVE_EVERY):
                course.save(folder / UNFINISHED)
                saved = now
                if asked.is_set():
                    raise Interrupted
    measured = score(course.network, digits.held_out)
    found = Outcome(course.network, measured, noise(course.network, digits.held_out, plan.settings.seed), steps,
                    course.seconds, course.costs, course.measured)  # fmt: skip
    save(folder / NETWORK, course.network, course.wishes | {"accuracy": measured.accuracy})
    atomic_write(folder / RESULTS, json.dumps(figures(plan, digits, found), indent=2) + "\n")
    (folder / UNFINISHED).unlink(missing_ok=True)
    return found


def figures(plan: Plan, digits: Digits, outcome: Outcome) -> dict[str, Any]:
    """What came of it, for programs."""
    measured = outcome.score
    return {
        "accuracy": measured.accuracy,
        "interval": [measured.low, measured.high],
        "interval_is": f"95 %, Wilson, of {measured.n} held-out images",
        "correct": measured.correct,
        "held_out": measured.n,
        "chance": float(np.bincount(digits.held_out.labels).max() / measured.n),  # always the commonest digit
        "seconds": outcome.seconds,
        "steps": outcome.steps,
        "parameters": sum(each.size for each in outcome.network.parameters),
        "images": {"name": digits.name, "side": digits.side, "train": len(digits.train)},
        "plan": asdict(plan),
        "confusion": measured.confusion.tolist(),
        "mistakes": [asdict(each) for each in measured.mistakes],
        "noise": [{"on": each.name, "images": each.n, "median_output": each.median, "share_above_0.9": each.sure}
                  for each in outcome.noise],
        "costs": outcome.costs,
        "held_out_along": outcome.measured,
    }  # fmt: skip


def _wishes(plan: Plan, digits: Digits) -> dict[str, Any]:
    """What a run is known by, as it is after a way through a file."""
    return {"plan": json.loads(json.dumps(asdict(plan))), "images": digits.name, "n": len(digits.train)}


@dataclass
class _Course:
    """Where a run stands."""

    network: AnyNetwork
    velocity: list[np.ndarray]
    wishes: dict[str, Any]
    step: int = 0
    seconds: float = 0.0
    costs: list[tuple[int, float]] = field(default_factory=list)
    measured: list[tuple[int, float]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)

    @classmethod
    def open(cls, plan: Plan, digits: Digits, folder: Path) -> _Course:
        wishes, path = _wishes(plan, digits), folder / UNFINISHED
        if not path.exists():
            network = begin(plan, digits.side)
            return cls(network, [np.zeros_like(each) for each in network.parameters], wishes)
        network, lineage = load(path)
        if lineage.get("wishes") != wishes:
            raise ConfigError(f"{folder} holds an unfinished run with other choices; name another folder with --out, "
                              f"or remove {path}")  # fmt: skip
        arrays = load_arrays(path)
        velocity = [arrays[f"v{i}"] for i in range(len(network.parameters))]
        return cls(network, velocity, wishes, **lineage["course"])

    def add(self, step: Step, every: int) -> None:
        self.step = step.step
        self.recent.append(step.cost)
        if step.step % every == 0 or step.step == step.steps:
            self.costs.append((step.step, sum(self.recent) / len(self.recent)))
            self.recent.clear()
        if step.accuracy is not None:
            self.measured.append((step.step, step.accuracy))

    def save(self, path: Path) -> None:
        course = {"step": self.step, "seconds": self.seconds, "costs": self.costs, "measured": self.measured,
                  "recent": self.recent}  # fmt: skip
        save(path, self.network, {"wishes": self.wishes, "course": course},
             {f"v{i}": each for i, each in enumerate(self.velocity)})  # fmt: skip


@contextmanager
def _forgotten_if_diverged(folder: Path) -> Iterator[None]:
    """A run that has diverged is not gone on with, so that the next attempt can have its place."""
    try:
        yield
    except Diverged:
        (folder / UNFINISHED).unlink()
        with suppress(OSError):  # it may hold other things
            folder.rmdir()
        raise
