"""The learning rate over a run: warm up, stay, then fall in a straight line to (nearly) nothing.

    scale(t) = min(1, (t + 1) / warmup) * min(1, (1 - t / steps) / cooldown)

A run with a time budget learns how fast it is only as it goes: the number of steps is then a plan that is revised now
and again, and the revisions are part of the recipe, so that the run can be repeated and resumed exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from twofold.errors import ConfigError

__all__ = ["Schedule", "revised_steps"]


@dataclass(frozen=True)
class Schedule:
    """`revisions` are (step, steps) pairs in order: from `step` on, the run is to have `steps` steps."""

    steps: int
    warmup: int = 5
    cooldown: float = 0.9
    floor: float = 0.0
    revisions: tuple[tuple[int, int], ...] = field(default=())

    def __post_init__(self) -> None:
        if self.steps < 1 or self.warmup < 0 or not 0 <= self.cooldown <= 1 or not 0 <= self.floor <= 1:
            raise ConfigError(
                f"steps={self.steps} must be at least 1, warmup={self.warmup} at least 0, and "
                f"cooldown={self.cooldown} and floor={self.floor} between 0 and 1"
            )

    def steps_at(self, step: int) -> int:
        """How many steps the run is to have, as known at `step`."""
        known = self.steps
        for since, steps in self.revisions:
            if since <= step:
                known = steps
        return known

    def scale(self, step: int) -> float:
        """What the peak learning rates are multiplied by at `step` (0 is the first)."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        left = max(0.0, 1 - step / self.steps_at(step))
        cool = min(1.0, left / self.cooldown) if self.cooldown else 1.0
        return warm * (self.floor + (1 - self.floor) * cool)

    def revise(self, step: int, steps: int) -> Schedule:
        """The same schedule, to have `steps` steps from `step` on."""
        return Schedule(self.steps, self.warmup, self.cooldown, self.floor, (*self.revisions, (step, max(steps, step))))


def revised_steps(
    step: int, planned: int, seconds_left: float, usual: float, last: float, share: float, slack: float = 0.02
) -> int:
    """The number of steps that fits the time that is left, or `planned` while that is within `slack` of it.

    A step takes `usual` seconds, and `last` in the final `share` of the run; 0 when that is not known yet.
    """
    if seconds_left <= 0:
        return step
    usual, last = usual or last, last or usual
    if not usual:
        return planned
    mean = (1 - share) * usual + share * last
    fits = int((seconds_left + step * usual) / mean)
    if step >= (1 - share) * fits:
        fits = step + int(seconds_left / last)
    return planned if abs(fits - planned) <= slack * planned else max(step + 1, fits)
