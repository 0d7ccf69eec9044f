"""run.py as a backend: the model in NumPy alone, on the CPU, in float32; the texts of a step one after another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twofold.contracts import Sampling
from twofold.engine.backend import CacheKind, Reads
from twofold.engine.sampling import draw
from twofold.errors import FileFormatError
from twofold.run import run

__all__ = ["NumpyBackend", "NumpyCache"]

POSITIONS = 64  # scored at a time: their scores are the largest array


class NumpyCache(run.Cache):
    """It grows as it is needed, so that `room` is only a number."""

    def __init__(self, model: run.Model, room: int) -> None:
        super().__init__(model)
        self.room = room

    def keep(self, n: int) -> None:
        self.length = min(self.length, n)

    def copy_from(self, other: NumpyCache, n: int) -> None:
        self.length, self.kv = n, other.kv[:, :, :, :n].copy()


class NumpyBackend:
    """Raises FileFormatError for a file that run.py cannot run."""

    name = "numpy"

    def __init__(self, path: Path) -> None:
        try:
            self.model = run.Model(run.GGUF(str(path)))
        except run.Problem as problem:
            raise FileFormatError(str(problem)) from problem

    def new_cache(self, room: int, kind: CacheKind | None = None) -> NumpyCache:
        return NumpyCache(self.model, room)

    def step(self, reads: Reads, every: bool = False) -> np.ndarray:
        scores = [self.model.forward(ids, cache, every) for cache, ids in reads]
        return np.concatenate(scores) if every else np.stack(scores)

    def draw(self, logits: np.ndarray, sampling: Sampling, u: float, recent: Sequence[int]) -> tuple[int, float]:
        return draw(logits, sampling, u, recent)

    def states(self, ids: Sequence[int]) -> np.ndarray:
        x = self.model._stream(np.asarray(ids), run.Cache(self.model))
        return self.model.ln_final(x)

    def score_rows(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([self._score(row) for row in rows])

    def _score(self, row: np.ndarray) -> np.ndarray:
        cache, nats = run.Cache(self.model), []
        for at in range(0, len(row) - 1, POSITIONS):
            target = row[at + 1 : at + 1 + POSITIONS]
            logits = self.model.forward(row[at : at + len(target)].tolist(), cache, every=True)
            top = logits.max(-1)
            nats.append(top + np.log(np.exp(logits - top[:, None]).sum(-1)) - logits[np.arange(len(target)), target])
        return np.concatenate(nats)
