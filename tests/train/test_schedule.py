"""The schedule is a function of the step and of the revisions that were written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError
from twofold.train.schedule import Schedule, revised_steps


def test_it_warms_up_stays_and_falls_to_nothing():
    schedule = Schedule(steps=100, warmup=10, cooldown=0.5)
    assert schedule.scale(0) == pytest.approx(0.1)
    assert schedule.scale(9) == schedule.scale(50) == 1.0
    assert schedule.scale(75) == pytest.approx(0.5)
    assert schedule.scale(99) == pytest.approx(0.02)
    assert schedule.scale(100) == 0.0


@given(st.integers(1, 500), st.integers(0, 50), st.floats(0, 1), st.floats(0, 1), st.integers(0, 600))
def test_the_scale_stays_between_nothing_and_one(steps, warmup, cooldown, floor, step):
    assert 0.0 <= Schedule(steps, warmup, cooldown, floor).scale(step) <= 1.0


def test_a_revision_holds_from_its_step_on_and_not_before():
    schedule = Schedule(100).revise(40, 80)
    assert [schedule.steps_at(step) for step in (0, 39, 40, 99)] == [100, 100, 80, 80]
    assert schedule.scale(39) == Schedule(100).scale(39)


def test_a_slower_machine_gets_fewer_steps_and_a_little_drift_changes_nothing():
    assert revised_steps(50, planned=150, seconds_left=100, usual=2.0, last=2.0, share=0.15) == 100
    assert revised_steps(50, planned=150, seconds_left=100, usual=1.01, last=0.0, share=0.0) == 150
    assert revised_steps(50, planned=150, seconds_left=-1, usual=1.0, last=1.0, share=0.15) == 50


def test_a_schedule_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="cooldown"):
        Schedule(10, cooldown=1.5)
