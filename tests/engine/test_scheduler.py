"""Whatever comes when: places are not exceeded, nobody starves, and prompts share what writers leave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.scheduler import ALONE, Scheduler

JOBS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 400), st.integers(1, 80)), min_size=1, max_size=25)
SIZES = st.tuples(st.integers(1, 6), st.integers(1, 64), st.integers(1, 16), st.integers(1, 20), st.integers(1, 30))


def run(scheduler: Scheduler, jobs: list[tuple[int, int, int]]) -> list[dict]:
    """Play jobs (when it comes, prompt, answer) to the end; what happened in each step, and what was true before."""
    left: dict[int, list[int]] = {}
    steps = []
    for now in range(100_000):
        for id, (when, prompt, answer) in enumerate(jobs):
            if when == now:
                scheduler.add(id)
                left[id] = [prompt, answer]
        for id in scheduler.begin():
            scheduler.owe(id, left[id][0], writes=False)
        plan = scheduler.plan()
        assert scheduler.running <= scheduler.slots
        writing = {id for id, (prompt, _) in left.items() if not prompt}
        steps.append({"plan": plan, "here": set(left), "writing": writing})
        for id, n in plan:
            if left[id][0]:  # reads its prompt
                scheduler.read(id, n)
                left[id][0] -= n
                assert left[id][0] >= 0
                if left[id][0]:
                    continue
            left[id][1] -= 1
            if left[id][1]:
                scheduler.owe(id, 1, writes=True)
            else:
                del left[id]
                scheduler.remove(id)
        if not left and now >= max(when for when, _, _ in jobs):
            return steps
    raise AssertionError(f"{len(left)} texts never ended")


@pytest.mark.slow
@given(JOBS, SIZES)
def test_every_text_ends_and_in_each_step_someone_goes_on(jobs, sizes):
    slots, budget, least, turn, resident = sizes
    scheduler = Scheduler(slots, budget=budget, least=least, turn=turn, resident=resident)
    for step in run(scheduler, jobs):
        assert bool(step["plan"]) == bool(step["here"])
        counts = [n for _, n in step["plan"]]
        assert all(n > 0 for n in counts)
        writers = sum(id in step["writing"] for id, _ in step["plan"])
        readers = [n for id, n in step["plan"] if id not in step["writing"]]
        allowed = max(budget - writers, least) if writers else ALONE * budget
        assert sum(readers) <= max(allowed, 0)
    assert len(scheduler) == 0


@pytest.mark.slow
@given(st.integers(2, 40), st.integers(1, 8), st.integers(1, 10))
def test_texts_that_came_together_get_places_in_turn(n, slots, turn):
    """With equal texts, none is more than about one turn ahead of any other that was begun or waits."""
    scheduler = Scheduler(slots, turn=turn, resident=n)
    jobs = [(0, 1, 50)] * n
    written = dict.fromkeys(range(n), 0)
    for step in run(scheduler, jobs):
        for id, _ in step["plan"]:
            written[id] += 1
        alive = [written[id] for id in step["here"]]
        assert max(alive) - min(alive) <= 2 * turn + 1


def test_a_short_prompt_does_not_wait_for_a_long_one():
    scheduler = Scheduler(4, budget=100)
    steps = run(scheduler, [(0, 100_000, 1), (0, 150, 1), (0, 150, 1)])
    done = next(i for i, step in enumerate(steps) if 1 not in step["here"])
    assert done <= 3


def test_a_long_prompt_does_not_hold_up_those_who_write():
    scheduler = Scheduler(4, budget=64, least=16)
    steps = run(scheduler, [(0, 1, 30), (5, 5000, 1)])
    for step in steps[1:29]:
        assert (0, 1) in step["plan"]
        assert sum(n for _, n in step["plan"]) <= 64


def test_no_more_texts_have_caches_than_may():
    scheduler = Scheduler(2, turn=1, resident=3)
    for id in range(10):
        scheduler.add(id)
    begun = []
    for _ in range(50):
        begun += scheduler.begin()
        for id, _ in scheduler.plan() or [(one, 1) for one in begun]:
            scheduler.owe(id, 1, writes=True)
    assert len(begun) == 3


def test_those_who_leave_make_room():
    scheduler = Scheduler(1)
    for id in range(3):
        scheduler.add(id)
    assert scheduler.begin() == [0]
    scheduler.remove(1)  # it waited
    scheduler.remove(0)  # it had the place
    assert scheduler.begin() == [2]
    with pytest.raises(KeyError):
        scheduler.remove(0)
