"""How much of the vocabulary a step scores; what it means is in shortlist.py."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.errors import ConfigError

__all__ = ["ShortlistSettings"]

_WHOLE_EVERY = 16


@dataclass(frozen=True)
class ShortlistSettings:
    """`frequent` and `drawn` as shares of the vocabulary (0 drawn: no shortlist), `whole` of the run at its end."""

    frequent: float = 0.125
    drawn: float = 0.05
    whole: float = 0.15

    def __post_init__(self) -> None:
        if min(self.frequent, self.drawn, self.whole) < 0 or self.frequent + self.drawn > 1 or self.whole > 1:
            raise ConfigError(
                f"frequent={self.frequent} and drawn={self.drawn} are shares of the vocabulary and whole={self.whole} "
                "of the run: none is negative, and neither the first two together nor the last is above 1"
            )

    def sees_all(self, step: int, steps: int) -> bool:
        """Whether step number `step` of `steps` scores the whole vocabulary."""
        return not self.drawn or step % _WHOLE_EVERY == 0 or step >= (1 - self.whole) * steps

    def scored(self, step: int, steps: int) -> float:
        """The share of the vocabulary that step number `step` of `steps` scores."""
        return 1.0 if self.sees_all(step, steps) else self.frequent + self.drawn

    @property
    def scored_in_all(self) -> float:
        """The mean of `scored` over a run."""
        some = 1 - 1 / _WHOLE_EVERY
        return 1 - (1 - self.whole) * some * (1 - self.frequent - self.drawn) if self.drawn else 1.0
