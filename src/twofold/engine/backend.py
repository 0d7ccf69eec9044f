"""What the engine asks of whatever runs the model: to read a text bit by bit, and to score rows. No more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

__all__ = ["Backend", "Session"]


class Session(Protocol):
    """One text being read: its keys and values are kept."""

    def read(self, ids: Sequence[int]) -> np.ndarray:
        """Read on, and score what may follow the last id: [v] float32."""
        ...


class Backend(Protocol):
    name: str

    def session(self) -> Session: ...

    def score_rows(self, rows: np.ndarray) -> np.ndarray:
        """Nats [n, s] of tokens 1 … of each row of ids [n, s + 1]."""
        ...
