"""How a model is finetuned: everything that, with a model and conversations, decides every loss."""

from __future__ import annotations

from dataclasses import dataclass, field

from twofold.errors import ConfigError
from twofold.train.shortlist_settings import ShortlistSettings

__all__ = ["TuneSettings"]


@dataclass(frozen=True)
class TuneSettings:
    """`rank` of 0 lets every parameter learn; `alpha`, `batch`, `context` and `lr` of 0 are chosen by the model.

    `minutes` is the budget of time; with `steps` it is their number that ends the run, and no clock; `revisions` are
    those of a run that is repeated (train/schedule.py). `batch` in rows of `context` tokens, of which the share
    `replay` is text from `replay_from` (sources; none: the model's own run). `shortlist` is of use where all learn.
    """

    data: tuple[str, ...]
    rank: int = 0
    alpha: float = 0.0
    minutes: float = 3.0
    steps: int = 0
    batch: int = 0
    context: int = 0
    lr: float = 0.0
    replay: float = 0.0
    replay_from: tuple[str, ...] = ()
    held_out: float = 0.05
    seed: int = 0
    revisions: tuple[tuple[int, int], ...] = ()
    shortlist: ShortlistSettings = field(default_factory=ShortlistSettings)

    def __post_init__(self) -> None:
        if not self.data:
            raise ConfigError("there are no conversations to learn from; name a file with --data")
        for name in ("rank", "alpha", "batch", "context", "steps", "lr"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative")
        if not self.steps and not 0 < self.minutes <= 60 * 24 * 365:
            raise ConfigError(f"minutes={self.minutes:g} is not a time to train for; try --minutes 3")
        if not 0 <= self.replay < 1 or not 0 <= self.held_out < 1:
            raise ConfigError(f"replay={self.replay} and held_out={self.held_out} are shares from 0 to below 1")
        if not self.lr < 1:  # nan too
            raise ConfigError(f"lr={self.lr} is not a learning rate; use one below 1, such as 0.001")
