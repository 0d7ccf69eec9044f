"""run.py as a backend: the model in NumPy alone, on the CPU, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twofold.errors import FileFormatError
from twofold.run import run

__all__ = ["NumpyBackend", "NumpySession"]

POSITIONS = 64  # scored at a time: their scores are the largest array


class NumpyBackend:
    """Raises FileFormatError for a file that run.py cannot run."""

    name = "numpy"

    def __init__(self, path: Path) -> None:
        try:
            self.model = run.Model(run.GGUF(str(path)))
        except run.Problem as problem:
            raise FileFormatError(str(problem)) from problem

    def session(self) -> NumpySession:
        return NumpySession(self.model)

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


class NumpySession:
    def __init__(self, model: run.Model) -> None:
        self.model, self.cache = model, run.Cache(model)

    def read(self, ids: Sequence[int]) -> np.ndarray:
        return self.model.forward(ids, self.cache)
