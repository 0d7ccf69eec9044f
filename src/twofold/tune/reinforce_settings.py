"""How a policy learns from rewards: the numbers of GRPO and PPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twofold.errors import ConfigError
from twofold.tune.policy import NORMALISATIONS, Normalisation

__all__ = ["PolicySettings"]


@dataclass(frozen=True)
class PolicySettings:
    """`group` answers to each of `prompts` prompts a step, of at most `longest` tokens, drawn at `temperature`.

    An experience serves `updates` steps; its rows are taken in `accumulate` parts. `beta` is the price of a nat away
    from the reference, `clip` and `clip_high` how far a token may move in an experience; `scaled`: see policy.py.
    PPO: `gamma`, `decay` (lambda), `value_weight`, `value_clip`. Beyond `kl_limit` nats an answer the run stops.
    """

    algorithm: Literal["grpo", "ppo"] = "grpo"
    prompts: int = 16
    group: int = 8
    longest: int = 48
    temperature: float = 1.0
    updates: int = 1
    accumulate: int = 1
    beta: float = 0.0
    clip: float = 0.2
    clip_high: float = 0.2
    normalisation: Normalisation = "dapo"
    scaled: bool = True
    gamma: float = 1.0
    decay: float = 0.95
    value_weight: float = 0.5
    value_clip: float = 0.2
    kl_limit: float = 100.0

    def __post_init__(self) -> None:
        if self.algorithm not in ("grpo", "ppo"):
            raise ConfigError(f"algorithm {self.algorithm!r} is not one of grpo, ppo")
        if self.normalisation not in NORMALISATIONS:
            raise ConfigError(f"normalisation {self.normalisation!r} is not one of {', '.join(NORMALISATIONS)}")
        for name in ("prompts", "group", "longest", "updates", "accumulate"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        if self.algorithm == "grpo" and self.group < 2:
            raise ConfigError("grpo compares the answers to a prompt with each other; give --group 2 or more")
        if self.prompts * self.group % self.accumulate:
            raise ConfigError(
                f"{self.prompts * self.group} answers cannot be taken in {self.accumulate} equal parts"
            )
        for name in ("temperature", "clip", "clip_high", "kl_limit"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")
        if not 0 <= self.beta < float("inf"):
            raise ConfigError(f"beta={self.beta} must not be below 0")
        if not 0 <= self.gamma <= 1 or not 0 <= self.decay <= 1:
            raise ConfigError(f"gamma={self.gamma} and decay={self.decay} are between 0 and 1")
