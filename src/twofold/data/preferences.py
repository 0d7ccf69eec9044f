"""Comparisons: two answers to the same conversation, of which one is better. Files of them, one JSON object a line:

    {"prompt": [{"role": "user", …}], "chosen": [{"role": "assistant", …}], "rejected": [{"role": "assistant", …}]}

TRL's names and form. An answer may call tools on its way: assistant with calls, results, assistant. Texts may stand in
place of messages, and `prompt` may be left out where `chosen` and `rejected` are whole conversations with the same
beginning. Other records of a file of labels, such as conversations, are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twofold.data.conversation_files import Problem, messages, read_records
from twofold.data.conversations import Conversation, Message
from twofold.errors import ConfigError, SourceError

__all__ = ["Messages", "Preference", "check", "preference", "read"]

Messages = tuple[Message, ...]
KEYS = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}  # and who says what is only a text


@dataclass(frozen=True)
class Preference:
    """`prompt` ends where the assistant is to speak; `chosen` and `rejected` are what it might say, to its turn's end.

    Raises ConfigError for messages that nobody could say in this order, and for answers that are the same.
    """

    prompt: Messages
    chosen: Messages
    rejected: Messages
    source: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, answer in (("chosen", self.chosen), ("rejected", self.rejected)):
            try:
                check(self.prompt, answer)
                Conversation((*self.prompt, *answer), self.source, self.labels)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from error
        if self.chosen == self.rejected:
            raise ConfigError("chosen and rejected are the same answer, so there is nothing to prefer")

    def to_dict(self) -> dict[str, Any]:
        """The record that `conversations.write` writes and `read` reads."""
        said = {key: [message.to_dict() for message in getattr(self, key)] for key in KEYS}
        source = {"source": self.source} if self.source else {}
        return {**said, **source, **({"labels": dict(self.labels)} if self.labels else {})}


def check(prompt: Messages, answer: Messages) -> None:
    """Raise ConfigError unless `answer` is one whole turn of the assistant's, and it is its turn after `prompt`."""
    if not prompt or prompt[-1].role not in ("user", "tool"):
        last = f"the {prompt[-1].role}'s" if prompt else "missing"
        raise ConfigError(f"a prompt ends with the user's message (or a tool's result), but its last message is {last}")
    if not answer or answer[0].role != "assistant" or answer[-1].role != "assistant" or answer[-1].tool_calls:
        raise ConfigError("an answer begins with the assistant's message and ends with one that calls nothing")
    if any(message.role not in ("assistant", "tool") for message in answer):
        raise ConfigError("an answer is one turn of the assistant's, with nobody else's in it")


def read(path: Path, on_problem: Problem | None = None) -> Iterator[Preference]:
    """The comparisons of a file, in order. Problems as `conversation_files.read` has them.

    Raises SourceError for a file that cannot be read or holds none.
    """
    made = read_records(path, lambda one: None if _is_other(one) else preference(one, path.name), on_problem)
    if not (yield from made):
        raise SourceError(f"{path} compares no answers; twofold finetune learns from conversations, and "
                          "twofold label MODEL makes comparisons")  # fmt: skip


def _is_other(record: Any) -> bool:
    """A conversation, or an answer that was not compared or preferred."""
    compares = isinstance(record, Mapping) and ("chosen" in record or "rejected" in record)
    return isinstance(record, Mapping) and not compares and ("messages" in record or "answers" in record)


def preference(record: Any, source: str = "") -> Preference:
    """A record. `source` is used where it names none. Raises ConfigError for what is wrong with it."""
    if not isinstance(record, Mapping) or not {"chosen", "rejected"} <= record.keys():
        found = f"has {', '.join(map(repr, record))!s:.60}" if isinstance(record, Mapping) else f"is {record!r:.60}"
        raise ConfigError(f"a comparison has 'prompt', 'chosen' and 'rejected', but this {found}")
    labels, named = record.get("labels", {}), record.get("source", source)
    if not isinstance(labels, Mapping) or not isinstance(named, str):
        raise ConfigError(f"labels are an object and source is a text, but these are {labels!r:.40} and {named!r:.40}")
    chosen, rejected = _messages(record, "chosen"), _messages(record, "rejected")
    prompt = _messages(record, "prompt") if record.get("prompt") is not None else _beginning(chosen, rejected)
    return Preference(prompt, _after(prompt, chosen), _after(prompt, rejected), named, dict(labels))


def _messages(record: Mapping[str, Any], key: str) -> Messages:
    said = record[key]
    if isinstance(said, str):
        said = [{"role": KEYS[key], "content": said}]
    try:
        return tuple(messages({key: said}, key))
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from error


def _beginning(chosen: Messages, rejected: Messages) -> Messages:
    """What two conversations have in common, up to where the assistant speaks."""
    n = 0
    while n < min(len(chosen), len(rejected)) and chosen[n] == rejected[n]:
        n += 1
    while n and chosen[n - 1].role not in ("user", "tool"):
        n -= 1
    return chosen[:n]


def _after(prompt: Messages, said: Messages) -> Messages:
    """The answer alone, where the whole conversation is repeated in it."""
    return said[len(prompt) :] if said[: len(prompt)] == prompt else said
