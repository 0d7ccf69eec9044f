"""Rewards: rules as they are told, and what is no number ends the run."""

from __future__ import annotations

import math

import pytest

from twofold.errors import ConfigError, TwofoldError
from twofold.tune.rewards import Task, rewarded, rule

TASK = Task(({"role": "user", "content": "What is 2 + 3?"},), 5)


def test_rules_are_what_they_say():
    length, form = rule("length:10"), rule(r"format:\d+ apples")
    assert [length(TASK, "x" * n) for n in (10, 5, 20)] == [0.0, -0.5, -1.0]
    assert [form(TASK, text) for text in ("12 apples", "12 apples!", "")] == [1.0, 0.0, 0.0]
    assert rule("politeness") is None


@pytest.mark.slow
def test_a_pattern_that_never_ends_is_not_waited_for():
    assert rule(r"format:(a|a)*b|(a*)*c")(TASK, "a" * 40) == 0.0


@pytest.mark.parametrize("wrong", ["length:", "length:0", "length:-3", "length:many", "format:(", "format:[z-a]"])
def test_rules_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError):
        rule(wrong)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_no_number_is_said_with_question_and_answer(value):
    with pytest.raises(TwofoldError, match=r"'five' to 'What is 2 \+ 3\?' is (nan|inf|-inf)"):
        rewarded(lambda task, answer: value, TASK, "five")


@pytest.mark.parametrize("wrong", [lambda task, answer: 1 / 0, lambda task, answer: None, lambda task, answer: "good"])
def test_a_reward_that_fails_is_said_with_question_and_answer(wrong):
    with pytest.raises(TwofoldError, match=r"the reward failed .*'five'.*2 \+ 3"):
        rewarded(wrong, TASK, "five")


def test_truth_counts_as_one():
    assert rewarded(lambda task, answer: answer == str(task.about), TASK, "5") == 1.0
