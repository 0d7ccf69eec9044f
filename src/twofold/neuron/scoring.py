"""How well a network reads, and what it does not do: held-out accuracy, confusions, its worst mistakes, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.intervals import wilson
from twofold.neuron.descent import Learner, outputs
from twofold.neuron.images import CLASSES, Images
from twofold.neuron.network import Array

__all__ = ["Mistake", "Noise", "Score", "noise", "score"]

SURE = 0.9  # an output that one would take for certain


@dataclass(frozen=True)
class Mistake:
    """An image that was read wrongly."""

    image: int  # its row among the images that were measured
    label: int
    said: int
    outputs: list[float]


@dataclass(frozen=True)
class Score:
    correct: int
    n: int
    low: float
    high: float
    confusion: NDArray[np.int64]  # [shown, read]
    mistakes: list[Mistake]  # the worst first: by how much stronger the wrong output was than the right one

    @property
    def accuracy(self) -> float:
        return self.correct / self.n


@dataclass(frozen=True)
class Noise:
    """What the strongest output is where there is no digit."""

    name: str
    n: int
    median: float
    sure: float  # the share of images at which it is above SURE
    examples: Array  # [few, side · side]
    said: list[tuple[int, float]]  # of each example: the digit, its output


def score(network: Learner, images: Images) -> Score:
    """Measure on images that the network was not trained on."""
    strength = outputs(network, images.pixels)
    read, shown = strength.argmax(axis=1), images.labels
    confusion = np.zeros((CLASSES, CLASSES), np.int64)
    np.add.at(confusion, (shown, read), 1)
    rows = np.arange(len(images))
    by = strength[rows, read] - strength[rows, shown]
    wrong = np.flatnonzero(read != shown)
    mistakes = [Mistake(int(i), int(shown[i]), int(read[i]), [float(each) for each in strength[i]])
                for i in wrong[np.argsort(-by[wrong], kind="stable")]]  # fmt: skip
    correct = int(np.trace(confusion))
    return Score(correct, len(images), *wilson(correct, len(images)), confusion, mistakes)


def noise(network: Learner, images: Images, seed: int = 0, examples: int = 6) -> list[Noise]:
    """Its strongest output on the images themselves, on their pixels in a random order, and on even noise."""
    random = np.random.default_rng(seed)
    shuffled = random.permuted(images.pixels, axis=1)
    even = random.random(images.pixels.shape, dtype=np.float32)
    return [_noise(network, name, pixels, examples)
            for name, pixels in (("held-out digits", images.pixels), ("their pixels, shuffled", shuffled),
                                 ("even noise", even))]  # fmt: skip


def _noise(network: Learner, name: str, pixels: Array, examples: int) -> Noise:
    strength: NDArray[np.floating[Any]] = outputs(network, pixels)
    best = strength.max(axis=1)
    said = [(int(row.argmax()), float(row.max())) for row in strength[:examples]]
    return Noise(name, len(pixels), float(np.median(best)), float((best > SURE).mean()), pixels[:examples], said)
