"""The course of a run: what is done around the one loop, whatever is being learned.

    resume -> for each step: log it, fit the plan to the time that is left, rest now and then (measure, save) -> save

Every step is logged. The run can end at any moment, by Ctrl-C or by a kill, and goes on from its last checkpoint to the
losses that it would have had.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from twofold.interrupts import Interrupted, interrupt_as_event
from twofold.make.clock import Clock
from twofold.make.observer import Observer
from twofold.train import checkpoint
from twofold.train.average import Average
from twofold.train.checkpoint import Progress
from twofold.train.distributed import Group
from twofold.train.journal import Journal
from twofold.train.loop import Step, run_steps
from twofold.train.optimiser import Optimiser
from twofold.train.schedule import Schedule

__all__ = ["Course", "nats_to_bits"]


class Course:
    """A run in `folder`, of `budget` seconds (0: the schedule's steps alone decide).

    `told(step)` gives what is logged of a step besides its loss; `seen_whole(step)` says whether it was one of those at
    the end, the share `whole` of all, that take longer. `rest(step)` is called `rests` times in the run, between two
    steps, and may return held-out bits per byte, by which the best checkpoint is known. Only after a multiple of `unit`
    steps is it saved, where what comes next hangs on the parameters alone.
    """

    def __init__(
        self, model: nn.Module, optimiser: Optimiser, schedule: Schedule, budget: float, folder: Path,
        observer: Observer, *, told: Callable[[Step], Mapping[str, Any]], rest: Callable[[int], float | None],
        rests: int = 5, whole: float = 0.0, seen_whole: Callable[[int], bool] = lambda step: False,
        group: Group | None = None, average: Average | None = None, save_seconds: float = 60.0, keep: int = 2,
        unit: int = 1,
    ) -> None:  # fmt: skip
        self.model, self.optimiser, self.planned, self.observer = model, optimiser, schedule, observer
        self.told, self.rest, self.rests, self.whole, self.seen_whole = told, rest, rests, whole, seen_whole
        self.group, self.average, self.save_seconds, self.keep = group or Group(), average, save_seconds, keep
        self.unit = unit
        self.checkpoints, self.journal = folder / "checkpoints", Journal(folder / "log.jsonl")
        self.clock = Clock(budget, schedule, whole)
        self.leads = self.group.rank == 0
        self.step, self.saved_at = 0, time.monotonic()

    @property
    def steps(self) -> int:
        """How many the run is to have, as is known now."""
        return self.clock.schedule.steps_at(self.step)

    def resume(self) -> None:
        """Take up the last checkpoint and the revisions of the plan that were written down, whenever that was."""
        revisions = tuple((entry["step"], entry["steps"]) for entry in self.journal.events("revision"))
        path = checkpoint.latest(self.checkpoints)
        if path is None:
            if self.leads:
                self.journal.cut(0)
            return
        progress, extra = checkpoint.restore(path, self.model, self.optimiser)
        if self.average:
            self.average.load_state(extra)
        if self.leads:
            self.journal.cut(progress.step)
        revised = dataclasses.replace(self.planned, revisions=self.planned.revisions + revisions)
        self.clock = Clock(self.clock.budget, revised, self.whole, progress.seconds)
        self.step = progress.step
        self.observer.note(f"going on from step {self.step} of {self.steps}")

    def go(
        self, loss: Callable[[Any], Tensor], batch_at: Callable[[int], Any], clip: float = 1.0, accumulate: int = 1
    ) -> None:
        """Take the steps that are left. Raises Interrupted after Ctrl-C, when the run is saved."""
        steps = run_steps(self.model, loss, self.optimiser, batch_at, lambda s: self.clock.schedule.scale(s),
                          self.step, clip, accumulate, self.group)  # fmt: skip
        with interrupt_as_event() as interrupted:
            while self.step < self.steps:
                done = next(steps)
                self.step += 1
                if self.average:
                    self.average.update()
                self._tell(done)
                self._revise()
                self._pause()
                if self.step % self.unit == 0 and self.group.agree(float(interrupted.is_set())):
                    self._save()
                    raise Interrupted
        self._save()

    def _tell(self, done: Step) -> None:
        elapsed = self.clock.tick(self.seen_whole(done.step))
        info = {**self.told(done), "elapsed": elapsed}
        if self.leads:
            self.journal.write("step", **dataclasses.asdict(done), **info)
            self.observer.step(done, {**info, "steps": self.clock.schedule.steps_at(done.step),
                                      "seconds_left": self.clock.left(self.step)})  # fmt: skip

    def _revise(self) -> None:
        """Fit the number of steps to the time that is left, unless that was decided before."""
        known = [since for since, _ in self.clock.schedule.revisions]
        if not self.clock.due(self.step) or (known and known[-1] >= self.step):
            return
        steps = int(self.group.agree(float(self.clock.better_plan(self.step))))
        if steps != self.steps:
            if self.leads:
                self.journal.write("revision", step=self.step, steps=steps)
            self.clock.schedule = self.clock.schedule.revise(self.step, steps)

    def _pause(self) -> None:
        """Between two steps: rest and save, when it is time."""
        if self.step >= self.steps or not self.leads:
            return
        rested = self.step % max(1, -(-self.steps // self.rests)) == 0
        measured = self.rest(self.step) if rested else None
        due = (rested or self.step % 10 == 0) and self.step % self.unit == 0
        if due and time.monotonic() - self.saved_at >= self.save_seconds:
            self._save(measured)

    def _save(self, measured: float | None = None) -> None:
        if self.leads:
            progress = Progress(self.step, self.clock.spent, measured)
            extra = self.average.values if self.average else None
            checkpoint.save(self.checkpoints, self.model, self.optimiser, progress, extra, self.keep)
            self.saved_at = time.monotonic()


def nats_to_bits(nats: float, bytes_per_token: float) -> float:
    """Nats per token as bits per byte."""
    return nats / (math.log(2) * bytes_per_token)
