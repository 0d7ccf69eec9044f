"""How a model learns from comparisons: a reward model, or a preference taken over directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twofold.errors import ConfigError

__all__ = ["ComparisonSettings"]


@dataclass(frozen=True)
class ComparisonSettings:
    """`kind`: "reward" makes a reward model, "prefer" learns by DPO, at `beta`.

    `rank` of 0 lets every parameter learn; `alpha`, `batch` (in pairs), `context` (what is longer is left out) and `lr`
    of 0 are chosen by the model. With `steps` it is their number that ends the run, and no clock.
    """

    kind: Literal["reward", "prefer"]
    data: tuple[str, ...]
    beta: float = 0.1
    rank: int = 0
    alpha: float = 0.0
    minutes: float = 3.0
    steps: int = 0
    batch: int = 0
    context: int = 0
    lr: float = 0.0
    held_out: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.data:
            raise ConfigError("there are no comparisons to learn from; name a file with --data")
        for name in ("rank", "alpha", "batch", "context", "steps", "lr"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative")
        if not self.steps and not 0 < self.minutes <= 60 * 24 * 365:
            raise ConfigError(f"minutes={self.minutes:g} is not a time to train for; try --minutes 3")
        if not 0 <= self.held_out < 1 or not self.lr < 1 or not 0 < self.beta < float("inf"):
            raise ConfigError(f"held_out={self.held_out} or lr={self.lr} is not below 1, or not beta={self.beta} > 0")
