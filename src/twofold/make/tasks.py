"""What a model is asked while it learns from rewards, what is kept back to measure it, and the reward.

    arithmetic, arithmetic:3     sums, differences, products and quotients of up to 6 (or 3) digits; right or wrong
    sums:2                       sums alone
    taste                        the creatures of data/taste.py, by the rule that is known
    suite.json                   the questions of a suite and what it says is right
    length:40, format:REGEX      a rule, on prompts of --prompts
    runs/reward                  a reward model, on prompts of --prompts

What is kept back is decided by a hash of what is asked: it is never asked in training, whatever the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from twofold.data import prompts as files_of_prompts
from twofold.data import taste
from twofold.data.almanac_chat.draw import Draw, is_held
from twofold.errors import ConfigError
from twofold.evals.arithmetic_suite import ASKED
from twofold.evals.judging import is_right
from twofold.evals.questions import Question
from twofold.evals.questions import read as read_suite
from twofold.tune.batches import order
from twofold.tune.reward_model import RewardModel
from twofold.tune.rewards import Reward, Task, rule

__all__ = ["Asked", "Listed", "Sums", "asked", "reward_of", "right"]

HELD = 0.2  # of what is asked
DIGITS = 6
TASTE = "taste"
_ALMANAC = 2_000  # questions of the built-in conversations

_ARITHMETIC = {"arithmetic": tuple(ASKED), "sums": ("sum",)}


class Asked(Protocol):
    def learned(self, first: int, n: int) -> list[Task]:
        """Tasks first … first + n - 1 of an endless row."""
        ...

    def held(self, n: int) -> list[Task]:
        """At most `n`, none of which is ever in `learned`; the same ones every time."""
        ...


@dataclass(frozen=True)
class Sums:
    """Arithmetic of `kinds` (those of evals/arithmetic_suite.py), with operands of up to `digits` digits."""

    kinds: tuple[str, ...]
    digits: int
    seed: int

    def learned(self, first: int, n: int) -> list[Task]:
        return [self._task(Draw("reinforced", self.seed, i), False) for i in range(first, first + n)]

    def held(self, n: int) -> list[Task]:
        found: dict[str, Task] = {}
        for i in range(20 * n):
            task = self._task(Draw("measured", i), True)
            found.setdefault(repr(task.about.expected) + task.text, task)
            if len(found) == n:
                break
        return list(found.values())

    def _task(self, draw: Draw, held: bool) -> Task:
        while True:
            kind = draw.of(self.kinds)
            a, b = (10 ** (d - 1) + draw.below(9 * 10 ** (d - 1)) for d in (1 + draw.below(self.digits) for _ in "ab"))
            if is_held(HELD, "reinforced", kind, a, b) == held:
                break
        first = a * b if kind == "quotient" else a
        result = {"sum": a + b, "difference": a - b, "product": a * b, "quotient": a}[kind]
        text = draw.of(ASKED[kind]).format(a=first, b=b)
        return _task_of(Question(({"role": "user", "content": text},), "number", result, group=kind))


@dataclass(frozen=True)
class Listed:
    """Tasks that are there, in a fresh order every time around."""

    tasks: Sequence[Task]
    kept: Sequence[Task]
    seed: int

    def learned(self, first: int, n: int) -> list[Task]:
        numbers = [divmod(i, len(self.tasks)) for i in range(first, first + n)]
        return [self.tasks[order(len(self.tasks), self.seed, epoch)[k]] for epoch, k in numbers]

    def held(self, n: int) -> list[Task]:
        return list(self.kept[:n])


def asked(reward: str, prompts: str, seed: int) -> Asked:
    """What is asked with the reward of that name: its own questions, or else the prompts. Raises ConfigError."""
    name, _, given = reward.partition(":")
    if name in _ARITHMETIC:
        digits = int(given or DIGITS) if (given or "6").isdigit() else 0
        if not 1 <= digits <= DIGITS:
            raise ConfigError(f"{reward!r:.40} needs a number of digits from 1 to {DIGITS}, such as {name}:2")
        return Sums(_ARITHMETIC[name], digits, seed)
    if reward == TASTE or (prompts == TASTE and not Path(prompts).exists()):
        return _taste(seed)
    return _suite(Path(reward), seed) if _is_suite(reward) else _prompts(prompts, reward, seed)


def reward_of(name: str) -> Reward:
    """The reward of that name. Raises ConfigError for one that is none of those above."""
    if name.partition(":")[0] in _ARITHMETIC or _is_suite(name):
        return right
    if name == TASTE:
        return lambda task, answer: taste.rule(task.text, answer)
    by_rule = rule(name)
    if by_rule is not None:
        return by_rule
    if not Path(name).exists():
        raise ConfigError(f"there is no reward {name!r:.60}; it is arithmetic, sums, taste, length:40, format:REGEX, "
                          "a suite (.json or .yaml), or a reward model's folder")  # fmt: skip
    return RewardModel(name)


def _is_suite(name: str) -> bool:
    return Path(name).suffix.lower() in (".json", ".yaml", ".yml")


def right(task: Task, answer: str) -> float:
    """1 where an answer is what its question says is right, else 0."""
    return float(is_right(task.about, answer))


def _task_of(question: Question) -> Task:
    return Task(question.messages, question)


def _taste(seed: int) -> Listed:
    """Few questions can be asked; what is kept back of them is to measure, and the same ones are learned from."""
    tasks = [Task(({"role": "user", "content": taste.question(name)},)) for name in taste.CREATURES]
    return Listed(tasks, tasks, seed)


def _suite(path: Path, seed: int) -> Listed:
    questions = [one for one in read_suite(path).questions if not one.choices]
    return _split([_task_of(one) for one in questions], str(path), seed)


def _prompts(name: str, reward: str, seed: int) -> Listed:
    if not name:
        raise ConfigError(f"the reward {reward!r:.60} needs something to be asked; name a file with --prompts, "
                          "or almanac for the built-in questions")  # fmt: skip
    built_in = name == "almanac" and not Path(name).exists()
    read = partial(files_of_prompts.almanac, _ALMANAC, seed) if built_in else partial(files_of_prompts.read, Path(name))
    tasks = [Task(tuple(message.to_dict() for message in one.messages)) for one in read()]
    return _split(tasks, name, seed)


def _split(tasks: Sequence[Task], where: str, seed: int) -> Listed:
    sides: dict[bool, list[Task]] = {True: [], False: []}
    for task in tasks:
        sides[is_held(HELD, "reinforced", _asked(task))].append(task)
    if not sides[False] or not sides[True]:
        raise ConfigError(f"{where} has {len(tasks)} questions that can be learned from, too few to keep some back; "
                          "give 20 or more")  # fmt: skip
    return Listed(sides[False], sides[True], seed)


def _asked(task: Task) -> Any:
    return [(message["role"], message["content"]) for message in task.messages]
