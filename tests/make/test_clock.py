"""A run keeps to its time: whatever its speed, it ends within a tenth of the budget."""

import pytest

from twofold.make import clock as module
from twofold.make.clock import Clock
from twofold.train.schedule import Schedule
from twofold.train.shortlist_settings import ShortlistSettings


class Time:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.mark.parametrize("budget", [60.0, 300.0, 3600.0])
@pytest.mark.parametrize("step_seconds", [lambda step: 0.3, lambda step: 0.9, lambda step: 0.2 + 0.004 * (step % 50),
                                          lambda step: 0.5 if step < 100 else 1.0])
@pytest.mark.parametrize("whole", [1.0, 1.8])
def test_it_ends_on_time_though_the_plan_was_wrong(monkeypatch, budget, step_seconds, whole):
    settings = ShortlistSettings()
    time = Time()
    monkeypatch.setattr(module, "time", time)
    clock = Clock(budget, Schedule(int(budget / 0.5)), settings.whole)
    step = 0
    while step < clock.schedule.steps_at(step):
        sees_all = settings.sees_all(step, clock.schedule.steps_at(step))
        pause = 12.0 if step == 0 else 2.0 if step % 40 == 0 else 0.0
        time.now += step_seconds(step) * (whole if sees_all else 1.0) + pause
        step += 1
        clock.tick(sees_all)
        if clock.due(step):
            steps = clock.better_plan(step)
            if steps != clock.schedule.steps_at(step):
                clock.schedule = clock.schedule.revise(step, steps)
    assert abs(time.now - budget) <= 0.1 * budget


def test_without_a_budget_the_steps_alone_decide():
    clock = Clock(0.0, Schedule(7))
    assert not any(clock.due(step) for step in range(1, 100))
