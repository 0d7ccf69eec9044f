"""What the page of the digits shows: the images, networks that were taught beforehand, and each client's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from twofold.neuron.descent import Settings, train
from twofold.neuron.experiment import CONVOLUTIONAL, Plan, begin, usual_rate
from twofold.neuron.images import Digits, load
from twofold.neuron.network import Network
from twofold.neuron.saved import AnyNetwork
from twofold.neuron.scoring import Score, score
from twofold.serve.bench import Bench, Benches, Choice
from twofold.serve.problems import Problem

__all__ = ["OWN", "Exhibit", "Recipe"]

OWN = "own"  # the name of the network that a client trains
MOST_RUNS = 4  # that go on at a time, over all clients


@dataclass(frozen=True)
class Recipe:
    """How a network comes to be, and what is said of it."""

    title: str
    told: str
    takes: str
    plan: Plan


def _recipes(side: int, seed: int) -> Mapping[str, Recipe]:
    """For images `side` pixels high; in small ones a shift by a pixel leaves too little."""
    shifted = side >= 20
    settings = Settings(momentum=0.9, shift=int(shifted), epochs=40, seed=seed)
    convolution = replace(CONVOLUTIONAL.settings, epochs=8, shift=int(shifted), seed=seed)  # someone waits for it
    better = Plan(activation="relu", loss="cross-entropy", initialisation="he", settings=settings)
    better = replace(better, settings=replace(settings, learning_rate=usual_rate(better)))
    return {
        "lecture": Recipe("the lecture's", "With sigmoids and squared error, as in the lecture.", "a few seconds",
                          Plan(settings=Settings(seed=seed))),
        "better": Recipe("as small, taught better", "As many neurons, with ReLU, cross-entropy and momentum"
                         + ("; images are shifted by up to a pixel." if shifted else "."), "a few seconds", better),
        "convolutional": Recipe(
            "convolutional", "It looks at small patches first, with the same weights everywhere.", "some ten seconds",
            replace(CONVOLUTIONAL, settings=convolution),
        ),
    }  # fmt: skip


@dataclass
class Exhibit:
    """All is made when it is first asked for. `runs` has the clients whose networks are being trained."""

    source: str = "mnist"
    seed: int = 0
    benches: Benches = field(default_factory=Benches)
    runs: dict[str, int] = field(default_factory=dict)
    closing: bool = False
    _lock: Any = field(default_factory=threading.Lock)
    _digits: Digits | None = None
    _teaching: dict[str, asyncio.Task[tuple[AnyNetwork, Score]]] = field(default_factory=dict)

    def recipes(self) -> Mapping[str, Recipe]:
        return _recipes(self.digits().side, self.seed)

    def digits(self) -> Digits:
        """Raises MissingExtra, SourceError or FileFormatError."""
        with self._lock:
            if self._digits is None:
                self._digits = load(self.source)
            return self._digits

    async def taught(self, name: str) -> tuple[AnyNetwork, Score]:
        """A recipe's network, trained in seconds when the first client asks, while others wait. Raises Problem 404."""
        recipes = await asyncio.to_thread(self.recipes)
        if name not in recipes:
            raise Problem(404, f"there is no network {name!r:.80} here; there is {', '.join([*recipes, OWN])}")
        teaching = self._teaching.get(name)
        if teaching is None or (teaching.done() and (teaching.cancelled() or teaching.exception())):
            work = asyncio.to_thread(self._teach, recipes[name].plan)
            teaching = self._teaching[name] = asyncio.create_task(work)
        return await asyncio.shield(teaching)  # a client that leaves takes it from nobody

    def _teach(self, plan: Plan) -> tuple[AnyNetwork, Score]:
        digits = self.digits()
        network = begin(plan, digits.side)
        for _ in train(network, digits.train.pixels, digits.train.labels, plan.settings):
            if self.closing:
                raise Problem(503, "the server is closing")
        return network, score(network, digits.held_out)

    def bench(self, client: str, choice: Choice | None = None) -> Bench:
        """The client's own; made from `choice` if it has none yet."""
        return self.benches.find(client) or self.benches.put(client, Bench(self.digits(), choice or Choice()))

    async def network(self, name: str, client: str) -> AnyNetwork:
        """Of a recipe, or the client's own as it is now. Raises Problem 404."""
        return await asyncio.to_thread(self._own, client) if name == OWN else (await self.taught(name))[0]

    def _own(self, client: str) -> Network:
        bench = self.bench(client)
        with bench.lock:
            now = bench.network
            return Network([*map(np.copy, now.weights)], [*map(np.copy, now.biases)], now.activation, now.loss)

    def run_begins(self, client: str, turn: int) -> None:
        """Raises Problem 429 where others keep the machine busy."""
        if client not in self.runs and len(self.runs) >= MOST_RUNS:
            raise Problem(429, f"{MOST_RUNS} networks are being trained here already; stop one, or come back",
                          headers={"Retry-After": "10"})  # fmt: skip
        self.runs[client] = turn

    def run_ends(self, client: str, turn: int) -> None:
        if self.runs.get(client) == turn:
            del self.runs[client]

    def close(self) -> None:
        """Runs end at their next burst."""
        self.closing = True
