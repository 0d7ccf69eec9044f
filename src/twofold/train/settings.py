"""How a model is trained: everything that, with a text, a tokenizer and a shape, decides every loss."""

from __future__ import annotations

from dataclasses import dataclass, field

from twofold.errors import ConfigError
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.train.schedule import Schedule
from twofold.train.shortlist_settings import ShortlistSettings

__all__ = ["TrainSettings"]


@dataclass(frozen=True)
class TrainSettings:
    """`batch` in rows of `context` tokens, over all processes and `accumulate` parts.

    Before the first step: `bigram_steps` of the zero-layer model on pair counts (0: none), and `look_back`, whether the
    first heads begin as previous-token heads.

    `clip` is the largest gradient norm (0: none), `average` the decay of the parameters' moving average (0: none).
    """

    batch: int = 8
    context: int = 256
    seed: int = 0
    accumulate: int = 1
    clip: float = 1.0
    average: float = 0.0
    bigram_steps: int = 20
    look_back: bool = True
    shortlist: ShortlistSettings = field(default_factory=ShortlistSettings)
    schedule: Schedule = field(default_factory=lambda: Schedule(1000))
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)

    def __post_init__(self) -> None:
        for name in ("batch", "context", "accumulate"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        if self.batch % self.accumulate:
            raise ConfigError(f"batch={self.batch} rows cannot be taken in accumulate={self.accumulate} equal parts")
        if not 0 <= self.average < 1 or self.clip < 0 or self.bigram_steps < 0:
            raise ConfigError(
                f"average={self.average} must be at least 0 and below 1, "
                f"clip={self.clip} and bigram_steps={self.bigram_steps} not negative"
            )
