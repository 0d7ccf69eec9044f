"""How a policy learns from rewards: the numbers of GRPO and PPO, and what a run of it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from twofold.errors import ConfigError
from twofold.tune.policy import NORMALISATIONS, Normalisation

__all__ = ["PolicySettings", "ReinforceSettings"]


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
            raise ConfigError(f"{self.prompts * self.group} answers cannot be taken in {self.accumulate} equal parts")
        for name in ("temperature", "clip", "clip_high", "kl_limit"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")
        if not 0 <= self.beta < float("inf"):
            raise ConfigError(f"beta={self.beta} must not be below 0")
        if not 0 <= self.gamma <= 1 or not 0 <= self.decay <= 1:
            raise ConfigError(f"gamma={self.gamma} and decay={self.decay} are between 0 and 1")


@dataclass(frozen=True)
class ReinforceSettings:
    """`reward` and `prompts` as make/tasks.py reads them; `tools` as agent/offering.py does.

    `rank` of 0 lets every parameter learn; `alpha` and `lr` of 0 are chosen by the model. With `steps` it is their
    number that ends the run, and no clock. `measured` held-out prompts are answered `samples` times each. `shuffled` is
    the control: every answer gets another one's reward, so that there is nothing to learn.
    """

    reward: str
    prompts: str = ""
    policy: PolicySettings = field(default_factory=PolicySettings)
    tools: str = "auto"
    rank: int = 0
    alpha: float = 0.0
    minutes: float = 5.0
    steps: int = 0
    lr: float = 0.0
    measured: int = 100
    samples: int = 4
    shuffled: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.reward:
            raise ConfigError("there is no reward to learn from; name one with --reward, such as arithmetic")
        for name in ("rank", "alpha", "steps", "lr"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative")
        if self.measured < 1 or self.samples < 1:
            raise ConfigError(f"{self.samples} answers to {self.measured} held-out prompts measure nothing; give more")
        if not self.steps and not 0 < self.minutes <= 60 * 24 * 365:
            raise ConfigError(f"minutes={self.minutes:g} is not a time to train for; try --minutes 5")
        if not self.lr < 1:
            raise ConfigError(f"lr={self.lr} is not a learning rate; use one below 1, such as 0.0003")
