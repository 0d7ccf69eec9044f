"""What the engine asks of whatever runs the model: caches, steps of a batch, draws, and rows to score. No more.

A cache holds the keys and values of one text. A step reads some ids of each of several texts, each behind what its
cache holds, and scores what may come next:

    step([(cache_a, [5, 6, 7]), (cache_b, [9])])                 [2, v]   after 7, and after 9
    step([(cache_a, [5, 6, 7]), (cache_b, [9])], every=True)     [4, v]   after 5, 6, 7, and after 9
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from twofold.contracts import Sampling

__all__ = ["Backend", "Cache", "CacheKind", "Reads"]

CacheKind = Literal["float16", "int8", "float32"]


class Cache(Protocol):
    """One text's keys and values: `length` positions of them, with room for `room`."""

    room: int

    @property
    def length(self) -> int: ...

    def keep(self, n: int) -> None:
        """Forget all but the first n positions."""
        ...

    def copy_from(self, other: Any, n: int) -> None:
        """Hold the first n positions of another cache of the same backend, and nothing else."""
        ...


Reads = Sequence[tuple[Any, Sequence[int]]]  # a Cache of the same backend, and ids


class Backend(Protocol):
    name: str

    def new_cache(self, room: int, kind: CacheKind | None = None) -> Cache:
        """Empty, with room for that many positions; of the kind that suits the weights, if none is named.

        A backend that has only one kind uses that.
        """
        ...

    def step(self, reads: Reads, every: bool = False) -> np.ndarray:
        """Scores, float32: [texts, v] after each text's last id; with `every` [ids, v] after each id, in order.

        The array is good until the next step. Each text has at least one id, and no cache comes twice.
        """
        ...

    def draw(self, logits: np.ndarray, sampling: Sampling, u: float, recent: Sequence[int]) -> tuple[int, float]:
        """The id that the number u from [0, 1) picks, and the probability that the model itself gives it.

        `recent` are the ids before it, latest last, for the repetition penalty. The law is in sampling.py.
        """
        ...

    def states(self, ids: Sequence[int]) -> np.ndarray:
        """The stream after the last norm, [s, d] float32, of a text by itself."""
        ...

    def score_rows(self, rows: np.ndarray) -> np.ndarray:
        """Nats [n, s] of tokens 1 … of each row of ids [n, s + 1]."""
        ...
