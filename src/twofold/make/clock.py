"""Training time that survives interruption, and the plan of steps that is kept to it.

The number of steps is only a plan until the machine's speed is known. It is revised as the run goes, each revision is
written down before it takes effect, and a resumed or repeated run takes the same ones at the same steps.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

from twofold.train.schedule import Schedule, revised_steps

__all__ = ["Clock"]

_WINDOW = 48
_WHOLE_WINDOW = 8


class Clock:
    """`budget` in seconds (0: none) counts everything since the start of training, pauses of the process not.

    The last `share` of the run scores the whole vocabulary, which takes longer than what comes before it.
    """

    def __init__(self, budget: float, schedule: Schedule, share: float = 0.0, spent: float = 0.0) -> None:
        self.budget, self.schedule, self.share = budget, schedule, share
        self.began = time.monotonic() - spent
        self.durations: deque[float] = deque(maxlen=_WINDOW)
        self.whole: deque[float] = deque(maxlen=_WHOLE_WINDOW)
        self.last = time.monotonic()

    @property
    def spent(self) -> float:
        return time.monotonic() - self.began

    def tick(self, whole: bool = False) -> float:
        """The wall time since the last tick: a step together with whatever was done around it."""
        now = time.monotonic()
        elapsed, self.last = now - self.last, now
        self.durations.append(elapsed)
        if whole:
            self.whole.append(elapsed)
        return elapsed

    @property
    def usual(self) -> float:
        """The median of the recent ticks."""
        return _median(self.durations)

    def left(self, step: int) -> float:
        """Seconds until the end: of the budget, or else of the steps at the usual speed."""
        if self.budget:
            return max(0.0, self.budget - self.spent)
        return (self.schedule.steps_at(step) - step) * self.usual

    def due(self, step: int) -> bool:
        """Whether the plan should be looked at before `step`: soon after the start, then every tenth step."""
        return self.budget > 0 and (step in (3, 6) or step % 10 == 0)

    def better_plan(self, step: int) -> int:
        """How many steps the run should have, given the time that is left: by the mean, as pauses count too."""
        recent, whole = ([each for each in durations if each < 10 * self.usual]  # compiling is over for good
                         for durations in (self.durations, self.whole))
        usual = sum(recent) / len(recent) if recent else 0.0
        planned = self.schedule.steps_at(step)
        return revised_steps(step, planned, self.budget - self.spent, usual, _median(whole), self.share)


def _median(durations: Iterable[float]) -> float:
    """The lower one, where there are two; 0 of none."""
    known = sorted(durations)
    return known[(len(known) - 1) // 2] if known else 0.0
