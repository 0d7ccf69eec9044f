"""What the page of the digits shows: the images, networks taught beforehand or saved, and each client's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twofold.neuron.descent import Settings, train
from twofold.neuron.experiment import CONVOLUTIONAL, Plan, begin, usual_rate
from twofold.neuron.images import Digits, load
from twofold.neuron.saved import AnyNetwork
from twofold.serve.bench import Bench, Benches, Choice
from twofold.serve.problems import Problem
from twofold.serve.saved_networks import SavedNetworks
from twofold.serve.shown import Shown
from twofold.serve.wire_digits import Kind

__all__ = ["OWN", "Exhibit", "Recipe"]

OWN = "own"  # the name of the network that a client trains
MOST_RUNS = 4  # that go on at a time, over all clients
IMAGES = 4000  # to learn from, for which recipes are made; of more, each is seen less often


@dataclass(frozen=True)
class Recipe:
    """How a network comes to be, and what is said of it."""

    title: str
    told: str
    takes: str
    plan: Plan


def _recipes(digits: Digits, seed: int) -> Mapping[str, Recipe]:
    """In small images a shift by a pixel leaves too little."""
    shifted = digits.side >= 20

    def epochs(usual: int) -> int:
        return max(1, round(usual * min(1.0, IMAGES / len(digits.train))))

    # fewer than there might be: someone waits for it
    settings = Settings(momentum=0.9, shift=int(shifted), epochs=epochs(40), seed=seed)
    convolution = replace(CONVOLUTIONAL.settings, epochs=epochs(8), shift=int(shifted), seed=seed)
    better = Plan(activation="relu", loss="cross-entropy", initialisation="he", settings=settings)
    better = replace(better, settings=replace(settings, learning_rate=usual_rate(better)))
    return {
        "lecture": Recipe("the lecture's", "With sigmoids and squared error, as in the lecture.", "a few seconds",
                          Plan(settings=Settings(epochs=epochs(30), seed=seed))),
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
    saved: SavedNetworks = field(default_factory=lambda: SavedNetworks([Path("runs")]))
    benches: Benches = field(default_factory=Benches)
    runs: dict[str, int] = field(default_factory=dict)
    closing: bool = False
    _lock: Any = field(default_factory=threading.Lock)
    _digits: Digits | None = None
    _teaching: dict[str, asyncio.Task[Shown]] = field(default_factory=dict)

    def recipes(self) -> Mapping[str, Recipe]:
        return _recipes(self.digits(), self.seed)

    def kinds(self) -> list[Kind]:
        """The networks that can be asked."""
        taught = f"Being trained on {len(self.digits().train):,} images, which takes"
        kinds: list[Kind] = [{"name": name, "title": recipe.title, "wait": f"{taught} {recipe.takes}…", "saved": False}
                             for name, recipe in self.recipes().items()]  # fmt: skip
        kinds.append({"name": OWN, "title": "yours", "wait": "Being measured…", "saved": False})
        return kinds + [{"name": name, "title": path.parent.as_posix(), "wait": "Being read…", "saved": True}
                        for name, path in self.saved.find().items()]  # fmt: skip

    def digits(self) -> Digits:
        """Raises MissingExtra, SourceError or FileFormatError."""
        with self._lock:
            if self._digits is None:
                self._digits = load(self.source)
            return self._digits

    async def shown(self, name: str, client: str) -> Shown:
        """A network and how well it reads: trained in seconds when the first client asks for a recipe's, while others
        wait. Raises Problem 404, and FileFormatError or ConfigError for a saved one that cannot be shown."""
        if name == OWN:
            return await asyncio.to_thread(self._own, client)
        recipes = await asyncio.to_thread(self.recipes)
        if name not in recipes:
            return await asyncio.to_thread(self._saved, name)
        teaching = self._teaching.get(name)
        if teaching is None or (teaching.done() and (teaching.cancelled() or teaching.exception())):
            work = asyncio.to_thread(self._teach, recipes[name])
            teaching = self._teaching[name] = asyncio.create_task(work)
        return await asyncio.shield(teaching)  # a client that leaves takes it from nobody

    def _teach(self, recipe: Recipe) -> Shown:
        digits = self.digits()
        network = begin(recipe.plan, digits.side)
        for _ in train(network, digits.train.pixels, digits.train.labels, recipe.plan.settings):
            if self.closing:
                raise Problem(503, "the server is closing")
        return Shown.measured(network, digits, recipe.told)

    def _saved(self, name: str) -> Shown:
        path = self.saved.find().get(name)
        if path is None:
            known = ", ".join([*self.recipes(), OWN])
            raise Problem(404, f"there is no network {name!r:.80} here; there is {known}, and what was saved")
        return self.saved.load(path, self.digits())

    def bench(self, client: str, choice: Choice | None = None) -> Bench:
        """The client's own; made from `choice` if it has none yet."""
        return self.benches.find(client) or self.benches.put(client, Bench(self.digits(), choice or Choice()))

    async def network(self, name: str, client: str) -> AnyNetwork:
        """As `shown`, where only its answers are asked for."""
        return await asyncio.to_thread(self._copy, client) if name == OWN else (await self.shown(name, client)).network

    def _own(self, client: str) -> Shown:
        return Shown.measured(self._copy(client), self.digits(), "The one that you train under Learn.")

    def _copy(self, client: str) -> AnyNetwork:
        """The client's own, as it is now."""
        bench = self.bench(client)
        with bench.lock:
            return bench.network.with_parameters([each.copy() for each in bench.network.parameters])

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
