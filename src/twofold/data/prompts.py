"""What an assistant is asked, without the answers: to be answered by people, or by a model for people to compare.

    How do I boil an egg?                                        a line of text each; what follows a tab is left out
    {"prompt": "How do I boil an egg?"}                          or messages; with "answers", those that are compared
    {"messages": …} and the other forms of conversations         up to the last of the user's messages
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twofold.data.conversation_files import FORMS, form_of, messages, read_records
from twofold.data.conversations import Conversation, Message
from twofold.data.labels import digest
from twofold.data.preferences import Messages
from twofold.errors import ConfigError, SourceError

__all__ = ["MOST_ANSWERS", "Prompt", "almanac", "read"]

MOST_ANSWERS = 2
TRIED = 4  # conversations for each prompt that is wanted, since some ask the same


@dataclass(frozen=True)
class Prompt:
    """`messages` end with the user's. `answers` may be there already: two at most, which are not the same.

    Raises ConfigError for what cannot be asked.
    """

    messages: Messages
    answers: tuple[Messages, ...] = ()

    def __post_init__(self) -> None:
        if not self.messages or self.messages[-1].role != "user":
            raise ConfigError("a prompt ends with the user's message, and there is none")
        for answer in self.answers or ((Message("assistant", "…"),),):
            Conversation((*self.messages, *answer))
        if len(self.answers) > MOST_ANSWERS or len(set(map(digest, self.answers))) < len(self.answers):
            raise ConfigError(f"{MOST_ANSWERS} answers that differ are compared, but there are {len(self.answers)}")

    @property
    def id(self) -> str:
        """The same for the same prompt with the same answers, in any file."""
        return digest(self.messages, *self.answers)


def read(path: Path) -> list[Prompt]:
    """The prompts of a file, each once, in order.

    Raises SourceError for a file that cannot be read or holds none, FileFormatError with file and line.
    """
    return _each_once(read_records(path, _prompt, line=lambda text: {"prompt": text.partition("\t")[0]}), str(path))


def almanac(n: int, seed: int = 0) -> list[Prompt]:
    """`n` questions of the built-in conversations; none that is kept for measuring. Raises MissingExtra."""
    from twofold.data.almanac_chat.almanac import conversations

    return _each_once((Prompt(_asked(one.messages)) for one in conversations(seed, TRIED * n)), "almanac")[:n]


def _each_once(prompts: Iterable[Prompt], where: str) -> list[Prompt]:
    found = list({prompt.id: prompt for prompt in prompts}.values())
    if not found:
        raise SourceError(f"{where} holds no prompts; write one to a line")
    return found


def _prompt(record: Any) -> Prompt:
    if isinstance(record, Mapping) and "prompt" in record:
        answers = record.get("answers", [])
        if not isinstance(answers, list):
            raise ConfigError(f"answers are a list, but this is {answers!r:.60}")
        return Prompt(_said(record["prompt"], "user"), tuple(_said(one, "assistant") for one in answers))
    if isinstance(record, Mapping) and "question" in record:
        return Prompt(_said(record["question"], "user"))
    return Prompt(_asked(tuple(FORMS[form_of(record)][1](record))))


def _said(value: Any, role: str) -> Messages:
    return tuple(messages({"messages": [{"role": role, "content": value}] if isinstance(value, str) else value}))


def _asked(said: Messages) -> Messages:
    """Up to the last of the user's messages."""
    last = max((i for i, message in enumerate(said) if message.role == "user"), default=-1)
    return said[: last + 1]
