"""Rewards: how good an answer is, as a number, by a rule that can be told, a check, or a model.

    length:40        -|characters - 40| / 40: 0 at best, at 40 characters
    format:REGEX     1 where the whole answer is of that form, else 0
    a reward model   what RewardModel says of question and answer (reward_model.py)
    any function     of a task and an answer's text

A reward that is no number is a mistake of whoever wrote it, and learning from it ruins a model: the run stops there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import regex

from twofold.errors import ConfigError, TwofoldError

__all__ = ["Reward", "Task", "rewarded", "rule"]

PATIENCE = 1.0  # seconds for a pattern


@dataclass(frozen=True)
class Task:
    """What a model is to answer: `messages` so far, and what a reward may want to know of it, such as what is right."""

    messages: tuple[Mapping[str, Any], ...]
    about: Any = None

    @property
    def text(self) -> str:
        return str(self.messages[-1]["content"])


Reward = Callable[[Task, str], float]


def rewarded(reward: Reward, task: Task, answer: str) -> float:
    """The reward as a number. Raises TwofoldError, with question and answer, where it fails or gives none."""
    try:
        value = float(reward(task, answer))
    except TwofoldError:
        raise
    except Exception as error:
        raise TwofoldError(
            f"the reward failed ({type(error).__name__}: {error}) on the answer {answer!r:.80} to {task.text!r:.80}; "
            "mend it and give the same command again, which goes on from the last checkpoint"
        ) from error
    if not math.isfinite(value):
        raise TwofoldError(
            f"the reward of the answer {answer!r:.80} to {task.text!r:.80} is {value}, from which nothing can be "
            "learned; let it give a finite number for every answer, and go on with the same command"
        )
    return value


def rule(text: str) -> Reward | None:
    """The rule of that name, or None where it names none. Raises ConfigError for one that cannot be."""
    name, _, given = text.partition(":")
    if name == "length":
        if not given.isdigit() or not int(given):
            raise ConfigError(f"{text!r:.60} needs a number of characters, such as length:40")
        return _near(int(given))
    if name == "format":
        try:
            return _of_form(regex.compile(given))
        except (regex.error, RecursionError) as error:
            raise ConfigError(f"{text!r:.60} is no pattern that can be used: {error}") from error
    return None


def _near(wanted: int) -> Reward:
    return lambda task, answer: -abs(len(answer) - wanted) / wanted


def _of_form(form: regex.Pattern[str]) -> Reward:
    def reward(task: Task, answer: str) -> float:
        try:
            return float(form.fullmatch(answer, timeout=PATIENCE) is not None)
        except TimeoutError:
            return 0.0

    return reward
