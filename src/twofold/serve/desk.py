"""The desk at which people label: which prompt is next for whom, in which order they see two answers, what they say.

Who labels is a name that the page sends; each goes through all prompts, in the order of the file. Which answer stands
first is drawn for each of them, so that a habit of preferring the first falls on both answers alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twofold.data.labels import Given, LabelFile, Verdict, now
from twofold.data.preferences import Messages
from twofold.data.prompts import Prompt
from twofold.errors import ConfigError
from twofold.serve.drafts import Drafts
from twofold.serve.problems import Problem

__all__ = ["INSTRUCTIONS", "Desk", "Sheet"]

INSTRUCTIONS = """\
Which answer would you rather have been given?

1. **Right** comes first. An answer with a mistake in it loses against one without, however well it is written.
   Look things up that you are not sure of, or skip.
2. An honest **"I don't know"** is better than something made up, and worse than the right answer.
3. Then: does it answer **what was asked**, and not more than that?
4. Then: is it clear, and kind?

Length and manner are no merits by themselves. If neither is good enough to be given to anyone, say that both are bad;
better still, write the answer that should have been given.
"""


@dataclass(frozen=True)
class Sheet:
    """What a labeller has before them; `cut` says of each answer whether it was cut off at its limit of tokens.

    `trouble` is why there are no answers, where the model could not give any.
    """

    number: int
    prompt: Prompt
    answers: tuple[Messages, ...]
    cut: tuple[bool, ...] = ()
    trouble: str = ""


@dataclass
class Desk:
    """`file` keeps what is said; without `drafts` prompts have the answers that they bring, or none."""

    file: LabelFile
    prompts: Sequence[Prompt] = ()
    drafts: Drafts | None = None
    by: str = ""
    instructions: str = INSTRUCTIONS
    now: Callable[[], str] = now
    _places: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._places = {prompt.id: i for i, prompt in enumerate(self.prompts)}

    def done(self, by: str) -> dict[str, str]:
        """Entry by prompt, in the order in which `by` labelled them."""
        said = self.file.entries(by)
        return {str(labels["task"]): entry for entry, labels in said.items() if labels.get("task") in self._places}

    def next(self, by: str, after: str | None = None) -> int | None:
        """The place of the first prompt that `by` has not labelled; with `after`, of the first behind that one."""
        done, begin = self.done(by), 0 if after is None else self._place(after) + 1
        return next((i for i in range(begin, len(self.prompts)) if self.prompts[i].id not in done), None)

    def sheet(self, by: str, number: int) -> Sheet:
        """May take as long as the model takes to answer twice."""
        prompt, trouble = self.prompts[number], ""
        try:
            answers = self.answers(prompt)
        except ConfigError as error:
            answers, trouble = (), str(error)
        shown = answers[::-1] if _turned(by, prompt) else answers
        cut = tuple(self.drafts is not None and self.drafts.is_cut(answer) for answer in shown)
        return Sheet(number, prompt, shown, cut, trouble)

    def answers(self, prompt: Prompt) -> tuple[Messages, ...]:
        return prompt.answers or (self.drafts.of(prompt) if self.drafts else ())

    def give(self, by: str, task: str, given: Given, *, of: int | None = None, text: str = "", **about: Any) -> str:
        """Keep what `by` says, of the answers as they saw them; `of` is the one that is meant, where it is one.

        Gives the entry. Raises ConfigError, and Problem for a prompt that is not there or labelled already.
        """
        number = self._place(task)
        if task in self.done(by):
            raise Problem(409, "you have labelled this one already, perhaps in another window; take it back first",
                          code="labelled")  # fmt: skip
        sheet = self.sheet(by, number)
        answers = sheet.answers if of is None else sheet.answers[of : of + 1]
        if given == "written":
            answers = ()
        if self.drafts is not None:
            about["model"] = self.drafts.served.name
        about = {"task": task, **about}
        return self.file.add(Verdict(given, sheet.prompt.messages, answers, by, self.now(), text, about))

    def take_back(self, by: str) -> str | None:
        """What `by` labelled last, as the name of its prompt; None where there is nothing."""
        done = self.done(by)
        if not done:
            return None
        task, entry = list(done.items())[-1]
        self.file.take_back(entry)
        return task

    def _place(self, task: str) -> int:
        if task not in self._places:
            raise Problem(404, f"there is no prompt {task!r:.40} here; load the page again", param="task")
        return self._places[task]


def _turned(by: str, prompt: Prompt) -> bool:
    return bool(hashlib.sha256(f"{by} {prompt.id}".encode()).digest()[0] % 2)
